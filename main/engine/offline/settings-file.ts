/** `culvert.yaml` looked at and changed from the command line: checked as the engine checks it, comments and order kept. */
import { isMap, parseDocument, type Document } from 'yaml';
import type { ConfigCheckView, SettingChange, SettingsChangeView } from '../../api/machine-views.ts';
import { isTunnelerError, TunnelerError } from '../../base/errors.ts';
import { readIfThere } from '../../files/read-if-there.ts';
import { writeAtomically } from '../../files/write-atomically.ts';
import { invalidSettings, parseConfig, readConfig, type EngineConfig } from '../runtime/config.ts';
import { lastSettingsFile } from '../runtime/lineage-record.ts';

/** The file given, else the one its engine last ran with, else the state directory's. */
export async function settingsFile(stateDirectory: string, given: string | undefined): Promise<string> {
  return given ?? (await lastSettingsFile(stateDirectory));
}

/** Throws `engine.config_invalid`. */
export async function showSettings(file: string): Promise<{ readonly file: string; readonly config: EngineConfig }> {
  return { file, config: await readConfig(file, false) };
}

/** What is wrong with it, every issue at once. */
export async function checkSettings(file: string, required: boolean): Promise<ConfigCheckView> {
  try {
    await readConfig(file, required);
    return { ok: true, file, issues: [] };
  } catch (error) {
    if (!isTunnelerError(error, 'engine.config_invalid')) throw error;
    const issues = error.details['issues'] as ConfigCheckView['issues'] | undefined;
    return { ok: false, file, issues: issues ?? [{ path: '', message: error.message }] };
  }
}

/**
 * Set `a.b.c` to a YAML value (undefined removes it). Written only where the whole is still valid. Throws `engine.config_invalid`.
 */
export async function setSetting(file: string, path: string, value: string | undefined): Promise<void> {
  const { document } = await readDocument(file);
  const keys = path.split('.');
  if (keys.some((key) => key === '' || key === '__proto__')) {
    throw new TunnelerError('base.invalid', `"${path}": expected the name of a setting, such as proxy.listen`);
  }
  const parsed = value === undefined ? undefined : parseDocument(value);
  if (parsed !== undefined && parsed.errors.length > 0) {
    throw new TunnelerError('base.invalid', `"${value ?? ''}" is no YAML value`);
  }
  edit(document, { path: keys, ...(parsed === undefined ? {} : { value: parsed.toJS() as unknown }) });
  const after = String(document);
  parseConfig(after, file);
  await writeAtomically(file, after, { mode: 'kept' });
}

/**
 * What changes make of a settings file; written only with `apply`, and only where the whole is valid then. `record` is told first, and nothing
 * is written where it throws. One call at a time for a file. Throws `base.invalid` for a place where nothing can stand, `engine.config_invalid`
 * for a file that is no YAML.
 */
export async function changeSettings(
  file: string,
  changes: readonly SettingChange[],
  apply: boolean,
  record: () => void,
): Promise<SettingsChangeView> {
  const { before, document } = await readDocument(file);
  for (const change of changes) edit(document, change);
  const after = document.toString({ lineWidth: 0 });
  const issues = issuesOf(after, file);
  const applied = apply && issues.length === 0;
  if (applied) {
    record();
    await writeAtomically(file, after, { mode: 'kept' });
  }
  // Which program is which agent is read again with the rules; nothing else is before the next start.
  return { file, before, after, issues, applied, restart: changes.some(({ path }) => path[0] !== 'agents') };
}

/** A file that is not there is an empty one. Throws `engine.config_invalid`. */
async function readDocument(file: string): Promise<{ readonly before: string; readonly document: Document }> {
  const before = await readIfThere(file).catch((error: Error) => {
    throw invalidSettings(file, [{ path: '', message: error.message }], error);
  });
  const document = parseDocument(before ?? '');
  // One with errors cannot be written again, and what is wrong with it is for its author to say.
  const issues = document.errors.map(({ message }) => ({ path: '', message: message.split('\n')[0] ?? 'not YAML' }));
  if (issues.length > 0) throw invalidSettings(file, issues, document.errors[0]);
  return { before: before ?? '', document };
}

function issuesOf(text: string, file: string): SettingsChangeView['issues'] {
  try {
    parseConfig(text, file);
    return [];
  } catch (error) {
    if (!isTunnelerError(error, 'engine.config_invalid')) throw error;
    return (
      (error.details['issues'] as SettingsChangeView['issues'] | undefined) ?? [{ path: '', message: error.message }]
    );
  }
}

function edit(document: Document, { path, value }: SettingChange): void {
  try {
    if (value === undefined) document.deleteIn(path);
    else {
      if (!isMap(document.contents)) document.contents = null;
      document.setIn(path, document.createNode(value));
    }
  } catch (error) {
    throw new TunnelerError('base.invalid', `${path.join('.')}: ${(error as Error).message}`, { cause: error });
  }
}
