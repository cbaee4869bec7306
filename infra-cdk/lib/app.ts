/** The app: the stacks that settings ask for. */
import { App } from 'aws-cdk-lib';

import { Home } from './home.ts';
import { Place } from './place.ts';
import type { Settings } from './settings.ts';

export interface Stacks {
  readonly app: App;
  readonly home: Home;
  readonly places: readonly Place[];
}

/** Every stack of a deployment; one home and one place, for any region, if their values are parameters. */
export function stacks(settings: Settings, outdir?: string): Stacks {
  const app = new App({ analyticsReporting: false, postCliContext: FLAGS, ...(outdir !== undefined && { outdir }) });
  const home = new Home(app, settings);
  const regions = settings.artefacts === 'parameters' ? [undefined] : settings.dataRegions;
  const places = regions.map((region) => new Place(app, settings, region));
  return { app, home, places };
}

/** Behaviours of the CDK that new apps have, and that change the template. */
const FLAGS = {
  '@aws-cdk/aws-iam:minimizePolicies': true,
  '@aws-cdk/core:target-partitions': ['aws', 'aws-cn', 'aws-us-gov'],
  '@aws-cdk/core:checkSecretUsage': true,
  '@aws-cdk/aws-iam:standardizedServicePrincipals': true,
  '@aws-cdk/aws-events:eventsTargetQueueSameAccount': true,
  '@aws-cdk/aws-lambda:createNewPoliciesWithAddToRolePolicy': false,
};
