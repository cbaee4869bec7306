/** Wakes: a queue with delays, schedules for what is further away, the sweep, and the trigger that handles them all. */
import { Duration } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { PorpoiseFunction } from './function.ts';
import { deadLetterQueue, workQueue } from './queue.ts';
import type { PorpoiseStack } from './stack.ts';

/** The sweep has this long, a batch of wakes needs milliseconds. */
const TRIGGER_TIMEOUT = Duration.minutes(2);
const BATCH = 10;
/** Whatever was lost is found after this long at most. */
export const SWEEP_EVERY = Duration.minutes(10);

export class Timers extends Construct {
  readonly queue: sqs.Queue;
  readonly deadLetters: sqs.Queue;
  readonly group: string;
  readonly schedulerRole: iam.Role;

  constructor(readonly stack: PorpoiseStack) {
    super(stack, 'Timers');
    const { names } = stack;
    this.deadLetters = deadLetterQueue(stack, this, 'Dead', names.of('dead'));
    this.queue = workQueue(stack, this, 'Queue', {
      queueName: names.of('timers'),
      timeout: TRIGGER_TIMEOUT,
      deadLetters: this.deadLetters,
    });
    this.group = names.settings.name;
    new scheduler.CfnScheduleGroup(this, 'Group', { name: this.group });
    this.schedulerRole = this.#schedulerRole();
  }

  /** Lets a function ask to be woken, soon or late. */
  letAsk(user: PorpoiseFunction): void {
    user.allow('AskForWakes', ['sqs:SendMessage'], [this.queue.queueArn]);
    const schedules = this.stack.names.arn('scheduler', this.stack.region, `schedule/${this.group}/wake-*`);
    const why = 'schedules are named by a hash of the wake, in a group that holds nothing else';
    user.allow('MakeSchedules', ['scheduler:CreateSchedule'], [schedules], { why });
    user.allow('PassSchedulerRole', ['iam:PassRole'], [this.schedulerRole.roleArn], {
      conditions: { StringEquals: { 'iam:PassedToService': 'scheduler.amazonaws.com' } },
    });
  }

  /** Makes the function that handles wakes, and sweeps. */
  trigger(environment: Record<string, string>): PorpoiseFunction {
    const trigger = new PorpoiseFunction(this.stack, 'Trigger', {
      name: 'trigger',
      description: 'Wakes aggregates when it is time, and looks for those that nothing will wake.',
      timeout: TRIGGER_TIMEOUT,
      loops: true,
      environment,
      deadLetters: this.deadLetters,
    });
    trigger.consume(this.queue, BATCH);
    new events.Rule(this, 'Sweep', {
      ruleName: this.stack.names.of('sweep'),
      description: 'Looks for aggregates that nothing will wake.',
      schedule: events.Schedule.rate(SWEEP_EVERY),
      targets: [new targets.LambdaFunction(trigger.function)],
    });
    return trigger;
  }

  /** What schedules send as: wakes, and those that could not be sent. */
  #schedulerRole(): iam.Role {
    const { names, region, account } = this.stack;
    const group = names.arn('scheduler', region, `schedule-group/${this.group}`);
    const role = new iam.Role(this, 'SchedulerRole', {
      roleName: names.role('scheduler', region),
      description: 'What schedules of wakes may do',
      assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': account, 'aws:SourceArn': group } },
      }),
    });
    const resources = [this.queue.queueArn, this.deadLetters.queueArn];
    role.addToPolicy(new iam.PolicyStatement({ sid: 'Wake', actions: ['sqs:SendMessage'], resources }));
    return role;
  }
}
