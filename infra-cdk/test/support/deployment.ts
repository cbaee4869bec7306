/** A deployment on the emulator that runs for the tests, with stand-ins as functions, under a name that is its own. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { CloudFormation, type Stack, waitUntilStackCreateComplete, waitUntilStackDeleteComplete } from '@aws-sdk/client-cloudformation';
import { S3 } from '@aws-sdk/client-s3';

import { stacks } from '../../lib/app.ts';
import { FUNCTIONS } from '../../lib/names.ts';
import { defaults } from '../../lib/settings.ts';
import { bootstrapZip } from './zip.ts';

export const REGION = 'eu-central-1';
export const ACCOUNT = '000000000000';
const ENDPOINT = process.env['PORPOISE_MINISTACK_URL'];

/** What clients of the emulator are made with. */
export const CLIENT = {
  region: REGION,
  endpoint: ENDPOINT ?? 'http://127.0.0.1:9',
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  forcePathStyle: true,
} as const;

export class Deployment {
  readonly name = `t${randomUUID().slice(0, 8)}`;
  readonly cloudFormation = new CloudFormation(CLIENT);
  readonly s3 = new S3(CLIENT);
  readonly outputs: Record<string, Record<string, string>> = {};
  readonly #folder = mkdtempSync(join(tmpdir(), 'porpoise-infra-'));

  constructor() {
    process.on('exit', () => rmSync(this.#folder, { recursive: true, force: true }));
  }

  /** Makes both stacks from the templates with parameters. */
  static async start(): Promise<Deployment> {
    if (ENDPOINT === undefined) {
      throw new Error('PORPOISE_MINISTACK_URL names no emulator: `cargo xtask test` starts one, docs/dev/components.md says how to');
    }
    const deployment = new Deployment();
    await deployment.#uploadFunctions();
    await deployment.#create();
    return deployment;
  }

  get artefacts(): string {
    return `${this.name}-artefacts`;
  }

  stack(id: string): string {
    return `${this.name}-${id}`;
  }

  output(id: string, key: string): string {
    const value = this.outputs[id]?.[key];
    if (value === undefined) throw new Error(`stack ${id} has no output ${key}`);
    return value;
  }

  /** What a stand-in was given so far. */
  async seen(id: string, functionName: string): Promise<{ event: Record<string, any>; environment: Record<string, string> }[]> {
    const Bucket = this.output(id, 'Bucket');
    const listed = await this.s3.listObjectsV2({ Bucket, Prefix: `seen/${functionName}/` });
    const objects = (listed.Contents ?? []).map(({ Key }) => this.s3.getObject({ Bucket, Key: Key ?? '' }));
    const bodies = (await Promise.all(objects)).map(({ Body }) => Body?.transformToString() ?? '{}');
    return (await Promise.all(bodies)).map((body) => JSON.parse(body));
  }

  /** Removes everything again. */
  async stop(): Promise<void> {
    for (const id of ['PorpoisePlace', 'PorpoiseHome']) {
      if (this.outputs[id]?.['Bucket'] !== undefined) await this.#empty(this.outputs[id]['Bucket']);
      await this.cloudFormation.deleteStack({ StackName: this.stack(id) });
      await waitUntilStackDeleteComplete({ client: this.cloudFormation, maxWaitTime: 60, minDelay: 0.1, maxDelay: 0.5 }, { StackName: this.stack(id) });
    }
    await this.#empty(this.artefacts);
    await this.s3.deleteBucket({ Bucket: this.artefacts });
  }

  async #uploadFunctions(): Promise<void> {
    await this.s3.createBucket({ Bucket: this.artefacts, CreateBucketConfiguration: { LocationConstraint: REGION } });
    const Body = bootstrapZip(readFileSync(new URL('stand-in.cjs', import.meta.url)));
    for (const name of FUNCTIONS) await this.s3.putObject({ Bucket: this.artefacts, Key: `1/${name}.zip`, Body });
  }

  async #create(): Promise<void> {
    const settings = {
      ...defaults(REGION),
      artefacts: 'parameters',
      emulator: true,
      protectData: false,
    } as const;
    const assembly = stacks(settings, this.#folder).app.synth();
    const place = `aws.${REGION}.${ACCOUNT}`;
    const bus = `arn:aws:events:${REGION}:${ACCOUNT}:event-bus/${this.name}`;
    const artefacts = { Name: this.name, Architecture: 'x86_64', ArtefactBucket: this.artefacts, ArtefactPrefix: '1/' };
    const parameters: Record<string, Record<string, string>> = {
      PorpoiseHome: { ...artefacts, ReserveConcurrency: 'no', Buses: JSON.stringify({ [place]: bus }), BusArns: bus },
      PorpoisePlace: { ...artefacts, HomeRegion: REGION },
    };
    for (const { id, template } of assembly.stacks) {
      await this.#createStack(id, JSON.stringify(template), parameters[id] ?? {});
    }
  }

  async #createStack(id: string, TemplateBody: string, parameters: Record<string, string>): Promise<void> {
    const StackName = this.stack(id);
    await this.cloudFormation.createStack({
      StackName,
      TemplateBody,
      Capabilities: ['CAPABILITY_NAMED_IAM'],
      Tags: [{ Key: 'porpoise', Value: this.name }],
      Parameters: Object.entries(parameters).map(([ParameterKey, ParameterValue]) => ({ ParameterKey, ParameterValue })),
    });
    try {
      await waitUntilStackCreateComplete({ client: this.cloudFormation, maxWaitTime: 60, minDelay: 0.1, maxDelay: 0.5 }, { StackName });
    } catch (error) {
      throw new Error(`stack ${id} is not made: ${await this.#why(StackName)}`, { cause: error });
    }
    const { Stacks } = await this.cloudFormation.describeStacks({ StackName });
    this.outputs[id] = outputs(Stacks?.[0]);
  }

  async #why(StackName: string): Promise<string> {
    const { StackEvents } = await this.cloudFormation.describeStackEvents({ StackName });
    const failed = (StackEvents ?? []).filter((event) => event.ResourceStatus?.endsWith('FAILED'));
    return failed.map((event) => `${event.LogicalResourceId}: ${event.ResourceStatusReason}`).join('; ');
  }

  async #empty(Bucket: string): Promise<void> {
    const { Contents } = await this.s3.listObjectsV2({ Bucket });
    for (const { Key } of Contents ?? []) await this.s3.deleteObject({ Bucket, Key: Key ?? '' });
  }
}

function outputs(stack: Stack | undefined): Record<string, string> {
  return Object.fromEntries((stack?.Outputs ?? []).map(({ OutputKey, OutputValue }) => [OutputKey ?? '', OutputValue ?? '']));
}

/** Asks ten times a second until something is there; an error after so many times. */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined>, times = 200): Promise<T> {
  for (let tries = 0; tries < times; tries += 1) {
    const found = await ask();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${what}: not within ${times / 10} seconds`);
}
