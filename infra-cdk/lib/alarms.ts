/** Alarms. Each names a heading of docs/runbook.md; beyond the first three, each is asked for in the settings. */
import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as sns from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';

import { accept } from './acceptance.ts';
import type { ExtraAlarm } from './settings.ts';
import type { PorpoiseStack } from './stack.ts';

/** The headings of docs/runbook.md that alarms lead to, as they stand in links. */
export type Heading =
  | 'dead-letters'
  | 'inputs-are-old'
  | 'runs-without-progress'
  | 'dead-letters-of-a-place'
  | 'the-api-fails'
  | 'the-stepper-is-throttled'
  | 'the-poll-loop-failed';

export interface AlarmProps {
  readonly heading: Heading;
  readonly description: string;
  readonly metric: cloudwatch.IMetric;
  /** It rings when the metric is above this. */
  readonly above: number;
  /** So many periods one after the other. */
  readonly periods?: number;
}

export class Alarms extends Construct {
  readonly topic: sns.Topic;

  constructor(readonly stack: PorpoiseStack) {
    super(stack, 'Alarms');
    const { email } = stack.settings.alarms;
    this.topic = topic(stack, this, 'Topic', stack.names.of(`alarms-${stack.node.id.toLowerCase()}`));
    // the topic's policy says what it takes, so it has to say this too
    this.topic.addToResourcePolicy(
      new iam.PolicyStatement({
        sid: 'Alarms',
        principals: [new iam.ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [this.topic.topicArn],
        conditions: { StringEquals: { 'aws:SourceAccount': stack.account } },
      }),
    );
    if (email !== undefined) this.topic.addSubscription(new EmailSubscription(email));
  }

  add(id: string, props: AlarmProps): void {
    const alarm = new cloudwatch.Alarm(this, id, {
      alarmName: this.stack.names.of(props.heading),
      alarmDescription: `${props.description} See docs/runbook.md#${props.heading}`,
      metric: props.metric,
      threshold: props.above,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: props.periods ?? 1,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(new SnsAction(this.topic));
  }

  /** One that the settings ask for. */
  addExtra(extra: ExtraAlarm, id: string, props: AlarmProps): void {
    if (this.stack.settings.alarms.extra.includes(extra)) this.add(id, props);
  }
}

/** The worst of a while in which nothing should be there. */
export function worst(metric: cloudwatch.Metric, period = Duration.minutes(5)): cloudwatch.Metric {
  return metric.with({ statistic: cloudwatch.Stats.MAXIMUM, period });
}

/** A topic that takes messages by TLS only. */
export function topic(stack: PorpoiseStack, scope: Construct, id: string, topicName: string): sns.Topic {
  const topic = new sns.Topic(scope, id, { topicName, enforceSSL: !stack.settings.emulator });
  accept(topic, 'AwsSolutions-SNS2', 'Encryption with a key of AWS keeps alarms and chats out; with one of our own it costs a dollar a month.');
  return topic;
}
