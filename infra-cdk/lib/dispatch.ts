/** Intents for a place: its bus, and the dispatcher that submits jobs. */
import { Duration } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { PorpoiseFunction } from './function.ts';
import type { PorpoiseStack } from './stack.ts';

/** What the bus adapter writes into its events. */
const SOURCE = 'porpoise';
const DETAIL_TYPE = 'Intents';

export class Dispatch extends Construct {
  readonly bus: events.CfnEventBus;
  readonly dispatcher: PorpoiseFunction;

  constructor(stack: PorpoiseStack, props: { environment: Record<string, string>; deadLetters: sqs.IQueue }) {
    super(stack, 'Dispatch');
    this.bus = new events.CfnEventBus(this, 'Bus', { name: stack.names.bus, description: 'Intents for this place' });
    if (!stack.settings.emulator) this.#onlyTheStepper(stack); // it has no policies of buses
    this.dispatcher = new PorpoiseFunction(stack, 'Dispatcher', {
      name: 'dispatcher',
      description: 'Records intents and submits the jobs that they ask for.',
      timeout: Duration.minutes(1),
      ...props,
    });
    const rule = new events.Rule(this, 'Intents', {
      description: 'Intents for this place go to the dispatcher.',
      eventBus: events.EventBus.fromEventBusName(this, 'Itself', this.bus.ref),
      eventPattern: { source: [SOURCE], detailType: [DETAIL_TYPE], detail: { place: [stack.names.place(stack.region)] } },
    });
    rule.addTarget(new targets.LambdaFunction(this.dispatcher.function, { deadLetterQueue: props.deadLetters }));
  }

  /** Nobody else may put intents, whatever its role allows: an intent starts jobs. */
  #onlyTheStepper(stack: PorpoiseStack): void {
    const stepper = stack.names.roleArn('stepper', stack.homeRegion);
    const statement = { Action: 'events:PutEvents', Resource: this.bus.attrArn };
    new events.CfnEventBusPolicy(this, 'OnlyTheStepper', {
      eventBusName: this.bus.ref,
      statementId: 'OnlyTheStepper',
      statement: {
        Sid: 'OnlyTheStepper',
        Effect: 'Deny',
        Principal: '*',
        ...statement,
        Condition: { ArnNotEquals: { 'aws:PrincipalArn': stepper } },
      },
    });
    new events.CfnEventBusPolicy(this, 'TheStepper', {
      eventBusName: this.bus.ref,
      statementId: 'TheStepper',
      statement: {
        Sid: 'TheStepper',
        Effect: 'Allow',
        // the account with a condition, because a role that does not exist yet is refused as a principal
        Principal: { AWS: `arn:${stack.partition}:iam::${stack.account}:root` },
        ...statement,
        Condition: { ArnEquals: { 'aws:PrincipalArn': stepper } },
      },
    });
  }
}
