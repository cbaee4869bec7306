/** Texts that are checked in beside the tests. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../snapshots/', import.meta.url));

/** Compares with the file of that name, or writes it if UPDATE_SNAPSHOTS is set. */
export function matchesSnapshot(name: string, text: string): void {
  const file = folder + name;
  if (process.env['UPDATE_SNAPSHOTS'] !== undefined) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, text);
    return;
  }
  const wanted = existsSync(file) ? readFileSync(file, 'utf8') : '';
  assert.equal(text, wanted, `${name} has changed; if it should, \`UPDATE_SNAPSHOTS=1 npm test\` writes it again`);
}
