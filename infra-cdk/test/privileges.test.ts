/** What each role may do, as text that shows in a review; UPDATE_SNAPSHOTS=1 writes it again. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

import { matchesSnapshot } from './support/snapshot.ts';
import { ofType, plain, synthesis, type Template } from './support/synthesis.ts';

interface Statement {
  readonly Sid?: string;
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Condition?: object;
}

const { templates } = synthesis();

test('what each role may do is what was reviewed', () => {
  const text = Object.entries(templates).map(([stack, template]) => `# ${stack}\n\n${privileges(template)}`);
  matchesSnapshot('privileges.txt', `${text.join('\n')}`);
});

test('no role may do everything of a service, or anything everywhere', () => {
  for (const { Action, Resource } of Object.values(templates).flatMap(statements)) {
    for (const action of [Action].flat()) assert.doesNotMatch(action, /\*/);
    for (const resource of [Resource].flat()) assert.notEqual(resource, '*');
  }
});

test('each role is assumed by one service, and has no managed policy', () => {
  for (const { Properties } of Object.values(templates).flatMap((template) => ofType(template, 'AWS::IAM::Role'))) {
    assert.equal(Properties?.['ManagedPolicyArns'], undefined);
    const trusted = Properties?.['AssumeRolePolicyDocument'].Statement as { Principal: { Service: string } }[];
    assert.equal(trusted.length, 1);
    assert.equal(typeof trusted[0]?.Principal.Service, 'string');
  }
});

test('the policies of a role are within what IAM takes', () => {
  for (const { Properties } of Object.values(synthesis({ targets: { accounts: ['111122223333', '222233334444'] } }).templates).flatMap((template) => ofType(template, 'AWS::IAM::Policy'))) {
    const length = plainPolicy(Properties?.['PolicyDocument']).length;
    assert.ok(length < 8_000, `${plain(Properties?.['Roles'])} has a policy of ${length} characters; a role has 10,240 in all`);
  }
});

test('a wildcard without a reason is refused', () => {
  const { stacks } = synthesis();
  const [stepper] = stacks.home.functions;
  assert.throws(() => stepper?.allow('Odd', ['s3:GetObject'], ['arn:aws:s3:::*']), /no reason/);
  assert.throws(() => stepper?.allow('Odd', ['s3:*'], ['arn:aws:s3:::a']), /one by one/);
});

/** Crates that call AWS from a place, and what IAM calls their service. */
const CALLERS: Record<string, string> = {
  'executor-athena': 'athena',
  'executor-emr-serverless': 'emr-serverless',
  'executor-step-functions': 'states',
  'loops-step-functions': 'states',
};
/** What is granted and no call of that name is made. */
const UNCALLED: Record<string, string> = {
  'emr-serverless:TagResource': 'asked for by StartJobRun, as job runs get tags',
};

test('what a place calls on targets and its loop is granted, and what is granted is called', () => {
  const called = Object.entries(CALLERS).flatMap(([crate, service]) => calls(crate).map((call) => `${service}:${call}`));
  assert.ok(called.length > 12, called.join());
  for (const name of ['dispatcher', 'poller']) {
    const granted = actions(templates['PorpoisePlace-eu-central-1'], name).filter((action) => Object.values(CALLERS).includes(action.split(':')[0] ?? ''));
    assert.deepEqual(granted.sort(), [...new Set([...called, ...Object.keys(UNCALLED)])].sort(), name);
  }
});

test('data regions and targets that are named are granted by name', () => {
  const targets = { emrServerlessApplications: ['00f1abc'], accounts: ['111122223333'], stateMachines: ['resize'] };
  const named = synthesis({ dataRegions: ['eu-central-1', 'us-east-1'], targets }).templates;
  const home = Object.values(named['PorpoiseHome'] ?? {}).length > 0 ? statements(named['PorpoiseHome']) : [];
  const granted = (sid: string) => [home.find(({ Sid }) => Sid === sid)?.Resource].flat().map(plain);
  assert.deepEqual(granted('SendIntents'), ['arn:<Partition>:events:us-east-1:<AccountId>:event-bus/porpoise']);
  assert.deepEqual(granted('InvokeDispatcher'), ['arn:<Partition>:lambda:eu-central-1:<AccountId>:function:porpoise-dispatcher']);
  const place = statements(named['PorpoisePlace-us-east-1']);
  const resources = (sid: string) => [place.find(({ Sid }) => Sid === sid)?.Resource].flat().map(plain);
  assert.deepEqual(resources('UseApplications'), ['arn:<Partition>:emr-serverless:us-east-1:<AccountId>:/applications/00f1abc']);
  assert.deepEqual(resources('StartTargets'), [
    'arn:<Partition>:states:us-east-1:<AccountId>:stateMachine:porpoise-target-call',
    'arn:<Partition>:states:us-east-1:<AccountId>:stateMachine:resize',
  ]);
  assert.deepEqual(resources('AssumeTargetRoles'), [
    'arn:<Partition>:iam::<AccountId>:role/porpoise-target-*',
    'arn:<Partition>:iam::111122223333:role/porpoise-target-*',
  ]);
});

