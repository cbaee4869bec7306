#!/usr/bin/env node
// Stands in for each function where the wiring is tested: it keeps what it was given as an object of its bucket, and
// answers as the real one would. A poller goes on until the tick that its input names.
'use strict';

const runtime = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime`;
const bucket = `${process.env.AWS_ENDPOINT_URL}/${process.env.PORPOISE_BUCKET}`;
const name = process.env.AWS_LAMBDA_FUNCTION_NAME.split('-').at(-1);

async function main() {
  for (;;) {
    const next = await fetch(`${runtime}/invocation/next`);
    const id = next.headers.get('lambda-runtime-aws-request-id');
    const event = await next.json();
    const seen = JSON.stringify({ event, environment: process.env });
    await fetch(`${bucket}/seen/${name}/${id}`, { method: 'PUT', body: seen });
    const { error, answer } = decide(event);
    const to = error === undefined ? 'response' : 'error';
    const body = JSON.stringify(error === undefined ? answer : { errorType: error, errorMessage: 'on purpose', stackTrace: [] });
    const headers = error === undefined ? {} : { 'Lambda-Runtime-Function-Error-Type': error };
    await fetch(`${runtime}/invocation/${id}/${to}`, { method: 'POST', body, headers });
  }
}

function decide(event) {
  if (event.Records !== undefined) return { answer: { batchItemFailures: [] } };
  if (event.rawPath === '/v1/version') return { answer: { statusCode: 200, body: JSON.stringify(version()) } };
  if (event.requestContext !== undefined) return { answer: { statusCode: 200, body: JSON.stringify({ path: event.rawPath }) } };
  if (event.epoch === undefined) return { answer: {} };
  if (event.fail) return { error: event.fail };
  const { place, epoch, tick, last } = event;
  if (tick === last || epoch === 0) return { error: 'LoopEnded' };
  return { answer: { wait: 0, place, epoch, tick: tick + 1, last } };
}

function version() {
  return { name: 'porpoise', version: process.env.STAND_IN_VERSION ?? '', api: 'v1' };
}

process.on('SIGTERM', () => process.exit(0));
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
