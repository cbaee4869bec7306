/** A table and a bucket: what home and each place keep. */
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';

import { accept } from './acceptance.ts';
import type { PorpoiseFunction } from './function.ts';
import type { PorpoiseStack } from './stack.ts';

export interface StorageProps {
  readonly tableName: string;
  /** Has the bucket tell the default bus of its region what is put into it. */
  readonly tellsOfObjects: boolean;
}

export class Storage extends Construct {
  readonly table: dynamodb.Table;
  readonly bucket: s3.Bucket;

  constructor(stack: PorpoiseStack, id: string, props: StorageProps) {
    super(stack, id);
    const { protectData, emulator } = stack.settings;
    const removalPolicy = protectData ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY;
    this.table = new dynamodb.Table(this, 'Table', {
      tableName: props.tableName,
      partitionKey: { name: 'p', type: dynamodb.AttributeType.STRING },
      sortKey: { name: 's', type: dynamodb.AttributeType.STRING },
      billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: protectData,
      removalPolicy,
    });
    this.bucket = new s3.Bucket(this, 'Blobs', {
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      encryption: s3.BucketEncryption.S3_MANAGED,
      enforceSSL: !emulator, // emulators speak plain HTTP
      eventBridgeEnabled: false,
      lifecycleRules: [{ id: 'unfinished', abortIncompleteMultipartUploadAfter: Duration.days(1) }],
      removalPolicy,
    });
    if (props.tellsOfObjects) {
      // by the resource itself: the CDK's own way is a function of its own that edits the bucket
      const bucket = this.bucket.node.defaultChild as s3.CfnBucket;
      bucket.notificationConfiguration = { eventBridgeConfiguration: { eventBridgeEnabled: true } };
    }
    accept(this.bucket, 'AwsSolutions-S1', 'Access logs of S3 cost more than the bucket; CloudTrail can be switched on.');
  }

  /** Items of the table, and blobs: found, put if absent, and never listed in full or deleted in bulk. */
  letReadAndWrite(user: PorpoiseFunction): void {
    const items = ['dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:PutItem', 'dynamodb:DeleteItem'];
    user.allow('UseTable', items, [this.table.tableArn]);
    const why = 'keys of blobs are hashes, and the bucket holds nothing else';
    user.allow('UseBlobs', ['s3:GetObject', 's3:PutObject'], [this.bucket.arnForObjects('*')], { why });
    // without it, a blob that is not there is answered as one that may not be read
    user.allow('MissBlobs', ['s3:ListBucket'], [this.bucket.bucketArn]);
  }
}