test('logs of jobs are read by the poller alone, and only what drivers wrote', () => {
  const { templates: all } = synthesis({ targets: { logs: ['etl-logs', 'etl-logs/spark', 'team-*'] } });
  const made = all['PorpoisePlace-eu-central-1'];
  const resources = (sid: string) => statements(made).filter(({ Sid }) => Sid === sid).flatMap(({ Resource }) => [Resource].flat().map(plain));
  const files = '*applications/*/jobs/*_DRIVER/std*.gz';
  assert.deepEqual(resources('ReadJobLogs'), ['etl-logs', 'etl-logs/spark', 'team-*'].map((at) => `arn:<Partition>:s3:::${at}/${files}`));
  assert.deepEqual(resources('MissJobLogs'), ['arn:<Partition>:s3:::etl-logs', 'arn:<Partition>:s3:::team-*']);
  const none = synthesis({ targets: { logs: [] } }).templates['PorpoisePlace-eu-central-1'];
  assert.deepEqual(statements(none).filter(({ Sid }) => Sid?.endsWith('JobLogs')), []);
});

/** The operations that a crate asks of its client, as IAM calls them. */
function calls(crate: string): string[] {
  const folder = new URL(`../../shared/${crate}/src/`, import.meta.url);
  // `log.rs` asks S3, and only in the poller, whose rights to read logs have tests of their own
  const files = readdirSync(folder).filter((file) => file !== 'log.rs');
  const texts = files.map((file) => readFileSync(new URL(file, folder), 'utf8'));
  const operation = /\.((?:start|stop|get|list|cancel|batch|create|delete|update|tag|describe|invoke|send|put)_[a-z_]+)\(\)/g;
  const found = texts.flatMap((text) => [...text.matchAll(operation)].map(([, name = '']) => name));
  const asked = found.filter((name) => !name.startsWith('get_or_'));
  return asked.map((name) => name.replace(/(?:^|_)([a-z])/g, (_, first: string) => first.toUpperCase()));
}

/** What the role of a function may do, service by service. */
function actions(template: Template | undefined, name: string): string[] {
  const policies = ofType(template, 'AWS::IAM::Policy').map(({ Properties }) => Properties ?? {});
  const own = policies.filter((policy) => plain(policy['Roles']).toLowerCase().includes(`${name}role`));
  assert.equal(own.length, 1, `the policies of ${name}`);
  const all = own.flatMap((policy) => (policy['PolicyDocument'].Statement as Statement[]).flatMap(({ Action }) => [Action].flat()));
  return [...new Set(all)];
}

/** About as long as with values instead of references. */
function plainPolicy(policy: unknown): string {
  const flat = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(flat);
    if (typeof value !== 'object' || value === null) return value;
    const [key] = Object.keys(value);
    if (key === 'Fn::Join' || key === 'Fn::GetAtt' || key === 'Ref') return plain(value);
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, flat(inner)]));
  };
  return JSON.stringify(flat(policy));
}

function statements(template: Template | undefined): Statement[] {
  return ofType(template, 'AWS::IAM::Policy').flatMap(({ Properties }) => Properties?.['PolicyDocument'].Statement);
}

function privileges(template: Template): string {
  const roles = ofType(template, 'AWS::IAM::Policy').map(({ Properties }) => {
    const lines = (Properties?.['PolicyDocument'].Statement as Statement[]).map(line);
    return `${plain(Properties?.['Roles'])}\n${lines.join('')}`;
  });
  return roles.join('\n');
}

function line({ Sid, Effect, Action, Resource, Condition }: Statement): string {
  assert.equal(Effect, 'Allow');
  const on = [Resource].flat().map((resource) => `    on ${plain(resource)}\n`);
  const only = Condition === undefined ? '' : `    if ${JSON.stringify(Condition)}\n`;
  return `  ${Sid}: ${[Action].flat().join(', ')}\n${on.join('')}${only}`;
}
