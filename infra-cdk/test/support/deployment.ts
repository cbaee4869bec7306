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
/** Where the other place is. */
export const FAR_REGION = 'eu-west-1';
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
  readonly #near = new CloudFormation(CLIENT);
  readonly #far = new CloudFormation({ ...CLIENT, region: FAR_REGION });
  readonly s3 = new S3(CLIENT);
  readonly #farS3 = new S3({ ...CLIENT, region: FAR_REGION });
  readonly outputs: Record<string, Record<string, string>> = {};
  readonly #folder = mkdtempSync(join(tmpdir(), 'porpoise-infra-'));

  constructor() {
    process.on('exit', () => rmSync(this.#folder, { recursive: true, force: true }));
  }

  /** Makes home, the place there, and a place in another region, `PorpoiseFar`, from the templates with parameters. */
  static async start(): Promise<Deployment> {
    if (ENDPOINT === undefined) {
      throw new Error('PORPOISE_MINISTACK_URL names no emulator: `cargo xtask test` starts one, docs/dev/components.md says how to');
    }
    const deployment = new Deployment();
    await deployment.#uploadFunctions();
    await deployment.#create();
    return deployment;
  }

  /** Zips lie in the region of the stack that needs them. */
  artefacts(id: string): string {
    return `${this.name}-artefacts-${id === 'PorpoiseFar' ? 'far' : 'near'}`;
  }

  #buckets(id: string): S3 {
    return id === 'PorpoiseFar' ? this.#farS3 : this.s3;
  }

  #at(id: string): CloudFormation {
    return id === 'PorpoiseFar' ? this.#far : this.#near;
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
    const s3 = this.#buckets(id);
    const listed = await s3.listObjectsV2({ Bucket, Prefix: `seen/${functionName}/` });
    const objects = (listed.Contents ?? []).map(({ Key }) => s3.getObject({ Bucket, Key: Key ?? '' }));
    const bodies = (await Promise.all(objects)).map(({ Body }) => Body?.transformToString() ?? '{}');
    return (await Promise.all(bodies)).map((body) => JSON.parse(body));
  }

  /** Removes everything again. */
  async stop(): Promise<void> {
    for (const id of ['PorpoiseFar', 'PorpoisePlace', 'PorpoiseHome']) {
      if (this.outputs[id]?.['Bucket'] !== undefined) await this.#empty(this.#buckets(id), this.outputs[id]['Bucket']);
      await this.#at(id).deleteStack({ StackName: this.stack(id) });
      await waitUntilStackDeleteComplete({ client: this.#at(id), maxWaitTime: 60, minDelay: 0.1, maxDelay: 0.5 }, { StackName: this.stack(id) });
    }
    for (const id of ['PorpoisePlace', 'PorpoiseFar']) {
      await this.#empty(this.#buckets(id), this.artefacts(id));
      await this.#buckets(id).deleteBucket({ Bucket: this.artefacts(id) });
    }
  }

  async #uploadFunctions(): Promise<void> {
    const Body = bootstrapZip(readFileSync(new URL('stand-in.cjs', import.meta.url)));
    for (const [id, LocationConstraint] of [['PorpoisePlace', REGION], ['PorpoiseFar', FAR_REGION]] as const) {
      const [s3, Bucket] = [this.#buckets(id), this.artefacts(id)];
      await s3.createBucket({ Bucket, CreateBucketConfiguration: { LocationConstraint } });
      for (const name of FUNCTIONS) await s3.putObject({ Bucket, Key: `1/${name}.zip`, Body });
    }
  }

  async #create(): Promise<void> {
    const settings = {
      ...defaults(REGION),
      artefacts: 'parameters',
      emulator: true,
      protectData: false,
    } as const;
    const assembly = stacks(settings, this.#folder).app.synth();
    const artefacts = { Name: this.name, Architecture: 'x86_64', ArtefactPrefix: '1/' };
    const parameters: Record<string, Record<string, string>> = {
      PorpoiseHome: { ...artefacts, ReserveConcurrency: 'no', ...this.#buses() },
      PorpoisePlace: { ...artefacts, HomeRegion: REGION },
    };
    for (const { id, template } of assembly.stacks) {
      const ids = id === 'PorpoisePlace' ? [id, 'PorpoiseFar'] : [id];
      for (const one of ids) {
        const own: Record<string, string> = id === 'PorpoisePlace' ? { HasBus: one === id ? 'no' : 'yes' } : {};
        const given = { ...parameters[id], ...own, ArtefactBucket: this.artefacts(one) };
        await this.#createStack(one, JSON.stringify(template), given);
      }
    }
  }

  #buses(): Record<string, string> {
    const bus = `arn:aws:events:${FAR_REGION}:${ACCOUNT}:event-bus/${this.name}`;
    const PollerArns = `arn:aws:lambda:${FAR_REGION}:${ACCOUNT}:function:${this.name}-poller`;
    return { Buses: JSON.stringify({ [`aws.${FAR_REGION}.${ACCOUNT}`]: bus }), BusArns: bus, PollerArns };
  }

  async #createStack(id: string, TemplateBody: string, parameters: Record<string, string>): Promise<void> {
    const StackName = this.stack(id);
    await this.#at(id).createStack({
      StackName,
      TemplateBody,
      Capabilities: ['CAPABILITY_NAMED_IAM'],
      Tags: [{ Key: 'porpoise', Value: this.name }],
      Parameters: Object.entries(parameters).map(([ParameterKey, ParameterValue]) => ({ ParameterKey, ParameterValue })),
    });
    try {
      await waitUntilStackCreateComplete({ client: this.#at(id), maxWaitTime: 60, minDelay: 0.1, maxDelay: 0.5 }, { StackName });
    } catch (error) {
      throw new Error(`stack ${id} is not made: ${await this.#why(id)}`, { cause: error });
    }
    const { Stacks } = await this.#at(id).describeStacks({ StackName });
    this.outputs[id] = outputs(Stacks?.[0]);
  }

  async #why(id: string): Promise<string> {
    const StackName = this.stack(id);
    const { StackEvents } = await this.#at(id).describeStackEvents({ StackName });
    const failed = (StackEvents ?? []).filter((event) => event.ResourceStatus?.endsWith('FAILED'));
    return failed.map((event) => `${event.LogicalResourceId}: ${event.ResourceStatusReason}`).join('; ');
  }

  async #empty(s3: S3, Bucket: string): Promise<void> {
    const { Contents } = await s3.listObjectsV2({ Bucket });
    for (const { Key } of Contents ?? []) await s3.deleteObject({ Bucket, Key: Key ?? '' });
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
