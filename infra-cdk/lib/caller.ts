/**
 * What calls functions for tasks of the kind `function`: a state machine that invokes one and does nothing else, because
 * Lambda keeps no books of asynchronous calls (docs/targets.md). Which functions it may call, the settings say.
 */
import * as iam from 'aws-cdk-lib/aws-iam';
import * as stepfunctions from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';

import { accept, acceptWildcard } from './acceptance.ts';
import type { PorpoiseStack } from './stack.ts';

const REGISTERED = 'functions are named by tasks while Porpoise runs, and known to the template by their names only';

/** The definition in Amazon States Language. Without a retry: with one, a function is called again for the same attempt. */
export function definition(): Record<string, unknown> {
  return {
    Comment: 'Calls the function that its input names, once, and answers what it answered.',
    StartAt: 'Call',
    States: {
      Call: {
        Type: 'Task',
        Resource: 'arn:${Partition}:states:::lambda:invoke',
        Parameters: { 'FunctionName.$': '$.function', 'Payload.$': '$.input' },
        OutputPath: '$.Payload',
        End: true,
      },
    },
  };
}

export class Caller extends Construct {
  readonly arn: string;

  constructor(stack: PorpoiseStack, functions: readonly string[]) {
    super(stack, 'Caller');
    const { names, region } = stack;
    const stateMachineName = names.caller;
    const role = new iam.Role(this, 'Role', {
      roleName: names.role('call', region),
      description: 'Which functions tasks may call',
      assumedBy: new iam.ServicePrincipal('states.amazonaws.com'),
    });
    // a name alone, or with the version or alias that a task names
    const patterns = functions.flatMap((name) => (name.endsWith('*') ? [name] : [name, `${name}:*`]));
    const resources = patterns.map((pattern) => names.arn('lambda', region, `function:${pattern}`));
    role.addToPolicy(new iam.PolicyStatement({ sid: 'Call', actions: ['lambda:InvokeFunction'], resources }));
    for (const resource of resources.filter((one) => one.includes('*'))) acceptWildcard(role, resource, REGISTERED);
    const machine = new stepfunctions.CfnStateMachine(this, 'Machine', {
      stateMachineName,
      stateMachineType: 'STANDARD',
      roleArn: role.roleArn,
      definitionString: JSON.stringify(definition()),
      definitionSubstitutions: { Partition: stack.partition },
    });
    machine.node.addDependency(role);
    // it takes the partition, which stands in place of a name until the stack is made, for a fault of the ARN
    machine.addMetadata('cfn-lint', { config: { ignore_checks: ['E3601'] } });
    accept(machine, 'AwsSolutions-SF1', 'Its history is kept for 90 days as it is, and the function has a log of its own.');
    accept(machine, 'AwsSolutions-SF2', 'There is one state; the function can be traced by itself.');
    this.arn = names.arn('states', region, `stateMachine:${stateMachineName}`);
  }
}
