/** What dispatcher and poller may do where jobs run. Both submit, look and cancel, so both may do the same. */
import { Aws } from 'aws-cdk-lib';

import type { PorpoiseFunction } from './function.ts';
import type { PorpoiseStack } from './stack.ts';

const REGISTERED = 'targets are registered while Porpoise runs, and known to the template by their names only';

/** Lets a function reach every sort of target of its place. */
export function letReachTargets(user: PorpoiseFunction): void {
  const { stack } = user;
  emrServerless(user, stack);
  athena(user, stack);
  others(user, stack);
  roles(user, stack);
}

function emrServerless(user: PorpoiseFunction, { names, region, settings }: PorpoiseStack): void {
  const ids = settings.targets.emrServerlessApplications;
  const applications = (ids.length > 0 ? ids : ['*']).map((id) => names.arn('emr-serverless', region, `/applications/${id}`));
  const conditions = ids.length > 0 ? {} : { conditions: { StringEquals: { 'aws:ResourceTag/porpoise': settings.name } } };
  const why = ids.length > 0 ? {} : { why: 'applications have ids that only AWS knows; the tag tells which are meant' };
  const use = ['GetApplication', 'StartApplication', 'StartJobRun', 'ListJobRuns'];
  user.allow('UseApplications', use.map(emr), applications, { ...why, ...conditions });
  const find = { why: 'applications are found by name: the list has no resource of its own' };
  user.allow('FindApplications', [emr('ListApplications')], [names.arn('emr-serverless', region, '/*')], find);
  const runs = applications.map((application) => `${application}/jobruns/*`);
  const follow = ['GetJobRun', 'CancelJobRun', 'GetDashboardForJobRun', 'TagResource'];
  user.allow('FollowJobRuns', follow.map(emr), runs, { why: 'job runs have ids that only AWS knows' });
}

/**
 * Lets a function read what drivers of EMR Serverless wrote, and nothing else that lies there. It may list, or else a log
 * that is not there yet is answered as one that may not be read.
 */
export function letReadLogs(user: PorpoiseFunction): void {
  const { logs } = user.stack.settings.targets;
  if (logs.length === 0) return;
  const bucket = (at: string) => `arn:${Aws.PARTITION}:s3:::${at.split('/')[0]}`;
  // LOGURI/applications/ID/jobs/ID/SPARK_DRIVER/stdout.gz
  const drivers = logs.map((at) => `arn:${Aws.PARTITION}:s3:::${at}/*applications/*/jobs/*_DRIVER/std*.gz`);
  user.allow('ReadJobLogs', ['s3:GetObject'], drivers, { why: 'applications and job runs have ids that only AWS knows' });
  const buckets = [...new Set(logs.map(bucket))];
  const wild = buckets.some((arn) => arn.includes('*'));
  user.allow('MissJobLogs', ['s3:ListBucket'], buckets, wild ? { why: REGISTERED } : {});
}

function emr(action: string): string {
  return `emr-serverless:${action}`;
}

function athena(user: PorpoiseFunction, { names, region, settings }: PorpoiseStack): void {
  const groups = settings.targets.athenaWorkgroups.map((name) => names.arn('athena', region, `workgroup/${name}`));
  const actions = [
    'StartQueryExecution',
    'BatchGetQueryExecution',
    'ListQueryExecutions',
    'GetQueryResults',
    'StopQueryExecution',
  ];
  allowNamed(user, 'UseWorkgroups', actions.map((action) => `athena:${action}`), groups);
}

/** Names of state machines that may be targets: those of the settings, and what calls functions. */
export function stateMachines({ names, settings: { targets } }: PorpoiseStack): readonly string[] {
  const named = targets.stateMachines;
  const covered = named.some((name) => name === names.caller || (name.endsWith('*') && names.caller.startsWith(name.slice(0, -1))));
  return targets.functions.length === 0 || covered ? named : [...named, names.caller];
}

function others(user: PorpoiseFunction, stack: PorpoiseStack): void {
  const { names, region, settings } = stack;
  const { targets } = settings;
  const known = stateMachines(stack);
  const machines = known.map((name) => names.arn('states', region, `stateMachine:${name}`));
  allowNamed(user, 'StartTargets', ['states:StartExecution', 'states:ListExecutions', 'states:DescribeStateMachine'], machines);
  const executions = known.map((name) => names.arn('states', region, `execution:${name}:*`));
  const why = 'executions are named by their attempt';
  if (executions.length > 0) {
    user.allow('FollowExecutions', ['states:DescribeExecution', 'states:StopExecution'], executions, { why });
    // Source: Step Functions developer guide, "Creating granular permissions", service-level permissions
    const list = { why: 'a start whose answer was lost is looked for in every state machine: the list has no resource of its own' };
    user.allow('ListMachines', ['states:ListStateMachines'], [names.arn('states', region, '*')], list);
  }
  const secrets = targets.secrets.map((name) => names.arn('secretsmanager', region, `secret:${name}`));
  allowNamed(user, 'ResolveSecrets', ['secretsmanager:GetSecretValue'], secrets);
}

function roles(user: PorpoiseFunction, { settings: { targets } }: PorpoiseStack): void {
  const passed = targets.jobRoles.map((name) => `arn:${Aws.PARTITION}:iam::${Aws.ACCOUNT_ID}:role/${name}`);
  allowNamed(user, 'PassJobRoles', ['iam:PassRole'], passed, {
    StringEquals: { 'iam:PassedToService': 'emr-serverless.amazonaws.com' },
  });
  const accounts = [Aws.ACCOUNT_ID, ...targets.accounts];
  const assumed = accounts.flatMap((id) => targets.assumedRoles.map((name) => `arn:${Aws.PARTITION}:iam::${id}:role/${name}`));
  allowNamed(user, 'AssumeTargetRoles', ['sts:AssumeRole'], assumed);
}

function allowNamed(
  user: PorpoiseFunction,
  sid: string,
  actions: string[],
  resources: string[],
  conditions?: Record<string, Record<string, string>>,
): void {
  if (resources.length === 0) return;
  const wild = resources.some((resource) => resource.includes('*'));
  user.allow(sid, actions, resources, { ...(wild && { why: REGISTERED }), ...(conditions && { conditions }) });
}
