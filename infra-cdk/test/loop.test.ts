/** The poll loop on a second interpreter of Amazon States Language; the first is in deployment.test.ts. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';

import { SFN } from '@aws-sdk/client-sfn';

import { definition, HISTORY_EVENTS_A_TICK, LOOP_ENDED } from '../lib/poll-loop.ts';
import { CLIENT, eventually } from './support/deployment.ts';
import { entered, failed, given, history } from './support/history.ts';
import { type Answers, LocalStack, PYTHON } from './support/localstack.ts';

const skip = PYTHON === undefined && 'PORPOISE_LOCALSTACK_PYTHON names no Python with LocalStack: `cargo xtask infra` does';
const BEGINS = { place: 'p', epoch: 1, tick: 0 };
const goesOn = (tick: number) => ({ Return: { StatusCode: 200, Payload: { ...BEGINS, wait: 0, tick } } });
const ENDS = { Throw: { Error: LOOP_ENDED, Cause: 'nothing is in flight' } };
const CASES: Record<string, Answers> = {
  two: { '0': goesOn(1), '1': goesOn(2), '2': ENDS },
  six: { '0-5': goesOn(1), '6': ENDS },
  bad: { '0': { Throw: { Error: 'Lambda.TooManyRequestsException', Cause: 'throttled' } }, '1': goesOn(1), '2': ENDS },
};
let localStack: LocalStack | undefined;
let machines: SFN;
let stateMachineArn: string | undefined;

suite('on LocalStack', () => {
  before(async () => {
    if (skip !== false) return;
    localStack = await LocalStack.start('loop', 'Tick', CASES);
    machines = new SFN({ ...CLIENT, endpoint: localStack.endpoint });
    const poller = 'arn:aws:lambda:eu-central-1:000000000000:function:poller';
    const text = JSON.stringify(definition()).replace('${Poller}', poller);
    const made = await machines.createStateMachine({ name: 'loop', definition: text, roleArn: 'arn:aws:iam::000000000000:role/loop' });
    stateMachineArn = made.stateMachineArn;
  });
  after(() => localStack?.stop());

  test('LocalStack counts as many transitions, and the events of a tick', { skip }, async () => {
    const [two, six] = [await ended('two'), await ended('six')];
    assert.deepEqual(entered(two), ['Tick', 'Pause', 'Tick', 'Pause', 'Tick', 'Ended']);
    assert.equal(entered(six).length, 2 * 6 + 2);
    assert.equal(six.length - two.length, 4 * HISTORY_EVENTS_A_TICK);
  });

  test('LocalStack asks each tick with what the one before answered', { skip }, async () => {
    const asked = given(await ended('two'), 'Tick');
    assert.deepEqual(asked, [BEGINS, { ...BEGINS, wait: 0, tick: 1 }, { ...BEGINS, wait: 0, tick: 2 }]);
  });

  test('LocalStack tries an error again, and enters no state for it', { skip }, async () => {
    const bad = await ended('bad');
    assert.deepEqual(entered(bad), ['Tick', 'Pause', 'Tick', 'Ended']);
    assert.equal(bad.filter(failed).length, 2); // the throttle, and the end
  });
});

/** The history of a loop that gets the answers of that name, when it has ended. */
async function ended(name: string): ReturnType<typeof history> {
  const input = JSON.stringify(BEGINS);
  const { executionArn } = await machines.startExecution({ stateMachineArn: `${stateMachineArn}#${name}`, input });
  await eventually(`the end of loop ${name}`, async () => {
    const { status } = await machines.describeExecution({ executionArn });
    assert.ok(status === 'RUNNING' || status === 'SUCCEEDED', `the loop is ${status}`);
    return status === 'SUCCEEDED' || undefined;
  }, 300);
  return history(machines, executionArn);
}
