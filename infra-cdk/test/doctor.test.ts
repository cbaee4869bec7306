/** `porpoise deploy` and `porpoise doctor`, with the real `cdk` and `aws`, in an account of the emulator that is theirs. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { CloudFormation, waitUntilStackDeleteComplete } from '@aws-sdk/client-cloudformation';
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { Lambda } from '@aws-sdk/client-lambda';
import { SQS } from '@aws-sdk/client-sqs';

import { FUNCTIONS } from '../lib/names.ts';
import { CLIENT } from './support/deployment.ts';
import { bootstrapZip } from './support/zip.ts';

const PROGRAM = process.env['PORPOISE_CLI'] || undefined;
const skip = PROGRAM === undefined && 'PORPOISE_CLI names no `porpoise`: `cargo xtask infra` does';
const REGION = 'eu-north-1';
/** The emulator takes such a key for the account that it is of. */
const ACCOUNT = String(100_000_000_000 + Math.floor(Math.random() * 899_999_999_999));
const NAME = 'whole';
const TREE = fileURLToPath(new URL('../..', import.meta.url));
const VERSION = /^version = "(.*)"$/m.exec(readFileSync(join(TREE, 'Cargo.toml'), 'utf8'))?.[1] ?? '';
const client = { ...CLIENT, region: REGION, credentials: { accessKeyId: ACCOUNT, secretAccessKey: 'test' } };
const events = new EventBridge(client);
const functions = new Lambda(client);
const queues = new SQS(client);
const folder = mkdtempSync(join(tmpdir(), 'porpoise-doctor-'));
/** The app by links, because what the CDK writes beside it is to go. */
const infra = join(folder, 'infra-cdk');
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

interface Said {
  readonly status: number | null;
  readonly stdout: any;
  readonly stderr: string;
}

interface Finding {
  readonly state: 'well' | 'wrong' | 'unknown';
  readonly object: string;
  readonly says: string;
  readonly mend?: string;
}

