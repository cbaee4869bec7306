/** Findings of cdk-nag that stand, each with its reason, beside what they are about. */
import { Stack, Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/** Accepts a finding about `construct` and what is in it. */
export function accept(construct: IConstruct, rule: string, reason: string): void {
  Validations.of(construct).acknowledge({ id: `AwsSolutions::${rule}`, reason });
}

/** Accepts that a role is granted something on `resource`, which has a wildcard; on no other. */
export function acceptWildcard(role: IConstruct, resource: string, reason: string): void {
  accept(role, `AwsSolutions-IAM5[Resource::${flat(Stack.of(role).resolve(resource))}]`, reason);
}

/** A value of a template in a line, as cdk-nag prints it. */
function flat(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const [call, argument] = Object.entries(value)[0] ?? [];
  if (call === 'Fn::Join' && Array.isArray(argument)) return (argument[1] as unknown[]).map(flat).join(argument[0]);
  if (call === 'Fn::GetAtt') return `<${[argument].flat().join('.')}>`;
  return `<${String(argument)}>`;
}
