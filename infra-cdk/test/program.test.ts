/** The program that `cdk` calls. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { zips } from './support/synthesis.ts';

const folder = mkdtempSync(join(tmpdir(), 'porpoise-program-'));
after(() => rmSync(folder, { recursive: true }));

test('it writes the stacks of the settings that the command line names', () => {
  const { status, stderr } = run({ homeRegion: 'eu-central-1', dataRegions: ['eu-central-1', 'us-east-1'], functions: zips });
  assert.equal(status, 0, stderr);
  const manifest = JSON.parse(readFileSync(join(folder, 'out/manifest.json'), 'utf8'));
  const stacks = Object.entries<{ type: string }>(manifest.artifacts).filter(([, { type }]) => type === 'aws:cloudformation:stack');
  assert.deepEqual(stacks.map(([id]) => id), ['PorpoiseHome', 'PorpoisePlace-eu-central-1', 'PorpoisePlace-us-east-1']);
});

test('it takes the zips of the folder that the environment names', () => {
  const { status, stderr } = run({ homeRegion: 'eu-central-1', functions: join(folder, 'nowhere') }, { PORPOISE_FUNCTIONS: zips });
  assert.equal(status, 0, stderr);
});

test('it says what is wrong with settings, and nothing else', () => {
  const { status, stderr } = run({ homeRegion: 'Frankfurt', colour: 'blue' });
  assert.equal(status, 1);
  assert.equal(stderr, 'the settings have faults:\n- `colour` is no setting\n');
});

function run(settings: object, more: Record<string, string> = {}): { status: number | null; stderr: string } {
  const file = join(folder, 'settings.json');
  writeFileSync(file, JSON.stringify(settings));
  const program = fileURLToPath(new URL('../bin/porpoise.ts', import.meta.url));
  const env = { ...process.env, ...more, CDK_OUTDIR: join(folder, 'out'), CDK_CONTEXT_JSON: JSON.stringify({ settings: file }) };
  return spawnSync(process.execPath, ['--import', 'tsx', program], { env, encoding: 'utf8' });
}