suite('deploy and doctor', () => {
  before(() => {
    const zip = bootstrapZip(readFileSync(new URL('support/stand-in.cjs', import.meta.url)));
    for (const name of FUNCTIONS) {
      mkdirSync(join(folder, 'zips', name), { recursive: true });
      writeFileSync(join(folder, 'zips', name, 'bootstrap.zip'), zip);
    }
    writeFileSync(join(folder, 'zips/architecture'), 'x86_64\n');
    mkdirSync(infra);
    for (const part of ['bin', 'lib', 'cdk.json', 'package.json', 'node_modules']) symlinkSync(join(TREE, 'infra-cdk', part), join(infra, part));
    settings({});
  });
  after(() => (skip === false ? remove() : undefined));

  test('what is missing is told at once, with what mends it, and nothing is done', { skip }, async () => {
    settings({ architecture: 'arm64' });
    rmSync(join(folder, 'zips/architecture'));
    const { status, stdout } = await porpoise('deploy', '--plan', '--functions', join(folder, 'nowhere'));
    assert.equal(status, 65);
    assert.match(stdout.missing[0].what, /^zips in .*nowhere`: api, trigger, stepper, dispatcher, poller$/);
    assert.match(stdout.missing[0].mend, /^cargo xtask functions --architecture arm64/);
    assert.deepEqual(stdout.missing[1], { what: `regions prepared for the CDK: ${REGION}`, mend: 'porpoise deploy --bootstrap' });
    assert.equal(stdout.missing.length, 2);
    writeFileSync(join(folder, 'zips/architecture'), 'x86_64\n');
    const other = await porpoise('deploy', '--bootstrap', '--plan');
    assert.match(other.stdout.missing[0].what, /are for x86_64$/);
    settings({ account: '111122223333' });
    const refused = await porpoise('deploy', '--yes', '--bootstrap');
    assert.equal(refused.status, 65);
    assert.match(refused.stderr, new RegExp(`1 thing is missing; nothing was done.*credentials of account 111122223333: these are of ${ACCOUNT}`));
    settings({ reservedConcurrency: { stepper: 10_000 } });
    const few = await porpoise('deploy', '--yes', '--bootstrap');
    assert.match(few.stderr, /10100 concurrent executions of Lambda: the account has \d+/);
    settings({});
    const nobody = await porpoise('doctor', '--name', NAME);
    assert.equal(nobody.status, 1);
    assert.deepEqual(wrong(nobody), [`deployment ${NAME}`]);
  });

  test('it prepares the region and deploys, and the doctor finds nothing wrong', { skip }, async () => {
    const deployed = await porpoise('deploy', '--bootstrap', '--yes');
    assert.equal(deployed.status, 0, deployed.stderr);
    assert.match(deployed.stderr, new RegExp(`1/2 prepare ${REGION} for the CDK`));
    assert.match(deployed.stdout.outputs[`${NAME}-home`].ApiUrl, /execute-api/);
    const { status, stdout, stderr } = await doctor();
    assert.equal(status, 0, JSON.stringify(stdout, null, 1) + stderr);
    const findings = stdout.findings as Finding[];
    assert.deepEqual(findings.filter(({ state }) => state !== 'well'), []);
    const well = findings.map(({ object, says }) => `${object}: ${says}`.replace(/http\S+: it/, 'API: it').replace(/\d+/g, 'N'));
    assert.deepEqual(well, [
      `stack ${NAME}-home: N of its N resources are there; N policies, permissions and routes are not looked at`,
      `stack ${NAME}-place: N of its N resources are there; N policies, permissions and routes are not looked at`,
      `code of the functions: N of N run what \`${join(folder, 'zips')}\` holds`.replace(/\d+/g, 'N'),
      `api API: it answers, in version ${VERSION}`.replace(/\d+/g, 'N'),
    ]);
  });

  test('what a real account is checked with can be carried out', { skip }, async () => {
    const script = join(TREE, 'infra-cdk/real/check.sh');
    const env = { NAME, HOME_REGION: REGION };
    const listed = (await call(script, ['list'], env)).stdout.trim().split('\n');
    const page = readFileSync(join(TREE, 'docs/dev/first-real-account.md'), 'utf8');
    const named = new Set([...page.matchAll(/^\| `([a-z-]+)`/gm)].map(([, name]) => name));
    assert.deepEqual(listed, [...named].sort());
    const { status, stdout, stderr } = await call(script, ['kms', 'loop-ended'], env);
    assert.deepEqual([status, stdout.match(/^ok /gm)?.length, stdout.match(/^DIFFERS/gm)], [0, 4 + 3, null], stdout + stderr);
    assert.equal((await call(script, ['nothing'], env)).status, 64);
  });

  test('the doctor names what is gone, off, dead or of another release, and what mends it', { skip }, async () => {
    await breakIt();
    const looked = await doctor();
    assert.equal(looked.status, 1);
    assert.deepEqual(wrong(looked), [
      'api API: its version is 9.9.9, this program\'s ' + VERSION,
      'event source mapping ID: it is Disabled: nothing comes from the queue whole-inputs.fifo',
      'function whole-poller: it is gone, although its stack made it',
      'function whole-trigger: it runs other code than `ZIP`',
      'place aws.eu-west-3.ACCOUNT: home sends intents there, and there is no stack for it',
      'queue whole-inputs-dead.fifo: 2 messages stand in it that nobody could handle',
      'rule RECEIPTS: it calls nothing',
      'rule whole-mend: it is gone, although its stack made it',
      'rule whole-sweep: it is disabled',
    ]);
    const mends = Object.fromEntries((looked.stdout.findings as Finding[]).map(({ object, mend }) => [object.split(' ')[0], mend]));
    assert.equal(mends['queue'], 'docs/runbook.md#dead-letters');
    assert.match(mends['event'] ?? '', /^aws lambda update-event-source-mapping --region eu-north-1 --uuid \S+ --enabled$/);
    assert.equal(mends['place'], 'porpoise deploy');
    for (const mend of (looked.stdout.findings as Finding[]).flatMap(({ mend }) => (mend?.startsWith('aws ') ? [mend] : []))) {
      const [program = '', ...words] = mend.split(' ');
      assert.equal((await call(program, words)).status, 0, mend);
    }
    assert.equal((await events.describeRule({ Name: `${NAME}-sweep` })).State, 'ENABLED');
    const { EventSourceMappings: mappings } = await functions.listEventSourceMappings({ FunctionName: `${NAME}-stepper` });
    assert.match(mappings?.[0]?.State ?? '', /^Enabl/);
  });

  test('without credentials, an api alone can be looked at, and nothing is called well that was not', { skip }, async () => {
    const nobody = { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_EC2_METADATA_DISABLED: 'true', HOME: folder };
    const blind = await porpoiseAs(nobody, 'doctor', '--region', REGION);
    assert.equal(blind.status, 69);
    assert.match(blind.stderr, /there is nothing that can be asked/);
    const api = await porpoiseAs(nobody, 'doctor', '--region', REGION, '--url', 'http://127.0.0.1:9', '--token', 'none');
    assert.equal(api.status, 1);
    const states = (api.stdout.findings as Finding[]).map(({ object, state }) => `${object} ${state}`);
    assert.deepEqual(states, ['AWS unknown', 'api http://127.0.0.1:9 wrong']);
  });
});

function settings(more: object): void {
  const given = {
    homeRegion: REGION,
    name: NAME,
    architecture: 'x86_64',
    functions: join(folder, 'zips'),
    reservedConcurrency: {},
    protectData: false,
    emulator: true,
    environment: { STAND_IN_VERSION: VERSION },
    ...more,
  };
  writeFileSync(join(infra, 'porpoise.json'), JSON.stringify(given));
}

