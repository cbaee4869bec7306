/** Queues, each with the queue for what could not be handled. */
import { Duration } from 'aws-cdk-lib';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { accept } from './acceptance.ts';
import type { PorpoiseStack } from './stack.ts';

/**
 * A message is tried this often, each time after the visibility timeout: inputs for five hours, wakes for twenty. Nothing
 * that could not be read comes so far, so it is an outage that has to be sat out, or a throttle, which counts as a try.
 */
const TRIES = 100;
/** What could not be handled waits this long for a person: as long as SQS keeps anything. */
const KEPT = Duration.days(14);

/** A queue of messages that nobody could handle. */
export function deadLetterQueue(stack: PorpoiseStack, scope: Construct, id: string, queueName: string): sqs.Queue {
  const queue = new sqs.Queue(scope, id, { ...common(stack, queueName), retentionPeriod: KEPT });
  accept(queue, 'AwsSolutions-SQS3', 'It is itself the queue for what could not be handled.');
  return queue;
}

/** A queue that a function handles within `timeout` a batch. */
export function workQueue(
  stack: PorpoiseStack,
  scope: Construct,
  id: string,
  props: { readonly queueName: string; readonly timeout: Duration; readonly deadLetters: sqs.IQueue },
): sqs.Queue {
  return new sqs.Queue(scope, id, {
    ...common(stack, props.queueName),
    // six times that of the function. Source: Lambda developer guide, "Configuring a queue to use with Lambda"
    visibilityTimeout: Duration.seconds(6 * props.timeout.toSeconds()),
    retentionPeriod: KEPT,
    receiveMessageWaitTime: Duration.seconds(20),
    deadLetterQueue: { queue: props.deadLetters, maxReceiveCount: TRIES },
  });
}

function common(stack: PorpoiseStack, queueName: string): sqs.QueueProps {
  const fifo = queueName.endsWith('.fifo');
  return {
    queueName,
    encryption: sqs.QueueEncryption.SQS_MANAGED,
    enforceSSL: !stack.settings.emulator, // emulators speak plain HTTP
    ...(fifo && {
      fifo,
      contentBasedDeduplication: false,
      deduplicationScope: sqs.DeduplicationScope.MESSAGE_GROUP,
      fifoThroughputLimit: sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
    }),
  };
}
