/**
 * What a deployment can choose, with the defaults, and the reading of it: every fault at once, each with its path.
 */
import { readFileSync } from 'node:fs';

/** How the stacks get the code of the functions, and which of their values are known when they are synthesised. */
export type Artefacts =
  /** Zips are uploaded by the CDK, values are written into the template. */
  | 'cdk'
  /** One template for every deployment: values are parameters, zips lie in a bucket that a parameter names. */
  | 'parameters';

/** What functions of a place may submit to without assuming a role. Patterns take `*`. */
export interface Targets {
  /** Ids of EMR Serverless applications; empty: those that carry the tag `porpoise` with the name of the deployment. */
  readonly emrServerlessApplications: readonly string[];
  readonly athenaWorkgroups: readonly string[];
  /** Standard state machines. */
  readonly stateMachines: readonly string[];
  /** Functions that tasks may call, through a state machine of ours; none: there is no such machine. */
  readonly functions: readonly string[];
  /** Names of roles that jobs run as, which may be passed to the services that run them. */
  readonly jobRoles: readonly string[];
  /** Names of roles that may be assumed to reach a target, in each of `accounts`. */
  readonly assumedRoles: readonly string[];
  /** Accounts of targets beside that of the deployment. */
  readonly accounts: readonly string[];
  /** Buckets, or `BUCKET/PREFIX`, where jobs of EMR Serverless leave their logs, which may be read for the API. */
  readonly logs: readonly string[];
  /** Names of secrets that tasks may refer to. */
  readonly secrets: readonly string[];
}

/** Who may call the API. */
export interface ApiSettings {
  /** Tokens of this issuer instead of signatures of IAM. */
  readonly jwt?: { readonly issuer: string; readonly audience: readonly string[] };
  /** A function URL beside the HTTP API, for callers with IAM. */
  readonly functionUrl: boolean;
  readonly requestsPerSecond: number;
  readonly requestsBurst: number;
}

/** Alarms beyond the three that are always there. docs/users/deploy-on-aws.md has their prices. */
export const EXTRA_ALARMS = ['place-dead-letters', 'api-errors', 'stepper-throttled', 'poll-loop-failed'] as const;
export type ExtraAlarm = (typeof EXTRA_ALARMS)[number];

export interface Settings {
  /** Begins the name of everything; two deployments of one account need two names. */
  readonly name: string;
  /** The account; without it, that of the credentials. */
  readonly account?: string;
  readonly homeRegion: string;
  readonly dataRegions: readonly string[];
  readonly architecture: 'arm64' | 'x86_64';
  readonly artefacts: Artefacts;
  /** The folder that holds `NAME/bootstrap.zip` for each function. */
  readonly functions: string;
  readonly memoryMegabytes: number;
  readonly logRetentionDays: number;
  /** Tables cannot be deleted, and buckets stay when a stack goes. */
  readonly protectData: boolean;
  readonly api: ApiSettings;
  /** Kept for one function and barred to all others, so that neither can starve the other. */
  readonly reservedConcurrency: { readonly api?: number; readonly stepper?: number };
  readonly targets: Targets;
  readonly alarms: { readonly email?: string; readonly extra: readonly ExtraAlarm[] };
  /** More environment for every function. */
  readonly environment: Readonly<Record<string, string>>;
  /** Leaves out what an emulator cannot do; never for AWS. */
  readonly emulator: boolean;
}

/** The settings of a deployment that chooses nothing but its region. */
export function defaults(homeRegion: string, name = 'porpoise'): Settings {
  return {
    name,
    homeRegion,
    dataRegions: [homeRegion],
    architecture: 'arm64',
    artefacts: 'cdk',
    functions: '../target/lambda',
    memoryMegabytes: 256,
    logRetentionDays: 30,
    protectData: true,
    api: { functionUrl: false, requestsPerSecond: 100, requestsBurst: 200 },
    reservedConcurrency: { api: 20, stepper: 50 },
    targets: {
      emrServerlessApplications: [],
      athenaWorkgroups: [`${name}-target-*`],
      stateMachines: [`${name}-target-*`],
      functions: [`${name}-target-*`],
      jobRoles: [`${name}-job-*`],
      assumedRoles: [`${name}-target-*`],
      accounts: [],
      logs: [`${name}-logs-*`],
      secrets: [`${name}/*`],
    },
    alarms: { extra: [] },
    environment: {},
    emulator: false,
  };
}

/** Settings that cannot be meant. */
export class SettingsError extends Error {
  constructor(readonly faults: readonly string[]) {
    super(`the settings have faults:\n${faults.map((fault) => `- ${fault}`).join('\n')}`);
  }
}

/** Reads the settings from a JSON file. */
export function settingsFrom(file: string): Settings {
  let given: unknown;
  try {
    given = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new SettingsError([`\`${file}\` cannot be read: ${(error as Error).message}`]);
  }
  return settings(given);
}

/** Lays what is given over the defaults. */
export function settings(given: unknown): Settings {
  if (!isObject(given)) throw new SettingsError(['the settings are not an object']);
  const name = typeof given['name'] === 'string' ? given['name'] : 'porpoise';
  const home = typeof given['homeRegion'] === 'string' ? given['homeRegion'] : '';
  const base = defaults(home, name);
  const faults: string[] = [];
  if (home === '') faults.push('`homeRegion` is missing: the region of the control plane, such as `eu-central-1`');
  const merged = merge(base, given, '', faults) as Settings;
  if (faults.length === 0) faults.push(...FAULTS.flatMap((find) => find(merged)));
  if (faults.length > 0) throw new SettingsError(faults);
  return merged;
}

