/** Intents for a place: the dispatcher that submits jobs, and the bus to it for places that are not at home. */
import { type CfnCondition, CfnResource, Duration } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { PorpoiseFunction } from './function.ts';
import type { PorpoiseStack } from './stack.ts';

/** What the bus adapter writes into its events. */
const SOURCE = 'porpoise';
const DETAIL_TYPE = 'Intents';

export interface DispatchProps {
  readonly environment: Record<string, string>;
  readonly deadLetters: sqs.IQueue;
  /** Whether the place is elsewhere than home, where its dispatcher is invoked and no bus is needed. */
  readonly far: CfnCondition | boolean;
}

export class Dispatch extends Construct {
  readonly dispatcher: PorpoiseFunction;
  /** Of a place that is not at home. */
  readonly bus: events.CfnEventBus | undefined;

  constructor(readonly stack: PorpoiseStack, readonly props: DispatchProps) {
    super(stack, 'Dispatch');
    const { environment, deadLetters, far } = props;
    this.dispatcher = new PorpoiseFunction(stack, 'Dispatcher', {
      name: 'dispatcher',
      description: 'Records intents and submits the jobs that they ask for.',
      timeout: Duration.minutes(1),
      loops: true,
      environment,
      deadLetters,
    });
    if (far === false) return;
    this.bus = new events.CfnEventBus(this, 'Bus', { name: stack.names.bus, description: 'Intents for this place' });
    if (!stack.settings.emulator) this.#onlyHome(this.bus); // it has no policies of buses
    this.#rule(this.bus);
    if (far === true) return;
    for (const made of this.node.findAll().filter(CfnResource.isCfnResource)) made.cfnOptions.condition = far;
  }

  #rule(bus: events.CfnEventBus): void {
    const { names, region } = this.stack;
    const { function: dispatcher } = this.dispatcher;
    const ruleName = names.of('intents');
    const { deadLetters } = this.props;
    const target = { arn: dispatcher.functionArn, deadLetterConfig: { arn: deadLetters.queueArn } };
    new events.Rule(this, 'Intents', {
      ruleName,
      description: 'Intents for this place go to the dispatcher.',
      eventBus: events.EventBus.fromEventBusName(this, 'Itself', bus.ref),
      eventPattern: { source: [SOURCE], detailType: [DETAIL_TYPE], detail: { place: [names.place(region)] } },
      targets: [{ bind: () => target }],
    });
    // by name and not by reference: the queue is there at home too, where the rule is not
    const ruleArn = names.arn('events', region, `rule/${names.bus}/${ruleName}`);
    new lambda.CfnPermission(this, 'Invoke', {
      action: 'lambda:InvokeFunction',
      functionName: dispatcher.functionArn,
      principal: 'events.amazonaws.com',
      sourceArn: ruleArn,
    });
    deadLetters.addToResourcePolicy(
      new iam.PolicyStatement({
        sid: 'KeepIntents',
        principals: [new iam.ServicePrincipal('events.amazonaws.com')],
        actions: ['sqs:SendMessage'],
        resources: [deadLetters.queueArn],
        conditions: { ArnEquals: { 'aws:SourceArn': ruleArn } },
      }),
    );
  }

  /** Nobody but those who step may put intents, whatever a role allows: an intent starts jobs. */
  #onlyHome(bus: events.CfnEventBus): void {
    const { stack } = this;
    const steppers = ['stepper', 'trigger'].map((name) => stack.names.roleArn(name, stack.homeRegion));
    const statement = { Action: 'events:PutEvents', Resource: bus.attrArn };
    new events.CfnEventBusPolicy(this, 'NobodyElse', {
      eventBusName: bus.ref,
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
      eventBusName: bus.ref,
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
