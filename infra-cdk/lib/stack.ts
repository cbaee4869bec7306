/**
 * What home and place stacks have in common: where the code of functions comes from, and which values are parameters.
 */
import { BootstraplessSynthesizer, DefaultStackSynthesizer, Stack, Tags } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';

import { type FunctionName, Names } from './names.ts';
import { type Artefact, artefacts, homeRegion, parameterised } from './parameters.ts';
import type { Settings } from './settings.ts';

export interface PorpoiseStackProps {
  readonly settings: Settings;
  readonly description: string;
  /** The region it is for. A template with parameters does not know it. */
  readonly region: string;
  /** What its name has after that of the deployment; in a region, two deployments have stacks of their own. */
  readonly part: 'home' | 'place';
}

export abstract class PorpoiseStack extends Stack {
  readonly settings: Settings;
  readonly names: Names;
  /** The region of the control plane: a value, or a parameter. */
  readonly homeRegion: string;
  readonly #artefacts: Artefact | undefined;

  constructor(scope: Construct, id: string, props: PorpoiseStackProps) {
    const { settings } = props;
    const parameters = settings.artefacts === 'parameters';
    super(scope, id, {
      description: props.description,
      terminationProtection: settings.protectData && !parameters,
      synthesizer: parameters
        ? new BootstraplessSynthesizer()
        : new DefaultStackSynthesizer({ generateBootstrapVersionRule: !settings.emulator }),
      ...(parameters ? {} : { stackName: `${settings.name}-${props.part}`, env: { region: props.region, ...(settings.account && { account: settings.account }) } }),
    });
    this.settings = parameters ? parameterised(this, settings) : settings;
    this.names = new Names(this.settings);
    this.#artefacts = parameters ? artefacts(this) : undefined;
    this.homeRegion = this.#homeRegion(props);
    Tags.of(this).add('porpoise', this.settings.name);
  }

  /** The code of a function: a zip that the CDK uploads, or one that lies in the bucket of the parameters. */
  code(name: FunctionName): lambda.Code {
    if (this.#artefacts === undefined) return lambda.Code.fromAsset(`${this.settings.functions}/${name}/bootstrap.zip`);
    const { bucket, prefix } = this.#artefacts;
    return new StoredCode({ s3Bucket: bucket, s3Key: `${prefix}${name}.zip` });
  }

  #homeRegion({ region, settings }: PorpoiseStackProps): string {
    if (settings.artefacts === 'cdk') return settings.homeRegion;
    return region === settings.homeRegion ? this.region : homeRegion(this);
  }
}

/** A zip in a bucket that only a parameter names, so that there is nothing to check. */
class StoredCode extends lambda.Code {
  constructor(readonly location: { readonly s3Bucket: string; readonly s3Key: string }) {
    super();
  }

  readonly isInline = false;

  override bind(): lambda.CodeConfig {
    const { s3Bucket: bucketName, s3Key: objectKey } = this.location;
    return { s3Location: { bucketName, objectKey } };
  }
}
