/** The home stack: the control plane. One in a deployment. */
import { CfnOutput, Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type { Topic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';

import { Alarms, topic, worst } from './alarms.ts';
import { Api } from './api.ts';
import type { PorpoiseFunction } from './function.ts';
import { Inputs } from './inputs.ts';
import { reserved } from './parameters.ts';
import type { Settings } from './settings.ts';
import { PorpoiseStack } from './stack.ts';
import { Storage } from './storage.ts';
import { SWEEP_EVERY, Timers } from './timers.ts';
import { waysToPlaces } from './ways.ts';

/** Inputs wait for milliseconds; after this long something is wrong. */
const INPUT_AGE_MAX = Duration.minutes(5);
/** What functions write metrics under. */
const NAMESPACE = 'Porpoise';
/** Written by the sweep, and only when there are any, because a metric that is not written costs nothing. */
const WITHOUT_PROGRESS = 'OpenWithoutProgress';

export class Home extends PorpoiseStack {
  readonly functions: readonly PorpoiseFunction[];
  readonly reservedConcurrency: Settings['reservedConcurrency'];

  constructor(scope: Construct, settings: Settings) {
    super(scope, 'PorpoiseHome', {
      settings,
      part: 'home',
      region: settings.homeRegion,
      description: 'The control plane of Porpoise',
    });
    const { artefacts, reservedConcurrency } = settings;
    this.reservedConcurrency = artefacts === 'parameters' ? reserved(this, reservedConcurrency) : reservedConcurrency;
    const storage = new Storage(this, 'Storage', { tableName: this.names.table, tellsOfObjects: false });
    const inputs = new Inputs(this);
    const timers = new Timers(this);
    const ways = waysToPlaces(this);
    const notices = topic(this, this, 'Notices', this.names.of('runs'));
    const place = this.names.place(this.region);
    const all = {
      PORPOISE_HOME: place,
      PORPOISE_PLACE: place,
      PORPOISE_TABLE: storage.table.tableName,
      PORPOISE_BUCKET: storage.bucket.bucketName,
      PORPOISE_INPUTS_URL: inputs.queue.queueUrl,
      PORPOISE_TIMERS_URL: timers.queue.queueUrl,
      PORPOISE_TIMERS_ARN: timers.queue.queueArn,
      PORPOISE_SCHEDULE_GROUP: timers.group,
      PORPOISE_SCHEDULER_ROLE_ARN: timers.schedulerRole.roleArn,
      PORPOISE_DEAD_LETTERS_ARN: timers.deadLetters.queueArn,
      PORPOISE_NOTICES_TOPIC: notices.topicArn,
      ...ways.environment,
    };
    const stepper = inputs.stepper(all, this.reservedConcurrency.stepper);
    const trigger = timers.trigger({ ...all, PORPOISE_DEAD_INPUTS_URL: inputs.deadLetters.queueUrl });
    inputs.letLookForDead(trigger);
    const api = new Api(this, { ...all, ...ways.readers }, this.reservedConcurrency.api);
    ways.letReadLogs(api.function);
    for (const user of [stepper, trigger, api.function]) storage.letReadAndWrite(user);
    for (const user of [stepper, trigger]) timers.letAsk(user);
    for (const user of [trigger, api.function]) inputs.letSend(user);
    // whoever steps sends what follows: the stepper, and the sweep of the trigger
    for (const user of [stepper, trigger]) ways.letSend(user);
    for (const user of [stepper, trigger]) user.allow('TellOfRuns', ['sns:Publish'], [notices.topicArn]);
    this.functions = [api.function, trigger, stepper];
    const alarms = this.#alarms(inputs, timers, stepper, api);
    this.#outputs({ storage, inputs, api, alarms, notices });
  }

  #alarms(inputs: Inputs, timers: Timers, stepper: PorpoiseFunction, api: Api): Alarms {
    const alarms = new Alarms(this);
    // an alarm is billed by the metrics that it looks at: those of the queue of inputs are asked for by the sweep
    const dead = { wakes: timers.deadLetters };
    alarms.add('DeadLetters', {
      heading: 'dead-letters',
      description: 'A wake or a sweep could not be handled, however often it was tried.',
      metric: worst(dead.wakes.metricApproximateNumberOfMessagesVisible()),
      above: 0,
    });
    alarms.add('OldInputs', {
      heading: 'inputs-are-old',
      description: 'The stepper does not keep up, or fails.',
      metric: worst(inputs.queue.metricApproximateAgeOfOldestMessage()),
      above: INPUT_AGE_MAX.toSeconds(),
    });
    alarms.add('WithoutProgress', {
      heading: 'runs-without-progress',
      description: 'The sweep found open runs that should have moved and did not, or inputs that nobody could handle.',
      metric: worst(
        new cloudwatch.Metric({
          namespace: NAMESPACE,
          metricName: WITHOUT_PROGRESS,
          dimensionsMap: { function: this.names.of('trigger') },
        }),
        SWEEP_EVERY, // a period without a sweep would look like one in which all was well
      ),
      above: 0,
      periods: 2,
    });
    alarms.addExtra('api-errors', 'ApiErrors', {
      heading: 'the-api-fails',
      description: 'The API answered with errors of its own.',
      metric: api.function.function.metricErrors({ period: Duration.minutes(5) }),
      above: 0,
    });
    alarms.addExtra('stepper-throttled', 'StepperThrottled', {
      heading: 'the-stepper-is-throttled',
      description: 'The stepper was not started because the account has no concurrency left.',
      metric: stepper.function.metricThrottles({ period: Duration.minutes(5) }),
      above: 0,
      periods: 3,
    });
    return alarms;
  }

  #outputs(made: { storage: Storage; inputs: Inputs; api: Api; alarms: Alarms; notices: Topic }): void {
    const outputs: Record<string, string | undefined> = {
      Place: this.names.place(this.region),
      ApiUrl: made.api.url,
      FunctionUrl: made.api.functionUrl,
      Table: made.storage.table.tableName,
      Bucket: made.storage.bucket.bucketName,
      InputsUrl: made.inputs.queue.queueUrl,
      AlarmsTopic: made.alarms.topic.topicArn,
      NoticesTopic: made.notices.topicArn,
    };
    for (const [id, value] of Object.entries(outputs)) if (value !== undefined) new CfnOutput(this, id, { value });
  }
}

