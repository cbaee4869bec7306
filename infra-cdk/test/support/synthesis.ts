/** Templates as a deployment would get them, with zips that hold nothing of ours. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { type Stacks, stacks } from '../../lib/app.ts';
import { FUNCTIONS } from '../../lib/names.ts';
import { settings } from '../../lib/settings.ts';
import { bootstrapZip } from './zip.ts';

const folder = mkdtempSync(join(tmpdir(), 'porpoise-synthesis-'));
/** Where they are. */
export const zips = folder;
process.on('exit', () => rmSync(folder, { recursive: true }));
for (const name of FUNCTIONS) {
  mkdirSync(join(folder, name));
  writeFileSync(join(folder, name, 'bootstrap.zip'), bootstrapZip(Buffer.from(name)));
}

export interface Template {
  readonly Resources: Record<string, Resource>;
  readonly Outputs?: Record<string, unknown>;
  readonly Parameters?: Record<string, unknown>;
}

export interface Resource {
  readonly Type: string;
  readonly Properties?: Record<string, any>;
  readonly DeletionPolicy?: string;
  readonly Condition?: string;
}

export interface Synthesis {
  readonly stacks: Stacks;
  readonly templates: Readonly<Record<string, Template>>;
}

/** The stacks that settings give, at home in Frankfurt. */
export function unsynthesised(given: object = {}): Stacks {
  return stacks(settings({ homeRegion: 'eu-central-1', functions: folder, ...given }), mkdtempSync(join(folder, 'out-')));
}

/** The same, with their templates, by the ids of the stacks in the app. */
export function synthesis(given: object = {}): Synthesis {
  const made = unsynthesised(given);
  const templates = made.app.synth().stacks.map(({ id, template }) => [id, template] as const);
  return { stacks: made, templates: Object.fromEntries(templates) };
}

/** The resources of a type, by their logical ids. */
export function ofType(template: Template | undefined, type: string): Resource[] {
  return Object.values(template?.Resources ?? {}).filter((resource) => resource.Type === type);
}

/** A value of a template on one line: what it refers to is named in angle brackets. */
export function plain(value: unknown): string {
  if (Array.isArray(value)) return value.map(plain).join(', ');
  if (typeof value !== 'object' || value === null) return String(value);
  const [call, argument] = Object.entries(value)[0] ?? [];
  if (call === 'Ref') return `<${String(argument).replace('AWS::', '')}>`;
  if (call === 'Fn::GetAtt') return `<${[argument].flat().join('.')}>`;
  if (call === 'Fn::Join' && Array.isArray(argument)) return (argument[1] as unknown[]).map(plain).join(argument[0]);
  return JSON.stringify(value);
}
