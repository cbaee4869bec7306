/** Values of templates that are made for any deployment: known when a stack is made, and not before. */
import { Aws, CfnCondition, CfnParameter, Fn, type Stack, Token } from 'aws-cdk-lib';

import type { Settings } from './settings.ts';

/** Where zips lie. */
export interface Artefact {
  readonly bucket: string;
  readonly prefix: string;
}

export function artefacts(stack: Stack): Artefact {
  const bucket = new CfnParameter(stack, 'ArtefactBucket', {
    description: 'The bucket that holds the zips of the functions; it lies in the region of the stack.',
    allowedPattern: '^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$',
  });
  const prefix = new CfnParameter(stack, 'ArtefactPrefix', {
    description: 'What the keys of the zips begin with: another one for each release, else nothing is updated.',
    default: '',
    allowedPattern: '^$|^[A-Za-z0-9/._-]+/$',
    constraintDescription: 'nothing, or something that ends with a slash',
  });
  return { bucket: bucket.valueAsString, prefix: prefix.valueAsString };
}

export function homeRegion(stack: Stack): string {
  return new CfnParameter(stack, 'HomeRegion', { description: 'The region of the control plane.' }).valueAsString;
}

/** The settings, with parameters for what deployments most often choose; what is given is what they default to. */
export function parameterised(stack: Stack, settings: Settings): Settings {
  const name = new CfnParameter(stack, 'Name', {
    description: 'Begins the name of everything; two deployments of one account need two names.',
    default: settings.name,
    allowedPattern: '^[a-z][a-z0-9-]{0,23}[a-z0-9]$',
  }).valueAsString;
  const architecture = new CfnParameter(stack, 'Architecture', {
    description: 'The processors that the zips of the functions are built for.',
    default: settings.architecture,
    allowedValues: ['arm64', 'x86_64'],
  }).valueAsString;
  const retention = new CfnParameter(stack, 'LogRetentionDays', {
    type: 'Number',
    description: 'How long logs are kept.',
    default: settings.logRetentionDays,
  }).valueAsNumber;
  return {
    ...settings,
    name,
    architecture: architecture as Settings['architecture'],
    logRetentionDays: retention,
    targets: renamed(settings, name),
  };
}

/** Reserved, unless a parameter says no: accounts that are new have nothing to reserve from. */
export function reserved(stack: Stack, { api, stepper }: Settings['reservedConcurrency']): Settings['reservedConcurrency'] {
  const parameter = new CfnParameter(stack, 'ReserveConcurrency', {
    description: 'Whether api and stepper keep concurrency for themselves; new accounts have none to reserve from.',
    default: 'yes',
    allowedValues: ['yes', 'no'],
  });
  const condition = new CfnCondition(stack, 'Reserves', { expression: Fn.conditionEquals(parameter.valueAsString, 'yes') });
  const unlessNo = (many: number) => Token.asNumber(Fn.conditionIf(condition.logicalId, many, Aws.NO_VALUE));
  return {
    ...(api !== undefined && { api: unlessNo(api) }),
    ...(stepper !== undefined && { stepper: unlessNo(stepper) }),
  };
}

/** What is named after the deployment is named after the parameter. */
function renamed({ name, targets }: Settings, parameter: string): Settings['targets'] {
  const rename = (pattern: string) => (pattern.startsWith(name) ? parameter + pattern.slice(name.length) : pattern);
  const all = Object.entries(targets).map(([key, patterns]: [string, readonly string[]]) => [key, patterns.map(rename)]);
  return Object.fromEntries(all) as Settings['targets'];
}
