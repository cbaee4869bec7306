/** A function of the product: its code, its log, and a role that may do nothing that is not said. */
import { type CfnCondition, Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { acceptWildcard } from './acceptance.ts';
import type { FunctionName } from './names.ts';
import type { PorpoiseStack } from './stack.ts';

export interface PorpoiseFunctionProps {
  readonly name: FunctionName;
  readonly description: string;
  readonly timeout: Duration;
  readonly environment: Record<string, string>;
  /** Where events go that an asynchronous call could not get handled. Without it, the function is called otherwise. */
  readonly deadLetters?: sqs.IQueue;
  readonly reservedConcurrency?: number;
  /**
   * What a call of it causes may call it again, and so on: a run goes from stepper to dispatcher and back once for each
   * task that follows another. Lambda would stop the seventeenth call of such a chain as a loop without end.
   */
  readonly loops?: boolean;
  /** It waits for answers more than it works: half of the memory, and so half of the price of waiting, is enough. */
  readonly halfMemory?: boolean;
}

/** The least that Lambda has. */
const MEMORY_MEGABYTES_MIN = 128;

/** What a statement has beside actions and resources. */
export interface Allowance {
  readonly conditions?: iam.Conditions;
  /** Why a resource has a wildcard. */
  readonly why?: string;
  /** Only if this holds when the stack is made. */
  readonly when?: CfnCondition | undefined;
}

export class PorpoiseFunction extends Construct {
  readonly function: lambda.Function;
  readonly role: iam.Role;

  constructor(readonly stack: PorpoiseStack, id: string, props: PorpoiseFunctionProps) {
    super(stack, id);
    const { settings, names } = stack;
    const functionName = names.of(props.name);
    const logGroup = new logs.LogGroup(this, 'Log', {
      logGroupName: `/aws/lambda/${functionName}`,
      retention: settings.logRetentionDays as logs.RetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.role = new iam.Role(this, 'Role', {
      roleName: names.role(props.name, stack.region),
      description: `What the function ${functionName} may do`,
      assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com'),
    });
    this.allow('WriteLog', ['logs:CreateLogStream', 'logs:PutLogEvents'], [
      names.arn('logs', stack.region, `log-group:/aws/lambda/${functionName}:*`),
    ], { why: 'each copy of the function has a log stream of its own' });
    this.function = new lambda.Function(this, 'Function', {
      functionName,
      description: props.description,
      code: stack.code(props.name),
      handler: 'bootstrap',
      runtime: lambda.Runtime.PROVIDED_AL2023,
      architecture: lambda.Architecture.custom(settings.architecture),
      memorySize: props.halfMemory === true
        ? Math.max(MEMORY_MEGABYTES_MIN, Math.floor(settings.memoryMegabytes / 2))
        : settings.memoryMegabytes,
      timeout: props.timeout,
      role: this.role,
      logGroup,
      // what Lambda says of each call by itself is more than what the function says, and nobody reads it
      loggingFormat: lambda.LoggingFormat.JSON,
      systemLogLevelV2: lambda.SystemLogLevel.WARN,
      environment: { ...props.environment, ...settings.environment },
      ...(props.loops === true && { recursiveLoop: lambda.RecursiveLoop.ALLOW }),
      ...(props.reservedConcurrency === undefined
        ? {}
        : { reservedConcurrentExecutions: props.reservedConcurrency }),
    });
    if (props.deadLetters !== undefined) this.#keepFailed(props.deadLetters);
  }

  /** Lets the function call `actions` on `resources`. A resource with a wildcard needs a reason. */
  allow(sid: string, actions: string[], resources: string[], more: Allowance = {}): void {
    const { why, conditions, when } = more;
    const wild = resources.filter((resource) => resource.includes('*'));
    const at = `statement ${sid} of ${this.node.id}`;
    if (wild.length > 0 !== (why !== undefined)) throw new Error(`${at}: a wildcard and no reason, or a reason and none`);
    if (actions.some((action) => action.includes('*'))) throw new Error(`${at}: actions are named one by one`);
    const statement = new iam.PolicyStatement({ sid, actions, resources, ...(conditions && { conditions }) });
    if (when === undefined) this.role.addToPolicy(statement);
    else {
      const policy = new iam.Policy(this, sid, { roles: [this.role], statements: [statement] });
      (policy.node.defaultChild as iam.CfnPolicy).cfnOptions.condition = when;
    }
    for (const resource of wild) acceptWildcard(this.role, resource, why ?? '');
  }

  /** Has a queue handled by the function, message by message. */
  consume(queue: sqs.IQueue, batchSize: number): void {
    // what a mapping needs, and not what the CDK would add to it
    const needed = ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'];
    this.allow('Consume', needed, [queue.queueArn]);
    const mapping = new lambda.EventSourceMapping(this, 'Messages', {
      target: this.function,
      eventSourceArn: queue.queueArn,
      batchSize,
      reportBatchItemFailures: true,
    });
    mapping.node.addDependency(this.role); // it is refused while the role may not receive
  }

  #keepFailed(queue: sqs.IQueue): void {
    this.allow('KeepFailed', ['sqs:SendMessage'], [queue.queueArn]);
    new lambda.CfnEventInvokeConfig(this, 'Asynchronous', {
      functionName: this.function.functionName,
      qualifier: '$LATEST',
      maximumRetryAttempts: 2,
      maximumEventAgeInSeconds: Duration.hours(6).toSeconds(),
      destinationConfig: { onFailure: { destination: queue.queueArn } },
    }).node.addDependency(this.role);
  }
}