/** What may be there beside what has a default. */
const OPTIONAL: Readonly<Record<string, unknown>> = {
  account: '',
  'api.jwt': { issuer: '', audience: [] },
  'alarms.email': '',
};
/** Maps whose keys are free. */
const FREE = new Set(['environment']);
/** Objects that are replaced and not merged. */
const WHOLE = new Set(['reservedConcurrency']);

function merge(base: object, given: Record<string, unknown>, path: string, faults: string[]): object {
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(given)) {
    const at = path + key;
    const like = key in base ? (base as Record<string, unknown>)[key] : OPTIONAL[at];
    if (like === undefined) faults.push(`\`${at}\` is no setting`);
    else if (kind(like) !== kind(value)) faults.push(`\`${at}\` is ${kind(value)}, not ${kind(like)}`);
    else if (Array.isArray(value)) {
      if (value.every((item) => typeof item === 'string')) result[key] = value;
      else faults.push(`\`${at}\` holds something that is no text`);
    } else if (isObject(value) && FREE.has(at)) {
      const odd = Object.keys(value).filter((name) => typeof value[name] !== 'string');
      faults.push(...odd.map((name) => `\`${at}.${name}\` is no text`));
      result[key] = value;
    } else if (isObject(value)) {
      const merged = merge(like as object, value, `${at}.`, faults) as Record<string, unknown>;
      const chosen = Object.entries(merged).filter(([name]) => !WHOLE.has(at) || name in value);
      result[key] = Object.fromEntries(chosen);
    } else result[key] = value;
  }
  return result;
}

function kind(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (value === null) return 'null';
  const kinds: Record<string, string> = { string: 'text', number: 'a number', boolean: 'true or false' };
  return kinds[typeof value] ?? 'an object';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const REGION = /^[a-z]{2,4}(-[a-z]+)+-\d$/;
const ACCOUNT = /^\d{12}$/;
/** Its name may have wildcards; a prefix that follows has none at its ends. Source: S3 user guide, "General purpose bucket naming rules". */
const BUCKET = /^[a-z0-9*?][a-z0-9.*?-]*(\/[^/\s]+)*$/;
/** The longest name made of it is that of a role, of 64 characters: `NAME-dispatcher-ap-southeast-1`. */
const NAME = /^[a-z][a-z0-9-]{0,23}[a-z0-9]$/;
/** Source: CloudWatch Logs API reference, `PutRetentionPolicy`. */
const RETENTIONS = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

type Finder = (settings: Settings) => string[];
const FAULTS: readonly Finder[] = [
  ({ name }) => (NAME.test(name) ? [] : [`\`name\` is \`${name}\`, not 2 to 25 lower-case letters, digits and dashes`]),
  ({ account }) => (account === undefined || ACCOUNT.test(account) ? [] : [`\`account\` is not 12 digits`]),
  ({ homeRegion, dataRegions }) =>
    [homeRegion, ...dataRegions].filter((region) => !REGION.test(region)).map((region) => `\`${region}\` is no region`),
  ({ dataRegions }) => (dataRegions.length > 0 ? [] : ['`dataRegions` is empty: jobs need a place']),
  ({ dataRegions }) => (new Set(dataRegions).size === dataRegions.length ? [] : ['`dataRegions` names one twice']),
  ({ architecture }) => oneOf('architecture', architecture, ['arm64', 'x86_64']),
  ({ artefacts }) => oneOf('artefacts', artefacts, ['cdk', 'parameters']),
  ({ logRetentionDays }) => oneOf('logRetentionDays', logRetentionDays, RETENTIONS),
  ({ memoryMegabytes }) => inside('memoryMegabytes', memoryMegabytes, 128, 10_240),
  ({ api }) => inside('api.requestsPerSecond', api.requestsPerSecond, 1, 10_000),
  ({ api }) => inside('api.requestsBurst', api.requestsBurst, 1, 5_000),
  ({ reservedConcurrency: { api, stepper } }) => [
    ...(api === undefined ? [] : inside('reservedConcurrency.api', api, 1, 1_000)),
    ...(stepper === undefined ? [] : inside('reservedConcurrency.stepper', stepper, 2, 1_000)),
  ],
  ({ api: { jwt } }) =>
    jwt === undefined || jwt.issuer?.startsWith('https://') ? [] : ['`api.jwt.issuer` does not begin with `https://`'],
  ({ api: { jwt } }) =>
    jwt === undefined || (jwt.audience ?? []).length > 0 ? [] : ['`api.jwt.audience` is empty: whose tokens are meant?'],
  ({ targets }) =>
    targets.accounts.filter((id) => !ACCOUNT.test(id)).map((id) => `\`targets.accounts\`: \`${id}\` is not 12 digits`),
  ({ name, targets }) =>
    targets.logs
      .filter((at) => !BUCKET.test(at) && !at.startsWith(name))
      .map((at) => `\`targets.logs\`: \`${at}\` is no bucket, and none with a prefix: \`my-logs\`, \`my-logs/etl\``),
  ({ alarms }) => alarms.extra.flatMap((alarm) => oneOf('alarms.extra', alarm, EXTRA_ALARMS)),
];

function oneOf<T>(path: string, value: T, known: readonly T[]): string[] {
  return known.includes(value) ? [] : [`\`${path}\`: \`${String(value)}\` is none of ${known.join(', ')}`];
}

function inside(path: string, value: number, min: number, max: number): string[] {
  const whole = Number.isInteger(value) && value >= min && value <= max;
  return whole ? [] : [`\`${path}\` is ${value}, not a whole number from ${min} to ${max}`];
}
