/**
 * Names and ARNs that one stack has to know of another. They are made, not looked up: the stacks of places and of home
 * refer to each other, across regions, and no stack can import from one that is made later.
 */
import { Aws } from 'aws-cdk-lib';

import type { Settings } from './settings.ts';

/** The functions, as the folders of their zips are called. */
export const FUNCTIONS = ['api', 'trigger', 'stepper', 'dispatcher', 'poller'] as const;
export type FunctionName = (typeof FUNCTIONS)[number];

export class Names {
  constructor(readonly settings: Pick<Settings, 'name'>) {}

  /** `porpoise-WHAT`. */
  of(what: string): string {
    return `${this.settings.name}-${what}`;
  }

  /** The table at home has the name of the deployment itself. */
  get table(): string {
    return this.settings.name;
  }

  get jobs(): string {
    return this.of('jobs');
  }

  get bus(): string {
    return this.settings.name;
  }

  /** The state machine that calls functions for tasks. */
  get caller(): string {
    return this.of('target-call');
  }

  get inputs(): string {
    return this.of('inputs.fifo');
  }

  /** Roles have no region of their own. */
  role(what: string, region: string): string {
    return `${this.of(what)}-${region}`;
  }

  /** A place as the product prints it. */
  place(region: string): string {
    return `${Aws.PARTITION}.${region}.${Aws.ACCOUNT_ID}`;
  }

  arn(service: string, region: string, resource: string): string {
    return `arn:${Aws.PARTITION}:${service}:${region}:${Aws.ACCOUNT_ID}:${resource}`;
  }

  busArn(region: string): string {
    return this.arn('events', region, `event-bus/${this.bus}`);
  }

  functionArn(name: FunctionName, region: string): string {
    return this.arn('lambda', region, `function:${this.of(name)}`);
  }

  inputsArn(homeRegion: string): string {
    return this.arn('sqs', homeRegion, this.inputs);
  }

  inputsUrl(homeRegion: string): string {
    return `https://sqs.${homeRegion}.${Aws.URL_SUFFIX}/${Aws.ACCOUNT_ID}/${this.inputs}`;
  }

  roleArn(what: string, region: string): string {
    return `arn:${Aws.PARTITION}:iam::${Aws.ACCOUNT_ID}:role/${this.role(what, region)}`;
  }
}
