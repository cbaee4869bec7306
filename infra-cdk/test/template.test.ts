/** What stands in the templates. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { FUNCTIONS } from '../lib/names.ts';
import { HISTORY_EVENTS_A_TICK } from '../lib/poll-loop.ts';
import { EXTRA_ALARMS } from '../lib/settings.ts';
import { matchesSnapshot } from './support/snapshot.ts';
import { ofType, plain, type Resource, synthesis, type Template, unsynthesised } from './support/synthesis.ts';

const { templates } = synthesis({ dataRegions: ['eu-central-1', 'us-east-1'] });
const home = templates['PorpoiseHome'];
const place = templates['PorpoisePlace-us-east-1'];
const near = templates['PorpoisePlace-eu-central-1'];
const all = Object.values(templates);

test('the resources are those that were reviewed', () => {
  const lines = Object.entries(templates).map(([stack, template]) => `# ${stack}\n\n${inventory(template)}`);
  matchesSnapshot('resources.txt', lines.join('\n'));
});

test('nothing runs while nothing runs: no network, no key, no provisioned capacity', () => {
  const costly = /^AWS::(EC2|KMS|SecretsManager|ECS|RDS|ElastiCache)::|CustomResource|^Custom::/;
  const types = all.flatMap((template) => Object.values(template.Resources)).map(({ Type }) => Type);
  assert.deepEqual(types.filter((type) => costly.test(type)), []);
  for (const table of all.flatMap((template) => ofType(template, 'AWS::DynamoDB::Table'))) {
    assert.equal(table.Properties?.['BillingMode'], 'PAY_PER_REQUEST');
  }
});

test('two queues are polled in all', () => {
  const polled = all.flatMap((template) => ofType(template, 'AWS::Lambda::EventSourceMapping'));
  assert.equal(polled.length, 2);
  for (const { Properties } of polled) assert.deepEqual(Properties?.['FunctionResponseTypes'], ['ReportBatchItemFailures']);
});

test('the queue of inputs is ordered by aggregate and never drops a message for its content', () => {
  const [queue] = named(home, 'AWS::SQS::Queue', 'porpoise-inputs.fifo');
  assert.deepEqual(
    [queue?.['FifoQueue'], queue?.['ContentBasedDeduplication'], queue?.['DeduplicationScope'], queue?.['FifoThroughputLimit']],
    [true, false, 'messageGroup', 'perMessageGroupId'],
  );
});

test('each queue that is worked has one for what could not be, and time for six tries of its function', () => {
  const queues = ofType(home, 'AWS::SQS::Queue').map(({ Properties }) => Properties ?? {});
  const worked = queues.filter((queue) => queue['RedrivePolicy'] !== undefined);
  assert.deepEqual(worked.map((queue) => queue['QueueName']).sort(), ['porpoise-inputs.fifo', 'porpoise-timers']);
  for (const queue of worked) {
    const name = queue['QueueName'] === 'porpoise-timers' ? 'porpoise-trigger' : 'porpoise-stepper';
    const [handler] = named(home, 'AWS::Lambda::Function', name);
    assert.equal(queue['VisibilityTimeout'], 6 * handler?.['Timeout']);
    const hours = (queue['RedrivePolicy'].maxReceiveCount * queue['VisibilityTimeout']) / 3600;
    assert.ok(hours >= 5, `an outage of ${hours} hours is sat out`);
  }
});

test('what is called asynchronously keeps what it could not handle', () => {
  const kept = all.flatMap((template) => ofType(template, 'AWS::Lambda::EventInvokeConfig'));
  assert.equal(kept.length, 1 + 2 * 2); // trigger; dispatcher and poller of two places
  for (const { Properties } of kept) assert.notEqual(Properties?.['DestinationConfig'].OnFailure.Destination, undefined);
  const targets = ofType(place, 'AWS::Events::Rule').flatMap(({ Properties }) => Properties?.['Targets']);
  for (const target of targets) assert.notEqual(target.DeadLetterConfig, undefined);
});

test('tables and buckets outlive their stack, unless the settings say that they need not', () => {
  const kept = (template: Template | undefined) =>
    ['AWS::DynamoDB::Table', 'AWS::S3::Bucket'].flatMap((type) => ofType(template, type)).map(({ DeletionPolicy }) => DeletionPolicy);
  assert.deepEqual(kept(home), ['Retain', 'Retain']);
  assert.deepEqual(kept(synthesis({ protectData: false }).templates['PorpoiseHome']), ['Delete', 'Delete']);
  const [table] = ofType(home, 'AWS::DynamoDB::Table');
  assert.equal(table?.Properties?.['DeletionProtectionEnabled'], true);
});

test('tables need nothing that strongly consistent tables of several regions lack', () => {
  for (const { Properties } of all.flatMap((template) => ofType(template, 'AWS::DynamoDB::Table'))) {
    for (const absent of ['TimeToLiveSpecification', 'LocalSecondaryIndexes', 'GlobalSecondaryIndexes', 'StreamSpecification']) {
      assert.equal(Properties?.[absent], undefined);
    }
  }
});

test('functions are alike: arm64, 256 MB, half of that for who waits, a log that is kept a month', () => {
  const functions = all.flatMap((template) => ofType(template, 'AWS::Lambda::Function'));
  assert.equal(functions.length, 3 + 2 * 2);
  for (const { Properties } of functions) {
    const memory = Properties?.['FunctionName'] === 'porpoise-poller' ? 128 : 256;
    assert.deepEqual([Properties?.['Architectures'], Properties?.['MemorySize'], Properties?.['Runtime']], [['arm64'], memory, 'provided.al2023']);
  }
  for (const { Properties } of all.flatMap((template) => ofType(template, 'AWS::Logs::LogGroup'))) {
    assert.equal(Properties?.['RetentionInDays'], 30);
  }
});

test('only the api and the stepper have concurrency of their own, and the settings can take it away', () => {
  const reserved = (template: Template | undefined) => {
    const functions = ofType(template, 'AWS::Lambda::Function').map(({ Properties }) => Properties ?? {});
    const own = functions.filter((one) => one['ReservedConcurrentExecutions'] !== undefined);
    return Object.fromEntries(own.map((one) => [one['FunctionName'], one['ReservedConcurrentExecutions']]));
  };
  assert.deepEqual(reserved(home), { 'porpoise-api': 20, 'porpoise-stepper': 50 });
  assert.deepEqual(reserved(synthesis({ reservedConcurrency: {} }).templates['PorpoiseHome']), {});
});

test('three alarms ring by default, and each of all leads to a heading of the runbook', () => {
  const standing = all.flatMap((template) => ofType(template, 'AWS::CloudWatch::Alarm'));
  assert.equal(standing.length, 3);
  for (const { Properties } of standing) assert.equal(typeof Properties?.['MetricName'], 'string', 'one that calculates is billed by each metric');
  const extra = { alarms: { extra: EXTRA_ALARMS, email: 'team@example.org' } };
  const alarms = Object.values(synthesis(extra).templates).flatMap((template) => ofType(template, 'AWS::CloudWatch::Alarm'));
  assert.equal(alarms.length, 3 + EXTRA_ALARMS.length);
  const runbook = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8');
  const headings = [...runbook.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading?.toLowerCase().replaceAll(' ', '-'));
  for (const { Properties } of alarms) {
    const link = /docs\/runbook\.md#(\S+)$/.exec(Properties?.['AlarmDescription'])?.[1];
    assert.ok(headings.includes(link), `the runbook has no heading for ${Properties?.['AlarmName']}`);
  }
});

test('alarms get through to their topic, whose policy would else keep them out', () => {
  const policies = ofType(home, 'AWS::SNS::TopicPolicy').flatMap(({ Properties }) => Properties?.['PolicyDocument'].Statement);
  const allowed = policies.filter(({ Effect }) => Effect === 'Allow');
  assert.deepEqual(allowed.map(({ Principal, Action }) => [Principal, Action]), [[{ Service: 'cloudwatch.amazonaws.com' }, 'sns:Publish']]);
  const topics = ofType(home, 'AWS::CloudWatch::Alarm').map(({ Properties }) => plain(Properties?.['AlarmActions']));
  assert.deepEqual([...new Set(topics)], [plain(allowed[0].Resource)]);
});

test('nobody comes in without IAM, or a token if the settings name an issuer', () => {
  const [route] = ofType(home, 'AWS::ApiGatewayV2::Route');
  assert.deepEqual([route?.Properties?.['RouteKey'], route?.Properties?.['AuthorizationType']], ['$default', 'AWS_IAM']);
  assert.equal(ofType(home, 'AWS::Lambda::Url').length, 0);
  const jwt = { issuer: 'https://login.example.org', audience: ['porpoise'] };
  const open = synthesis({ api: { jwt, functionUrl: true } }).templates['PorpoiseHome'];
  assert.equal(ofType(open, 'AWS::ApiGatewayV2::Route')[0]?.Properties?.['AuthorizationType'], 'JWT');
  const [authorizer] = ofType(open, 'AWS::ApiGatewayV2::Authorizer');
  assert.deepEqual(authorizer?.Properties?.['JwtConfiguration'], { Issuer: jwt.issuer, Audience: jwt.audience });
  assert.equal(ofType(open, 'AWS::Lambda::Url')[0]?.Properties?.['AuthType'], 'AWS_IAM');
});

test('only those who step at home may put intents on the bus of a place', () => {
  const statements = ofType(place, 'AWS::Events::EventBusPolicy').map(({ Properties }) => Properties?.['Statement']);
  const roles = ['stepper', 'trigger'].map((name) => `arn:<Partition>:iam::<AccountId>:role/porpoise-${name}-eu-central-1`).join(', ');
  const effects = statements.map(({ Effect, Condition }) => {
    const [test, values] = Object.entries(Condition as Record<string, Record<string, unknown>>)[0] ?? [];
    return `${Effect} ${test} ${plain(values?.['aws:PrincipalArn'])}`;
  });
  assert.deepEqual(effects.sort(), [`Allow ArnEquals ${roles}`, `Deny ArnNotEquals ${roles}`]);
});

test('the place at home has no bus: its dispatcher is invoked, and only the buses of others are sent to', () => {
  for (const type of ['AWS::Events::EventBus', 'AWS::Events::EventBusPolicy']) assert.equal(ofType(near, type).length, 0);
  assert.doesNotMatch(JSON.stringify(near), /Intents/);
  const dispatcher = { '<Partition>.eu-central-1.<AccountId>': 'arn:<Partition>:lambda:eu-central-1:<AccountId>:function:porpoise-dispatcher' };
  const bus = { '<Partition>.us-east-1.<AccountId>': 'arn:<Partition>:events:us-east-1:<AccountId>:event-bus/porpoise' };
  for (const name of ['porpoise-stepper', 'porpoise-trigger']) {
    const [made] = named(home, 'AWS::Lambda::Function', name);
    const { PORPOISE_DISPATCHERS, PORPOISE_BUSES } = made?.['Environment'].Variables;
    assert.deepEqual([PORPOISE_DISPATCHERS, PORPOISE_BUSES].map((json) => JSON.parse(plain(json))), [dispatcher, bus]);
  }
  const away = synthesis({ dataRegions: ['us-east-1'] }).templates['PorpoiseHome'];
  assert.doesNotMatch(JSON.stringify(away), /PORPOISE_DISPATCHERS|-dispatcher/);
});

test('the API may invoke the pollers of the places, which it asks for logs, and no other function', () => {
  for (const { dataRegions, wanted } of [
    { dataRegions: ['eu-central-1'], wanted: ['eu-central-1'] },
    { dataRegions: ['eu-central-1', 'us-east-1'], wanted: ['eu-central-1', 'us-east-1'] },
    { dataRegions: ['us-east-1'], wanted: ['us-east-1'] },
  ]) {
    const made = synthesis({ dataRegions }).templates['PorpoiseHome'];
    const arns = wanted.map((region) => `arn:<Partition>:lambda:${region}:<AccountId>:function:porpoise-poller`);
    const policies = ofType(made, 'AWS::IAM::Policy').map(({ Properties }) => Properties ?? {});
    const own = policies.filter((policy) => plain(policy['Roles']).includes('ApiRole'));
    const statements = own.flatMap((policy) => policy['PolicyDocument'].Statement as { Action: unknown; Resource: unknown }[]);
    const invoking = statements.filter(({ Action }) => [Action].flat().includes('lambda:InvokeFunction'));
    assert.deepEqual(invoking.flatMap(({ Resource }) => [Resource].flat().map(plain)), arns);
    const [api] = named(made, 'AWS::Lambda::Function', 'porpoise-api');
    assert.equal(plain(api?.['Environment'].Variables.PORPOISE_LOG_READERS), arns.join(','));
    const [stepper] = named(made, 'AWS::Lambda::Function', 'porpoise-stepper');
    assert.equal(stepper?.['Environment'].Variables.PORPOISE_LOG_READERS, undefined);
  }
});

test('a template for any region has what a bus needs on condition that the region is not that of home', () => {
  const { PorpoiseHome, PorpoisePlace } = synthesis({ artefacts: 'parameters' }).templates;
  const conditional = Object.values(PorpoisePlace?.Resources ?? {}).filter(({ Condition }) => Condition === 'Far');
  const types = conditional.map(({ Type }) => Type.replace('AWS::', ''));
  assert.deepEqual(types.sort(), ['Events::EventBus', 'Events::EventBusPolicy', 'Events::EventBusPolicy', 'Events::Rule', 'Lambda::Permission']);
  const conditions = ofType(PorpoiseHome, 'AWS::IAM::Policy').flatMap(({ Condition }) => Condition ?? []);
  assert.deepEqual(conditions.sort(), ['FromPollers', 'ToBuses', 'ToBuses', 'ToDispatcher', 'ToDispatcher', 'ToDispatcher']);
});

test('who is called by what they caused themselves is not stopped as a loop without end', () => {
  const allowed = all.flatMap((template) => ofType(template, 'AWS::Lambda::Function')).filter(({ Properties }) => Properties?.['RecursiveLoop'] === 'Allow');
  const functions = [...new Set(allowed.map(({ Properties }) => Properties?.['FunctionName']))];
  assert.deepEqual(functions.sort(), ['porpoise-dispatcher', 'porpoise-poller', 'porpoise-stepper', 'porpoise-trigger']);
});

test('a place far from home reports to the queue there', () => {
  for (const name of ['porpoise-dispatcher', 'porpoise-poller']) {
    const [made] = named(place, 'AWS::Lambda::Function', name);
    const { PORPOISE_HOME, PORPOISE_PLACE, PORPOISE_INPUTS_URL } = made?.['Environment'].Variables;
    assert.deepEqual([PORPOISE_HOME, PORPOISE_PLACE, PORPOISE_INPUTS_URL].map(plain), [
      '<Partition>.eu-central-1.<AccountId>',
      '<Partition>.us-east-1.<AccountId>',
      'https://sqs.eu-central-1.<URLSuffix>/<AccountId>/porpoise-inputs.fifo',
    ]);
  }
});

test('the loop of a place is looked after there, and as often as open aggregates are at home', () => {
  const rated = (template: Template | undefined) => {
    const rules = ofType(template, 'AWS::Events::Rule').map(({ Properties }) => Properties ?? {});
    return rules.filter((rule) => rule['ScheduleExpression'] !== undefined);
  };
  const [sweep, mend] = [rated(home), rated(place)].map((rules) => {
    assert.equal(rules.length, 1, 'one rule runs while nothing runs');
    return rules[0];
  });
  assert.equal(mend?.['ScheduleExpression'], sweep?.['ScheduleExpression']);
  assert.equal(plain(mend?.['Targets'][0].Input), '{"mend":"<Partition>.us-east-1.<AccountId>"}');
});

test('a loop goes to the next epoch before its history is full', () => {
  const app = readFileSync(new URL('../../shared/app/src/poll_loop.rs', import.meta.url), 'utf8');
  const ticks = Number(/TICKS_MAX: u32 = ([\d_]+);/.exec(app)?.[1]?.replaceAll('_', ''));
  assert.ok(ticks > 0);
  assert.ok(ticks * HISTORY_EVENTS_A_TICK < 25_000, `${ticks} ticks of ${HISTORY_EVENTS_A_TICK} events`);
});

test('targets of a sort that nobody has are neither granted nor listened to', () => {
  const none = { athenaWorkgroups: [], stateMachines: [], functions: [], jobRoles: [], assumedRoles: [], secrets: [] };
  const bare = synthesis({ targets: none }).templates['PorpoisePlace-eu-central-1'];
  assert.equal(ofType(bare, 'AWS::Events::Rule').length, ofType(near, 'AWS::Events::Rule').length - 2);
  assert.doesNotMatch(JSON.stringify(bare), /athena|secretsmanager|sts:AssumeRole","Effect":"Allow","Resource|\[\]/);
});

test('functions are called by a state machine that may call those of the settings and does nothing else', () => {
  const [machine] = named(near, 'AWS::StepFunctions::StateMachine', 'porpoise-target-call');
  const written = JSON.parse(String(machine?.['DefinitionString']).replace('${Partition}', 'aws'));
  delete written.Comment;
  const docs = readFileSync(new URL('../../docs/targets.md', import.meta.url), 'utf8');
  const promised = /The caller:\n\n```json\n(.*?)```/s.exec(docs)?.[1] ?? '';
  assert.deepEqual(written, JSON.parse(promised)); // which the tests of the executor run
  const may = (template: Template | undefined) => {
    const [role] = ofType(template, 'AWS::IAM::Policy').filter(({ Properties }) => plain(Properties?.['Roles']).includes('CallerRole'));
    return role?.Properties?.['PolicyDocument'].Statement.map((one: any) => `${one.Action} ${plain(one.Resource)}`);
  };
  const all = '<Partition>:lambda:eu-central-1:<AccountId>:function';
  assert.deepEqual(may(near), [`lambda:InvokeFunction arn:${all}:porpoise-target-*`]);
  const resize = synthesis({ targets: { functions: ['resize'], stateMachines: ['night'] } }).templates['PorpoisePlace-eu-central-1'];
  assert.deepEqual(may(resize), [`lambda:InvokeFunction arn:${all}:resize, arn:${all}:resize:*`]);
  assert.match(JSON.stringify(resize), /stateMachine:porpoise-target-call/);
  const none = synthesis({ targets: { functions: [], stateMachines: ['night'] } }).templates['PorpoisePlace-eu-central-1'];
  assert.doesNotMatch(JSON.stringify(none), /target-call/);
});

test('two deployments of one account share no stack, and not those of a region either', () => {
  const names = (name: string) => unsynthesised({ name, dataRegions: ['eu-central-1', 'us-east-1'] }).app.synth().stacks;
  const made = [...names('porpoise'), ...names('night')].map(({ stackName, environment }) => `${environment.region} ${stackName}`);
  assert.deepEqual(made.slice(3).sort(), ['eu-central-1 night-home', 'eu-central-1 night-place', 'us-east-1 night-place']);
  assert.equal(new Set(made).size, made.length);
});

test('two deployments of one account share no name', () => {
  const other = Object.values(synthesis({ name: 'night', dataRegions: ['eu-central-1', 'us-east-1'] }).templates);
  const taken = new Set(all.flatMap((template) => Object.values(template.Resources)).flatMap(names));
  assert.ok(taken.size > 20);
  assert.deepEqual(other.flatMap((template) => Object.values(template.Resources)).flatMap(names).filter((name) => taken.has(name)), []);
});

test('a template with parameters names no account, no region and no bucket of its maker', () => {
  const { PorpoiseHome, PorpoisePlace } = synthesis({ artefacts: 'parameters' }).templates;
  const common = ['Name', 'Architecture', 'LogRetentionDays', 'ArtefactBucket', 'ArtefactPrefix'];
  assert.deepEqual(Object.keys(PorpoiseHome?.Parameters ?? {}), [...common, 'ReserveConcurrency', 'HomeIsPlace', 'Buses', 'BusArns', 'PollerArns']);
  assert.deepEqual(Object.keys(PorpoisePlace?.Parameters ?? {}), [...common, 'HomeRegion', 'HasBus']);
  for (const template of [PorpoiseHome, PorpoisePlace]) {
    assert.doesNotMatch(JSON.stringify(template), /eu-central-1|\d{12}|cdk-/);
    const named = Object.values(template?.Resources ?? {}).flatMap(names);
    assert.deepEqual(named.filter((name) => name.includes('porpoise')), [], 'a name without the parameter');
  }
  assert.equal(ofType(PorpoiseHome, 'AWS::Lambda::Function').length + ofType(PorpoisePlace, 'AWS::Lambda::Function').length, FUNCTIONS.length);
});

function named(template: Template | undefined, type: string, name: string): Record<string, any>[] {
  const properties = ofType(template, type).map(({ Properties }) => Properties ?? {});
  return properties.filter((property) => names({ Type: type, Properties: property }).includes(`${type} ${name}`));
}

/** The names that a resource takes. */
function names({ Type, Properties }: Resource): string[] {
  const found = Object.entries(Properties ?? {}).filter(([key]) => /^(Name|.*[a-z]Name)$/.test(key) && key !== 'AttributeName');
  const own = { 'AWS::Lambda::Function': 'FunctionName', 'AWS::Events::Rule': 'Name' } as Record<string, string>;
  const taken = found.filter(([key, value]) => typeof value === 'string' && (own[Type] ?? key) === key && !value.startsWith('$'));
  return Type === 'AWS::CloudWatch::Alarm' || taken.length > 0 ? taken.filter(([key]) => !/MetricName|PolicyName/.test(key)).map(([, value]) => `${Type} ${value}`) : [];
}

function inventory(template: Template): string {
  const lines = Object.entries(template.Resources).map(([id, { Type, Properties }]) => {
    const name = names({ Type, Properties: Properties ?? {} }).map((full) => ` = ${full.split(' ')[1]}`);
    return `${Type.replace('AWS::', '')} ${id.replace(/[0-9A-F]{8}$/, '')}${name.join('')}\n`;
  });
  return lines.sort().join('');
}
