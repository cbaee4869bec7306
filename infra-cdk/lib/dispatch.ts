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
    if (!stack.settings.emulator) this.#onlyHome(stack); // it has no policies of buses
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

  /** Nobody but those who step may put intents, whatever a role allows: an intent starts jobs. */
  #onlyHome(stack: PorpoiseStack): void {
    const steppers = ['stepper', 'trigger'].map((name) => stack.names.roleArn(name, stack.homeRegion));
    const statement = { Action: 'events:PutEvents', Resource: this.bus.attrArn };
    new events.CfnEventBusPolicy(this, 'NobodyElse', {
      eventBusName: this.bus.ref,
      statementId: 'NobodyElse',
      statement: {
        Sid: 'NobodyElse',
        Effect: 'Deny',
        Principal: '*',
        ...statement,
        Condition: { ArnNotEquals: { 'aws:PrincipalArn': steppers } },
      },
    });
    new events.CfnEventBusPolicy(this, 'Home', {
      eventBusName: this.bus.ref,
      statementId: 'Home',
      statement: {
        Sid: 'Home',
        Effect: 'Allow',
        // the account with a condition, because a role that does not exist yet is refused as a principal
        Principal: { AWS: `arn:${stack.partition}:iam::${stack.account}:root` },
        ...statement,
        Condition: { ArnEquals: { 'aws:PrincipalArn': steppers } },
      },
    });
  }
}
