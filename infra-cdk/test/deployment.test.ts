/** The synthesised templates, deployed on the emulator: what arrives where. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';
import { after, before, suite, test } from 'node:test';

import { EventBridge } from '@aws-sdk/client-eventbridge';
import { Lambda } from '@aws-sdk/client-lambda';
import { SFN } from '@aws-sdk/client-sfn';
import { SQS } from '@aws-sdk/client-sqs';

import { LOOP_ENDED, MEND_EVERY } from '../lib/poll-loop.ts';
import { ACCOUNT, CLIENT, Deployment, eventually, FAR_REGION, REGION } from './support/deployment.ts';
import { entered, failed, history } from './support/history.ts';
import { signed } from './support/sign.ts';
import { bootstrapZip } from './support/zip.ts';

const PLACE = `aws.${REGION}.${ACCOUNT}`;
const FAR = `aws.${FAR_REGION}.${ACCOUNT}`;
const events = new EventBridge(CLIENT);
const farEvents = new EventBridge({ ...CLIENT, region: FAR_REGION });
const functions = new Lambda(CLIENT);
const queues = new SQS(CLIENT);
const machines = new SFN(CLIENT);
let deployment: Deployment;

suite('on the emulator', () => {
  before(async () => {
    deployment = await Deployment.start();
  });
  after(() => deployment?.stop());

  test('any signed request reaches the api with its path, and no other does', async () => {
    const url = new URL('/v1/projects/etl?limit=3', deployment.output('PorpoiseHome', 'ApiUrl'));
    assert.equal((await get(url, { host: url.host })).status, 403);
    assert.deepEqual(await get(url, signed(url, 'execute-api')), { status: 200, body: { path: '/v1/projects/etl' } });
  });

  test('an input reaches the stepper once, in a batch that may fail in part', async () => {
    const QueueUrl = deployment.output('PorpoiseHome', 'InputsUrl');
    await queues.sendMessage({ QueueUrl, MessageBody: 'an-input', MessageGroupId: 'run', MessageDeduplicationId: 'a' });
    const { event, environment } = await arrival('PorpoiseHome', 'stepper', carries('an-input'));
    assert.equal(event['Records'].length, 1);
    assert.equal(environment['PORPOISE_PLACE'], PLACE);
    assert.deepEqual(JSON.parse(environment['PORPOISE_DISPATCHERS'] ?? ''), {
      [PLACE]: deployment.output('PorpoisePlace', 'DispatcherArn'),
    });
    assert.deepEqual(JSON.parse(environment['PORPOISE_BUSES'] ?? ''), {
      [FAR]: deployment.output('PorpoiseFar', 'BusArn'),
    });
    const FunctionName = `${deployment.name}-stepper`;
    const { EventSourceMappings: mappings } = await functions.listEventSourceMappings({ FunctionName });
    assert.deepEqual(mappings?.map(({ BatchSize, FunctionResponseTypes }) => ({ BatchSize, FunctionResponseTypes })), [
      { BatchSize: 10, FunctionResponseTypes: ['ReportBatchItemFailures'] },
    ]);
  });

  test('a wake reaches the trigger', async () => {
    const QueueUrl = deployment.output('PorpoiseHome', 'InputsUrl').replace('inputs.fifo', 'timers');
    await queues.sendMessage({ QueueUrl, MessageBody: 'a-wake', DelaySeconds: 1 });
    await arrival('PorpoiseHome', 'trigger', carries('a-wake'));
  });

  test('the dispatcher at home is invoked, and there is no bus that it would hear', async () => {
    const detail = { form: 1, place: PLACE, intents: ['called'] };
    const Payload = JSON.stringify({ source: 'porpoise', 'detail-type': 'Intents', detail });
    const FunctionName = deployment.output('PorpoisePlace', 'DispatcherArn');
    assert.equal((await functions.invoke({ FunctionName, InvocationType: 'Event', Payload })).StatusCode, 202);
    const { environment } = await arrival('PorpoisePlace', 'dispatcher', carries('"called"'));
    assert.equal(environment['PORPOISE_LOOP_ARN'], deployment.output('PorpoisePlace', 'LoopArn'));
    assert.match(environment['PORPOISE_INPUTS_URL'] ?? '', new RegExp(`/${ACCOUNT}/${deployment.name}-inputs.fifo$`));
    assert.equal(deployment.outputs['PorpoisePlace']?.['BusArn'], undefined);
  });

  test('intents for a place elsewhere reach its dispatcher, and no others do', async () => {
    const EventBusName = deployment.name;
    const put = (place: string, what: string, Source = 'porpoise') => ({
      EventBusName,
      Source,
      DetailType: 'Intents',
      Detail: JSON.stringify({ form: 1, place, intents: [what] }),
    });
    const Entries = [put('aws.us-east-1.000000000000', 'elsewhere'), put(FAR, 'forged', 'other'), put(FAR, 'ours')];
    assert.equal((await farEvents.putEvents({ Entries })).FailedEntryCount, 0);
    const { environment } = await arrival('PorpoiseFar', 'dispatcher', carries('"ours"'));
    assert.equal(environment['PORPOISE_HOME'], PLACE);
    assert.match(environment['PORPOISE_INPUTS_URL'] ?? '', new RegExp(`sqs.${REGION}.*/${ACCOUNT}/${deployment.name}-inputs.fifo$`));
    assert.equal((await deployment.seen('PorpoiseFar', 'dispatcher')).length, 1);
  });

  test('events of services reach the poller: those of states that matter, and receipts', async () => {
    const job = (state: string) => ({
      Source: 'emulated.emr-serverless',
      DetailType: 'EMR Serverless Job Run State Change',
      Detail: JSON.stringify({ jobRunId: `${deployment.name}-${state}`, state }),
    });
    const query = (workgroupName: string) => ({
      Source: 'emulated.athena',
      DetailType: 'Athena Query State Change',
      Detail: JSON.stringify({ queryExecutionId: `query-${workgroupName}`, workgroupName, currentState: 'SUCCEEDED' }),
    });
    const workgroups = [`${deployment.name}-target-reports`, `${deployment.name}-others`];
    const Entries = [job('PENDING'), job('SUCCESS'), ...workgroups.map(query)];
    assert.equal((await events.putEvents({ Entries })).FailedEntryCount, 0);
    const Bucket = deployment.output('PorpoisePlace', 'Bucket');
    for (const Key of ['blobs/a-blob', 'receipts/a-receipt']) await deployment.s3.putObject({ Bucket, Key, Body: '{}' });
    await arrival('PorpoisePlace', 'poller', carries(`${deployment.name}-SUCCESS`));
    await arrival('PorpoisePlace', 'poller', carries(`query-${deployment.name}-target-reports`));
    await arrival('PorpoisePlace', 'poller', carries('receipts/a-receipt'));
    const all = JSON.stringify((await deployment.seen('PorpoisePlace', 'poller')).map(({ event }) => event));
    for (const other of [`${deployment.name}-PENDING`, `query-${deployment.name}-others`, 'blobs/a-blob']) {
      assert.ok(!all.includes(other), `the poller was told of ${other}`);
    }
  });

  test('a function is called by the state machine that calls functions, and its answer is handed on', async () => {
    const FunctionName = `${deployment.name}-target-echo`;
    const ZipFile = bootstrapZip(readFileSync(new URL('support/stand-in.cjs', import.meta.url)));
    const Role = `arn:aws:iam::${ACCOUNT}:role/${deployment.name}-echo`;
    const made = { FunctionName, Role, Runtime: 'provided.al2023', Handler: 'bootstrap', Code: { ZipFile } } as const;
    const { FunctionArn } = await functions.createFunction(made);
    try {
      const input = JSON.stringify({ function: FunctionArn, input: { rawPath: '/v1/version' } });
      const stateMachineArn = deployment.output('PorpoisePlace', 'CallerArn');
      const { executionArn } = await machines.startExecution({ stateMachineArn, name: 'attempt-1', input });
      const output = await eventually('the end of the call', async () => (await machines.describeExecution({ executionArn })).output);
      assert.equal(JSON.parse(output).statusCode, 200);
    } finally {
      await functions.deleteFunction({ FunctionName });
    }
  });

  test('the poll loop costs two transitions a tick, and one more when it ends', async () => {
    const few = await transitions(2);
    const more = await transitions(6);
    assert.deepEqual({ few: few.length, more: more.length }, { few: 2 * 2 + 2, more: 2 * 6 + 2 });
    assert.deepEqual(few, ['Tick', 'Pause', 'Tick', 'Pause', 'Tick', 'Ended']);
  });

  test('each tick is asked with what the one before answered', async () => {
    await transitions(3, 7);
    const asked = (await deployment.seen('PorpoisePlace', 'poller')).map(({ event }) => event).filter(({ epoch }) => epoch === 7);
    asked.sort((one, other) => one['tick'] - other['tick']);
    const begun = { place: PLACE, epoch: 7, tick: 0, last: 3 };
    assert.deepEqual(asked, [begun, ...[1, 2, 3].map((tick) => ({ ...begun, wait: 0, tick }))]);
  });

  test('the poller is asked now and then whether the loop of its place was stopped', async () => {
    const Rule = `${deployment.name}-mend`;
    const { ScheduleExpression, State } = await events.describeRule({ Name: Rule });
    assert.deepEqual([ScheduleExpression, State], [`rate(${MEND_EVERY.toMinutes()} minutes)`, 'ENABLED']);
    const { Targets } = await events.listTargetsByRule({ Rule });
    const asked = Targets?.map(({ Arn, Input }) => [Arn?.split(':').at(-1), JSON.parse(Input ?? '')]);
    assert.deepEqual(asked, [[`${deployment.name}-poller`, { mend: PLACE }]]);
  });

  test('an error of the poller is tried again, and does not end the loop as if nothing were in flight', async () => {
    const stateMachineArn = deployment.output('PorpoisePlace', 'LoopArn');
    const input = JSON.stringify({ place: PLACE, epoch: 1, tick: 0, fail: 'SomethingElse' });
    const { executionArn } = await machines.startExecution({ stateMachineArn, input });
    await eventually('a failed tick', async () => (await history(machines, executionArn)).find(failed));
    const { status } = await machines.describeExecution({ executionArn });
    assert.equal(status, 'RUNNING');
    await machines.stopExecution({ executionArn });
  });
});

type Seen = Awaited<ReturnType<Deployment['seen']>>[number];

function arrival(stack: string, name: string, is: (event: Record<string, any>) => boolean): Promise<Seen> {
  return eventually(`an event for ${name}`, async () => (await deployment.seen(stack, name)).find(({ event }) => is(event)));
}

function carries(text: string): (event: Record<string, any>) => boolean {
  return (event) => JSON.stringify(event).includes(text);
}

/** The states that a loop enters whose tick number `last` finds nothing in flight, one after the other. */
async function transitions(last: number, epoch = 1): Promise<string[]> {
  const stateMachineArn = deployment.output('PorpoisePlace', 'LoopArn');
  const input = JSON.stringify({ place: PLACE, epoch, tick: 0, last });
  const { executionArn } = await machines.startExecution({ stateMachineArn, input });
  await eventually(`the end of a loop by ${LOOP_ENDED}`, async () => {
    const { status } = await machines.describeExecution({ executionArn });
    assert.ok(status === 'RUNNING' || status === 'SUCCEEDED', `the loop is ${status}`);
    return status === 'SUCCEEDED' || undefined;
  });
  return entered(await history(machines, executionArn));
}

/** By the address of the emulator: no resolver knows the name that it gives the API. */
async function get(url: URL, headers: Record<string, string>): Promise<{ status: number | undefined; body: unknown }> {
  const asked = request(CLIENT.endpoint, { path: url.pathname + url.search, headers }).end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return { status: answer.statusCode, body: await json(answer) };
}
