/**
 * Writes the templates that the Terraform module installs: those of any deployment, with its values as parameters.
 * With `--check`, says whether those that are checked in are still these.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { stacks } from '../lib/app.ts';
import { defaults } from '../lib/settings.ts';

const folder = fileURLToPath(new URL('../../terraform/control-plane/templates', import.meta.url));
/** Which file a stack goes to. */
const FILES: Record<string, string> = { PorpoiseHome: 'home.json', PorpoisePlace: 'place.json' };

const check = process.argv.includes('--check');
const out = mkdtempSync(join(tmpdir(), 'porpoise-templates-'));
try {
  // the region is that of no deployment: a template with parameters has none
  const { app } = stacks({ ...defaults('eu-central-1'), artefacts: 'parameters' }, out);
  for (const { id, template } of app.synth().stacks) {
    const file = join(folder, FILES[id] ?? `${id}.json`);
    const text = `${JSON.stringify(template, null, 1)}\n`;
    if (!check) {
      mkdirSync(folder, { recursive: true });
      writeFileSync(file, text);
    } else if (readFileSync(file, 'utf8') !== text) {
      console.error(`${file} is not what the CDK app gives: \`cargo xtask generate\` writes it again`);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(out, { recursive: true });
}
