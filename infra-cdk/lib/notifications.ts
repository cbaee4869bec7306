/** What people are told: runs and tasks by one topic, trouble of the deployment itself by another. */
import { Duration } from 'aws-cdk-lib';
import * as sns from 'aws-cdk-lib/aws-sns';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { accept } from './acceptance.ts';
import { PorpoiseFunction } from './function.ts';
import type { PorpoiseStack } from './stack.ts';

export class Notifications extends Construct {
  readonly topic: sns.Topic;
  readonly notifier: PorpoiseFunction;

  constructor(stack: PorpoiseStack, props: { environment: Record<string, string>; deadLetters: sqs.IQueue }) {
    super(stack, 'Notifications');
    this.topic = topic(stack, this, 'Topic', stack.names.of('notifications'));
    this.notifier = new PorpoiseFunction(stack, 'Notifier', {
      name: 'notifier',
      description: 'Tells of runs and tasks what somebody asked to be told.',
      timeout: Duration.seconds(30),
      environment: { ...props.environment, PORPOISE_NOTIFICATIONS_ARN: this.topic.topicArn },
      deadLetters: props.deadLetters,
    });
    this.notifier.allow('Publish', ['sns:Publish'], [this.topic.topicArn]);
  }

  /** Lets a function have something told; asynchronously, so that telling holds nothing up. */
  letNotify(user: PorpoiseFunction): void {
    user.allow('Notify', ['lambda:InvokeFunction'], [this.notifier.function.functionArn]);
  }
}

/** A topic that takes messages by TLS only. */
export function topic(stack: PorpoiseStack, scope: Construct, id: string, topicName: string): sns.Topic {
  const topic = new sns.Topic(scope, id, { topicName, enforceSSL: !stack.settings.emulator });
  accept(topic, 'AwsSolutions-SNS2', 'Encryption needs a customer key for alarms to get through, which costs a dollar a month.');
  return topic;
}
