/**
 * `cdk synth`, `cdk deploy`: settings from the file that `-c settings=FILE` or `PORPOISE_SETTINGS` names; where the zips
 * of the functions are, `PORPOISE_FUNCTIONS` may say instead.
 */
import { Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';

import { stacks } from '../lib/app.ts';
import { SettingsError, settingsFrom } from '../lib/settings.ts';

// what the command line hands on; an App that only reads it would write an assembly of its own in the end
const context = JSON.parse(process.env['CDK_CONTEXT_JSON'] ?? '{}');
const file = context.settings ?? process.env['PORPOISE_SETTINGS'] ?? 'porpoise.json';
try {
  const functions = process.env['PORPOISE_FUNCTIONS'] || undefined;
  const settings = { ...settingsFrom(file), ...(functions !== undefined && { functions }) };
  const { app } = stacks(settings);
  if (!settings.emulator) Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  app.synth();
} catch (error) {
  if (!(error instanceof SettingsError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
