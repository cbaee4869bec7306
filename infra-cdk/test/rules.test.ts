/** Rules of others: cdk-nag over the stacks, the validator of Amazon States Language over the loop. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';

import { Validations } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { AwsSolutionsChecks } from 'cdk-nag';

import type { Stacks } from '../lib/app.ts';
import { definition as caller } from '../lib/caller.ts';
import { definition, HISTORY_EVENTS_A_TICK, LOOP_ENDED } from '../lib/poll-loop.ts';
import { EXTRA_ALARMS, type Settings } from '../lib/settings.ts';
import { unsynthesised } from './support/synthesis.ts';

type Validator = (definition: object) => { errors: object[] };
const validator = createRequire(import.meta.url)('asl-validator') as Validator; // it has no types

const JWT = { issuer: 'https://login.example.org', audience: ['porpoise'] };
const CASES: Record<string, object> = {
  'as it is': {},
  'with every option': {
    dataRegions: ['eu-central-1', 'us-east-1'],
    api: { jwt: JWT, functionUrl: true },
    alarms: { extra: EXTRA_ALARMS, email: 'team@example.org' },
    targets: { accounts: ['111122223333'] },
  } satisfies { [key in keyof Settings]?: unknown },
  'with parameters': { artefacts: 'parameters' },
};

for (const [name, settings] of Object.entries(CASES)) {
  test(`cdk-nag has nothing to say: ${name}`, () => {
    assert.deepEqual(findings(unsynthesised(settings)), []);
  });
}

test('cdk-nag would say it', () => {
  const made = unsynthesised();
  new Bucket(made.home, 'Open');
  made.home.functions[0]?.role.addToPolicy(new PolicyStatement({ actions: ['s3:GetObject'], resources: ['*'] }));
  const found = findings(made);
  for (const rule of ['AwsSolutions-S10', 'AwsSolutions-IAM5[Resource::*]']) assert.ok(found.includes(rule), `${rule} is not in ${found}`);
});

test('the loop is valid', () => {
  assert.deepEqual(faults(definition()), []);
  const dangling = structuredClone(definition()) as { States: { Pause: { Next: string } } };
  dangling.States.Pause.Next = 'Nowhere';
  assert.notDeepEqual(faults(dangling), []);
});

test('the caller of functions is valid', () => {
  assert.deepEqual(faults(caller()), []);
});

test('the loop tries everything again but its end', () => {
  const { Tick } = definition()['States'] as { Tick: { Retry: { ErrorEquals: string[]; MaxAttempts: number }[]; Catch: object[] } };
  assert.deepEqual(Tick.Retry[0], { ErrorEquals: [LOOP_ENDED], MaxAttempts: 0 });
  assert.deepEqual(Tick.Catch, [{ ErrorEquals: [LOOP_ENDED], Next: 'Ended' }]);
  const { IntervalSeconds, BackoffRate, MaxDelaySeconds, MaxAttempts } = Tick.Retry[1] as unknown as Record<string, number>;
  let seconds = 0;
  for (let attempt = 0; attempt < MaxAttempts!; attempt += 1) {
    seconds += Math.min(IntervalSeconds! * BackoffRate! ** attempt, MaxDelaySeconds!);
  }
  assert.ok(seconds > 2 * 86_400, `an outage of ${seconds} s is sat out`);
  assert.ok(3 * MaxAttempts! + HISTORY_EVENTS_A_TICK < 25_000);
});

/** What it finds and nobody accepted. */
function findings({ app }: Stacks): string[] {
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  try {
    app.synth();
    return [];
  } catch {
    const report = JSON.parse(readFileSync(join(app.outdir, 'validation-report.json'), 'utf8'));
    const found = report.pluginReports.flatMap(({ violations }: { violations: { ruleName: string }[] }) => violations);
    return found.map(({ ruleName }: { ruleName: string }) => ruleName);
  }
}

function faults(loop: object): string[] {
  const made = JSON.parse(JSON.stringify(loop).replace('${Poller}', 'arn:aws:lambda:eu-central-1:111122223333:function:porpoise-poller').replace('${Partition}', 'aws'));
  return validator(made).errors.map((error) => JSON.stringify(error));
}
