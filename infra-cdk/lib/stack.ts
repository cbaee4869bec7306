/**
 * What home and place stacks have in common: where the code of functions comes from, and which values are parameters.
 */
import { BootstraplessSynthesizer, CfnParameter, DefaultStackSynthesizer, Stack, Tags } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';

import { type FunctionName, Names } from './names.ts';
import type { Settings } from './settings.ts';

export interface PorpoiseStackProps {
  readonly settings: Settings;
  readonly description: string;
  /** The region it is for. A template with parameters does not know it. */
  readonly region: string;
}

export abstract class PorpoiseStack extends Stack {
  readonly settings: Settings;
  readonly names: Names;
  /** The region of the control plane: a value, or a parameter. */
  readonly homeRegion: string;
  readonly #artefacts: { readonly bucket: string; readonly prefix: string } | undefined;

  constructor(scope: Construct, id: string, props: PorpoiseStackProps) {
    const { settings } = props;
    const parameters = settings.artefacts === 'parameters';
    super(scope, id, {
      description: props.description,
      terminationProtection: settings.protectData && !parameters,
      synthesizer: parameters
        ? new BootstraplessSynthesizer()
        : new DefaultStackSynthesizer({ generateBootstrapVersionRule: !settings.emulator }),
      ...(parameters ? {} : { env: { region: props.region, ...(settings.account && { account: settings.account }) } }),
    });
    this.settings = settings;
    this.names = new Names(settings);
    this.#artefacts = parameters ? this.#artefactParameters() : undefined;
    this.homeRegion = this.#homeRegion(props);
    Tags.of(this).add('porpoise', settings.name);
  }

  /** The code of a function: a zip that the CDK uploads, or one that lies in the bucket of the parameters. */
  code(name: FunctionName): lambda.Code {
    if (this.#artefacts === undefined) return lambda.Code.fromAsset(`${this.settings.functions}/${name}/bootstrap.zip`);
    const { bucket, prefix } = this.#artefacts;
    return new StoredCode({ s3Bucket: bucket, s3Key: `${prefix}${name}.zip` });
  }

  #artefactParameters(): { bucket: string; prefix: string } {
    const bucket = new CfnParameter(this, 'ArtefactBucket', {
      description: 'The bucket that holds the zips of the functions; it lies in the region of the stack.',
      allowedPattern: '^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$',
    });
    const prefix = new CfnParameter(this, 'ArtefactPrefix', {
      description: 'What the keys of the zips begin with: another one for each release, else nothing is updated.',
      default: '',
      allowedPattern: '^$|^[A-Za-z0-9/._-]+/$',
      constraintDescription: 'nothing, or something that ends with a slash',
    });
    return { bucket: bucket.valueAsString, prefix: prefix.valueAsString };
  }

  #homeRegion({ region, settings }: PorpoiseStackProps): string {
    if (settings.artefacts === 'cdk') return settings.homeRegion;
    if (region === settings.homeRegion) return this.region;
    const parameter = new CfnParameter(this, 'HomeRegion', { description: 'The region of the control plane.' });
    return parameter.valueAsString;
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