function doctor(): Promise<Said> {
  return porpoise('doctor', '--name', NAME, '--functions', join(folder, 'zips'));
}

function porpoise(command: string, ...words: string[]): Promise<Said> {
  return porpoiseAs({}, command, ...words);
}

async function porpoiseAs(env: Record<string, string>, command: string, ...words: string[]): Promise<Said> {
  const { status, stdout, stderr } = await call(PROGRAM ?? '', [command, ...words, '--json'], env);
  return { status, stdout: stdout === '' ? undefined : JSON.parse(stdout), stderr };
}

async function call(program: string, words: string[], env: Record<string, string> = {}): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const own = fileURLToPath(new URL('support/bin', import.meta.url));
  const path = process.env['PORPOISE_AWS_PYTHON'] ? `${own}:${process.env['PATH']}` : process.env['PATH'];
  const credentials = { AWS_ACCESS_KEY_ID: ACCOUNT, AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: REGION, AWS_ENDPOINT_URL: CLIENT.endpoint };
  const child: ChildProcess = spawn(program, words, {
    cwd: folder,
    env: { ...process.env, PATH: path, ...credentials, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = Promise.all([child.stdout, child.stderr].map((stream) => (stream === null ? '' : text(stream))));
  const [status] = (await once(child, 'exit')) as [number | null];
  const [stdout = '', stderr = ''] = await said;
  return { status, stdout, stderr };
}

/** What is wrong, in lines that are the same each time. */
function wrong({ stdout }: Said): string[] {
  const found = (stdout.findings as Finding[]).filter(({ state }) => state === 'wrong');
  if (found.length === 1) return found.map(({ object }) => object);
  const line = ({ object, says }: Finding) =>
    `${object}: ${says}`
      .replace(/api http\S+/, 'api API:').replace('API::', 'API:')
      .replace(/mapping [0-9a-f-]{36}/, 'mapping ID')
      .replace(/rule \S*Receipts\S*/i, 'rule RECEIPTS:').replace('RECEIPTS::', 'RECEIPTS:')
      .replace(/`.*bootstrap.zip`/, '`ZIP`')
      .replace(ACCOUNT, 'ACCOUNT');
  return found.map(line).sort();
}

async function breakIt(): Promise<void> {
  const own = (name: string) => `${NAME}-${name}`;
  await events.removeTargets({ Rule: own('mend'), Ids: ['Target0'] });
  await events.deleteRule({ Name: own('mend') });
  await events.disableRule({ Name: own('sweep') });
  const { Rules } = await events.listRules({});
  const receipts = Rules?.find(({ Name }) => Name?.includes('Receipts'))?.Name;
  const { Targets } = await events.listTargetsByRule({ Rule: receipts });
  await events.removeTargets({ Rule: receipts, Ids: Targets?.map(({ Id }) => Id ?? '') });
  await functions.deleteFunction({ FunctionName: own('poller') });
  const { EventSourceMappings: mappings } = await functions.listEventSourceMappings({ FunctionName: own('stepper') });
  await functions.updateEventSourceMapping({ UUID: mappings?.[0]?.UUID, Enabled: false });
  await functions.updateFunctionCode({ FunctionName: own('trigger'), ZipFile: bootstrapZip(Buffer.from('other')) });
  await environment(own('api'), { STAND_IN_VERSION: '9.9.9' });
  const stepper = await functions.getFunctionConfiguration({ FunctionName: own('stepper') });
  const buses = JSON.parse(stepper.Environment?.Variables?.['PORPOISE_BUSES'] ?? '{}');
  buses[`aws.eu-west-3.${ACCOUNT}`] = `arn:aws:events:eu-west-3:${ACCOUNT}:event-bus/${NAME}`;
  await environment(own('stepper'), { PORPOISE_BUSES: JSON.stringify(buses) });
  const { QueueUrl } = await queues.getQueueUrl({ QueueName: own('inputs-dead.fifo') });
  for (const id of ['a', 'b']) {
    await queues.sendMessage({ QueueUrl, MessageBody: id, MessageGroupId: id, MessageDeduplicationId: id });
  }
}

async function environment(FunctionName: string, more: Record<string, string>): Promise<void> {
  const { Environment } = await functions.getFunctionConfiguration({ FunctionName });
  await functions.updateFunctionConfiguration({ FunctionName, Environment: { Variables: { ...Environment?.Variables, ...more } } });
}

/** The stacks of this account; the toolkit of the CDK last, which the others were made with. */
async function remove(): Promise<void> {
  const cloudFormation = new CloudFormation(client);
  for (const StackName of [`${NAME}-place`, `${NAME}-home`, 'CDKToolkit']) {
    await cloudFormation.deleteStack({ StackName });
    await waitUntilStackDeleteComplete({ client: cloudFormation, maxWaitTime: 60, minDelay: 0.1, maxDelay: 0.5 }, { StackName });
  }
}
