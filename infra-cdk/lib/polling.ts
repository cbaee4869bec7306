/** What becomes of jobs: the poller, its loop, and the events that shorten the loop's waits. */
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import * as stepfunctions from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';

import { accept } from './acceptance.ts';
import { PorpoiseFunction } from './function.ts';
import { definition, MEND_EVERY, POLL_TIMEOUT } from './poll-loop.ts';
import type { PorpoiseStack } from './stack.ts';
import { stateMachines } from './targets.ts';

export interface PollingProps {
  readonly environment: Record<string, string>;
  readonly deadLetters: sqs.IQueue;
  /** Where jobs leave receipts. */
  readonly receipts: s3.IBucket;
}

export class Polling extends Construct {
  readonly poller: PorpoiseFunction;
  readonly loopArn: string;

  constructor(readonly stack: PorpoiseStack, readonly props: PollingProps) {
    super(stack, 'Polling');
    const { names, region } = stack;
    this.loopArn = names.arn('states', region, `stateMachine:${names.of('loop')}`);
    this.poller = new PorpoiseFunction(stack, 'Poller', {
      name: 'poller',
      description: 'Looks after jobs: submits what may go now, reports what became of the others, and reads their logs.',
      timeout: POLL_TIMEOUT,
      loops: true,
      environment: { ...props.environment, PORPOISE_LOOP_ARN: this.loopArn },
      deadLetters: props.deadLetters,
      halfMemory: true,
    });
    this.letStart(this.poller); // the next epoch, before the history of this one is full
    this.#loop();
    this.#mend();
    this.#listen();
  }

  /** Lets a function start the loop, and see whether it goes on. */
  letStart(user: PorpoiseFunction): void {
    user.allow('StartLoop', ['states:StartExecution'], [this.loopArn]);
    const { names, region } = this.stack;
    const executions = names.arn('states', region, `execution:${names.of('loop')}:*`);
    user.allow('SeeLoop', ['states:DescribeExecution'], [executions], { why: 'executions are named by place and epoch' });
  }

  #loop(): void {
    const { names, region } = this.stack;
    const poller = this.poller.function.functionArn;
    const role = new iam.Role(this, 'LoopRole', {
      roleName: names.role('loop', region),
      description: 'What the poll loop may do',
      assumedBy: new iam.ServicePrincipal('states.amazonaws.com'),
    });
    role.addToPolicy(new iam.PolicyStatement({ sid: 'Tick', actions: ['lambda:InvokeFunction'], resources: [poller] }));
    const loop = new stepfunctions.CfnStateMachine(this, 'Loop', {
      stateMachineName: names.of('loop'),
      stateMachineType: 'STANDARD',
      roleArn: role.roleArn,
      definitionString: JSON.stringify(definition()),
      definitionSubstitutions: { Poller: poller },
    });
    loop.node.addDependency(role);
    accept(loop, 'AwsSolutions-SF1', 'Its history is kept for 90 days as it is; a log of each tick would cost more than the tick.');
    accept(loop, 'AwsSolutions-SF2', 'A trace of a loop that waits for hours shows nothing.');
  }

  /** Somebody may stop an execution, or its history may fill: once in a while the poller looks whether it is alive. */
  #mend(): void {
    const { names, region } = this.stack;
    const rule = new events.Rule(this, 'Mend', {
      ruleName: names.of('mend'),
      description: 'Starts the poll loop again if it was stopped although jobs are in flight.',
      schedule: events.Schedule.rate(MEND_EVERY),
    });
    const event = events.RuleTargetInput.fromObject({ mend: names.place(region) });
    rule.addTarget(new targets.LambdaFunction(this.poller.function, { event, deadLetterQueue: this.props.deadLetters }));
  }

  /**
   * Each sort of event by a rule of its own: one that is wrong stops no other. Ends only: that a job has started, or what
   * it was billed, is asked for with others at the next tick, for a fraction of what an event of its own costs.
   */
  #listen(): void {
    const { targets: known } = this.stack.settings;
    const { names, region } = this.stack;
    const applications = known.emrServerlessApplications;
    const ours = applications.length > 0 ? { applicationId: [...applications] } : {};
    this.#on('EmrJobRuns', 'aws.emr-serverless', ['EMR Serverless Job Run State Change'], {
      ...ours,
      state: ['SUCCESS', 'FAILED', 'CANCELLED'],
    });
    this.#on('Queries', 'aws.athena', ['Athena Query State Change'], {
      workgroupName: wildcards(known.athenaWorkgroups),
      currentState: ['SUCCEEDED', 'FAILED', 'CANCELLED'],
    });
    const machines = stateMachines(this.stack).map((name) => names.arn('states', region, `stateMachine:${name}`));
    this.#on('Executions', 'aws.states', ['Step Functions Execution Status Change'], {
      stateMachineArn: wildcards(machines),
      status: ['SUCCEEDED', 'FAILED', 'TIMED_OUT', 'ABORTED'],
    });
    this.#on('Receipts', 'aws.s3', ['Object Created'], {
      bucket: { name: [this.props.receipts.bucketName] },
      object: { key: [{ prefix: 'receipts/' }] },
    });
  }

  /** A list that names nothing can have no event. */
  #on(id: string, source: string, detailType: string[], detail: Record<string, unknown>): void {
    if (JSON.stringify(detail).includes('[]')) return;
    const rule = new events.Rule(this, id, {
      description: `${detailType[0]}: the poller looks at once instead of at its next tick.`,
      eventPattern: { source: this.#sources(source), detailType, ...(Object.keys(detail).length > 0 && { detail }) },
    });
    rule.addTarget(new targets.LambdaFunction(this.poller.function, { deadLetterQueue: this.props.deadLetters }));
  }

  /** Nobody but AWS may send as `aws.…`, so what stands in for a service sends as `emulated.…`. */
  #sources(source: string): string[] {
    return this.stack.settings.emulator ? [source, source.replace(/^aws\./, 'emulated.')] : [source];
  }
}

/** Patterns of names as event patterns have them. */
function wildcards(patterns: readonly string[]): unknown[] {
  return patterns.map((pattern) => {
    const first = pattern.indexOf('*');
    if (first < 0) return pattern;
    return first === pattern.length - 1 ? { prefix: pattern.slice(0, -1) } : { wildcard: pattern };
  });
}
