/** The HTTP API: one route, one function; callers are known by IAM, or by tokens of an issuer. */
import { Duration } from 'aws-cdk-lib';
import * as gateway from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer, HttpJwtAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';

import { accept } from './acceptance.ts';
import { PorpoiseFunction } from './function.ts';
import type { PorpoiseStack } from './stack.ts';

/** As long as API Gateway waits, and a second less, so that it is the function that answers. */
const TIMEOUT = Duration.seconds(29);

export class Api extends Construct {
  readonly function: PorpoiseFunction;
  readonly url: string;
  /** For callers with IAM, if the settings ask for one. */
  readonly functionUrl: string | undefined;

  constructor(stack: PorpoiseStack, environment: Record<string, string>, reservedConcurrency: number | undefined) {
    super(stack, 'Http');
    const { api } = stack.settings;
    this.function = new PorpoiseFunction(stack, 'Api', {
      name: 'api',
      description: 'Answers the HTTP API: validates, authorises, reads, and turns commands into inputs.',
      timeout: TIMEOUT,
      environment,
      reservedConcurrency,
    });
    const http = new gateway.HttpApi(this, 'Api', {
      apiName: stack.names.of('api'),
      description: 'The API of Porpoise',
      createDefaultStage: false,
      defaultIntegration: new HttpLambdaIntegration('Function', this.function.function),
      defaultAuthorizer: this.#authorizer(stack),
    });
    const stage = new gateway.HttpStage(this, 'Stage', {
      httpApi: http,
      stageName: '$default',
      autoDeploy: true,
      throttle: { rateLimit: api.requestsPerSecond, burstLimit: api.requestsBurst },
    });
    accept(stage, 'AwsSolutions-APIG1', 'The function logs each command with its actor; a second log would cost as much again.');
    this.url = http.apiEndpoint;
    this.functionUrl = api.functionUrl ? this.#functionUrl() : undefined;
  }

  #authorizer({ settings: { api } }: PorpoiseStack): gateway.IHttpRouteAuthorizer {
    if (api.jwt === undefined) return new HttpIamAuthorizer();
    return new HttpJwtAuthorizer('Tokens', api.jwt.issuer, { jwtAudience: [...api.jwt.audience] });
  }

  #functionUrl(): string {
    const url = this.function.function.addFunctionUrl({ authType: lambda.FunctionUrlAuthType.AWS_IAM });
    return url.url;
  }
}
