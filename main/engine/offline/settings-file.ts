/** `culvert.yaml` looked at and changed from the command line: checked as the engine checks it, comments and order kept. */
import { isMap, parseDocument } from 'yaml';
import type { ConfigCheckView } from '../../api/machine-views.ts';
import { isTunnelerError, TunnelerError } from '../../base/errors.ts';
import { readIfThere } from '../../files/read-if-there.ts';
import { writeAtomically } from '../../files/write-atomically.ts';
import { parseConfig, readConfig, type EngineConfig } from '../runtime/config.ts';
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
  const before = await readIfThere(file).catch((error: Error) => {
    throw new TunnelerError('engine.config_invalid', `${file}: ${error.message}`, { cause: error });
  });
  const document = parseDocument(before ?? '');
  const keys = path.split('.');
  if (keys.some((key) => key === '' || key === '__proto__')) {
    throw new TunnelerError('base.invalid', `"${path}": expected the name of a setting, such as proxy.listen`);
  }
  const parsed = value === undefined ? undefined : parseDocument(value);
  if (parsed !== undefined && parsed.errors.length > 0) {
    throw new TunnelerError('base.invalid', `"${value ?? ''}" is no YAML value`);
  }
  try {
    if (parsed === undefined) document.deleteIn(keys);
    else {
      if (!isMap(document.contents)) document.contents = null;
      document.setIn(keys, parsed.toJS());
    }
  } catch (error) {
    throw new TunnelerError('base.invalid', `${path}: ${(error as Error).message}`, { cause: error });
  }
  const after = String(document);
  parseConfig(after, file);
  await writeAtomically(file, after, { mode: 'kept' });
}
