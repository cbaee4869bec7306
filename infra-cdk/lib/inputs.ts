/** Inputs of aggregates: one FIFO queue, grouped by aggregate, and the stepper that alone writes aggregates. */
import { Duration } from 'aws-cdk-lib';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { PorpoiseFunction } from './function.ts';
import { deadLetterQueue, workQueue } from './queue.ts';
import type { PorpoiseStack } from './stack.ts';

const STEP_TIMEOUT = Duration.seconds(30);
/** As many as SQS gives of a FIFO queue at once. */
const BATCH = 10;

export class Inputs extends Construct {
  readonly queue: sqs.Queue;
  readonly deadLetters: sqs.Queue;

  constructor(readonly stack: PorpoiseStack) {
    super(stack, 'Inputs');
    const { names } = stack;
    this.deadLetters = deadLetterQueue(stack, this, 'Dead', names.of('inputs-dead.fifo'));
    this.queue = workQueue(stack, this, 'Queue', {
      queueName: names.inputs,
      timeout: STEP_TIMEOUT,
      deadLetters: this.deadLetters,
    });
  }

  /** Lets a function send inputs. */
  letSend(user: PorpoiseFunction): void {
    user.allow('SendInputs', ['sqs:SendMessage'], [this.queue.queueArn]);
  }

  /** Lets a function ask how many inputs nobody could handle. */
  letLookForDead(user: PorpoiseFunction): void {
    user.allow('LookForDead', ['sqs:GetQueueAttributes'], [this.deadLetters.queueArn]);
  }

  /** Makes the function that handles them. */
  stepper(environment: Record<string, string>, reservedConcurrency: number | undefined): PorpoiseFunction {
    const stepper = new PorpoiseFunction(this.stack, 'Stepper', {
      name: 'stepper',
      description: 'Takes runs and other aggregates a step further; their only writer.',
      timeout: STEP_TIMEOUT,
      loops: true,
      environment,
      reservedConcurrency,
    });
    stepper.consume(this.queue, BATCH);
    this.letSend(stepper); // aggregates tell each other
    return stepper;
  }
}
