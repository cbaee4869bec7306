import assert from 'node:assert/strict';
import { test } from 'node:test';

import { defaults, settings, SettingsError } from '../lib/settings.ts';

test('a region is all that has to be chosen', () => {
  assert.deepEqual(settings({ homeRegion: 'eu-central-1' }), defaults('eu-central-1'));
});

test('names of targets follow the name of the deployment', () => {
  const { targets } = settings({ homeRegion: 'eu-central-1', name: 'night' });
  assert.deepEqual(targets.jobRoles, ['night-job-*']);
});

test('what is given lies over the defaults, object by object', () => {
  const given = { homeRegion: 'eu-central-1', api: { functionUrl: true }, targets: { accounts: ['111122223333'] } };
  const { api, targets } = settings(given);
  assert.equal(api.functionUrl, true);
  assert.equal(api.requestsBurst, 200);
  assert.deepEqual(targets.accounts, ['111122223333']);
  assert.deepEqual(targets.jobRoles, ['porpoise-job-*']);
});

test('logs are in buckets, which may have a prefix, and not at addresses', () => {
  const base = { homeRegion: 'eu-central-1' };
  const good = ['logs', 'team-*', 'etl.logs/spark/daily'];
  assert.deepEqual(settings({ ...base, targets: { logs: good } }).targets.logs, good);
  for (const at of ['s3://logs', '/logs', 'logs/', 'Logs', '', 'my logs']) {
    assert.throws(() => settings({ ...base, targets: { logs: [at] } }), /`targets.logs`: .* is no bucket/, at);
  }
});

test('concurrency is reserved for those that are named, and for nobody if nobody is', () => {
  const reserved = (reservedConcurrency: object) => settings({ homeRegion: 'eu-central-1', reservedConcurrency }).reservedConcurrency;
  assert.deepEqual(reserved({}), {});
  assert.deepEqual(reserved({ stepper: 10 }), { stepper: 10 });
});

test('every fault is told at once, with its path', () => {
  const shape = faults({ dataRegions: ['eu-central-1', 3], memoryMegabytes: '256', api: { jwt: true, cors: [] }, alerts: {} });
  assert.deepEqual(shape, [
    '`homeRegion` is missing: the region of the control plane, such as `eu-central-1`',
    '`dataRegions` holds something that is no text',
    '`memoryMegabytes` is text, not a number',
    '`api.jwt` is true or false, not an object',
    '`api.cors` is no setting',
    '`alerts` is no setting',
  ]);
  const values = faults({
    homeRegion: 'Frankfurt',
    name: 'Night!',
    account: '12',
    dataRegions: ['us-east-1', 'us-east-1'],
    architecture: 'riscv',
    logRetentionDays: 31,
    memoryMegabytes: 64,
    reservedConcurrency: { stepper: 1 },
    api: { jwt: { issuer: 'http://a', audience: [] } },
    targets: { accounts: ['home'] },
    alarms: { extra: ['everything'] },
  });
  assert.deepEqual(values.map((fault) => fault.split('`')[1]), [
    'name',
    'account',
    'Frankfurt',
    'dataRegions',
    'architecture',
    'logRetentionDays',
    'memoryMegabytes',
    'reservedConcurrency.stepper',
    'api.jwt.issuer',
    'api.jwt.audience',
    'targets.accounts',
    'alarms.extra',
  ]);
});

function faults(given: unknown): readonly string[] {
  try {
    settings(given);
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
  return [];
}
