/** The stack of a data place: where jobs and data live. One in each data region, the home region too if it is one. */
import { CfnCondition, CfnOutput, CfnParameter, Duration, Fn } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';

import { Alarms, worst } from './alarms.ts';
import { Caller } from './caller.ts';
import { Dispatch } from './dispatch.ts';
import type { PorpoiseFunction } from './function.ts';
import { Polling } from './polling.ts';
import { deadLetterQueue } from './queue.ts';
import type { Settings } from './settings.ts';
import { PorpoiseStack } from './stack.ts';
import { Storage } from './storage.ts';
import { letReachTargets, letReadLogs } from './targets.ts';

export class Place extends PorpoiseStack {
  readonly functions: readonly PorpoiseFunction[];

  /** Without a region, it is a template for any. */
  constructor(scope: Construct, settings: Settings, region?: string) {
    const id = region === undefined ? 'PorpoisePlace' : `PorpoisePlace-${region}`;
    super(scope, id, {
      settings,
      part: 'place',
      region: region ?? '',
      description: 'A place where jobs of Porpoise run',
    });
    const storage = new Storage(this, 'Storage', { tableName: this.names.jobs, tellsOfObjects: true });
    const deadLetters = deadLetterQueue(this, this, 'Dead', this.names.of('place-dead'));
    const environment = {
      PORPOISE_HOME: this.names.place(this.homeRegion),
      PORPOISE_PLACE: this.names.place(this.region),
      PORPOISE_TABLE: storage.table.tableName,
      PORPOISE_BUCKET: storage.bucket.bucketName,
      PORPOISE_INPUTS_URL: this.names.inputsUrl(this.homeRegion),
    };
    const { bucket: receipts } = storage;
    const polling = new Polling(this, { environment, deadLetters, receipts });
    const loop = { PORPOISE_LOOP_ARN: polling.loopArn };
    const far = this.#far(region);
    const { dispatcher, bus } = new Dispatch(this, { environment: { ...environment, ...loop }, deadLetters, far });
    polling.letStart(dispatcher);
    for (const user of [dispatcher, polling.poller]) {
      storage.letReadAndWrite(user);
      user.allow('ReportHome', ['sqs:SendMessage'], [this.names.inputsArn(this.homeRegion)]);
      letReachTargets(user);
    }
    letReadLogs(polling.poller);
    this.functions = [dispatcher, polling.poller];
    const { functions } = this.settings.targets;
    if (functions.length > 0) new CfnOutput(this, 'CallerArn', { value: new Caller(this, functions).arn });
    this.#alarms(deadLetters, polling);
    new CfnOutput(this, 'Place', { value: environment.PORPOISE_PLACE });
    new CfnOutput(this, 'Table', { value: environment.PORPOISE_TABLE });
    new CfnOutput(this, 'Bucket', { value: environment.PORPOISE_BUCKET });
    new CfnOutput(this, 'DispatcherArn', { value: dispatcher.function.functionArn });
    if (bus !== undefined) new CfnOutput(this, 'BusArn', { value: bus.attrArn, ...(far instanceof CfnCondition && { condition: far }) });
    new CfnOutput(this, 'LoopArn', { value: polling.loopArn });
  }

  /** Whether it is elsewhere than home: known, or a parameter, since emulators know no region in conditions. */
  #far(region: string | undefined): CfnCondition | boolean {
    if (region !== undefined) return region !== this.settings.homeRegion;
    const hasBus = new CfnParameter(this, 'HasBus', {
      description: 'Whether intents come by a bus: not in the region of the control plane, where the dispatcher is invoked.',
      default: 'yes',
      allowedValues: ['yes', 'no'],
    });
    return new CfnCondition(this, 'Far', { expression: Fn.conditionEquals(hasBus.valueAsString, 'yes') });
  }

  /** None, if the settings ask for none: what a place loses, the stepper sends again, and the alarm at home tells. */
  #alarms(deadLetters: sqs.Queue, { loopArn }: Polling): void {
    const asked = this.settings.alarms.extra;
    if (!asked.includes('place-dead-letters') && !asked.includes('poll-loop-failed')) return;
    const alarms = new Alarms(this);
    alarms.addExtra('place-dead-letters', 'DeadLetters', {
      heading: 'dead-letters-of-a-place',
      description: 'An event for dispatcher or poller could not be handled, however often it was tried.',
      metric: worst(deadLetters.metricApproximateNumberOfMessagesVisible()),
      above: 0,
    });
    alarms.addExtra('poll-loop-failed', 'LoopFailed', {
      heading: 'the-poll-loop-failed',
      description: 'The poll loop gave up.',
      metric: new cloudwatch.Metric({
        namespace: 'AWS/States',
        metricName: 'ExecutionsFailed',
        dimensionsMap: { StateMachineArn: loopArn },
        statistic: cloudwatch.Stats.SUM,
        period: Duration.minutes(5),
      }),
      above: 0,
    });
  }
}
