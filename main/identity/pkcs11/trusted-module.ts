/**
 * Which PKCS#11 modules may be loaded: a module is code that runs with the engine's rights. Those that only root can have put where they are,
 * those the settings name, and those the system's loader finds by name.
 */
import { realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { TunnelerError } from '../../base/errors.ts';

/** Throws `identity.keystore_unavailable` for a module that somebody else than root, or nobody in the settings, vouches for. */
export function requireTrustedModule(modulePath: string, named: readonly string[] = []): void {
  // Without a separator the loader looks in the system's own directories (dlopen(3)).
  if (!/[/\\]/.test(modulePath)) return;
  if (named.includes(modulePath) || process.platform === 'win32') return;
  const distrusted = isAbsolute(modulePath) ? whoMayChange(modulePath) : 'its path is relative';
  if (distrusted === undefined) return;
  throw new TunnelerError('identity.keystore_unavailable', `the module ${modulePath} is not loaded: ${distrusted}`, {
    details: {
      module: modulePath,
      next: 'put it where only root can write, or name it under pkcs11.modules in culvert.yaml',
    },
  });
}

/** Who but root could exchange the file, or any directory on the way to it. A path that leads nowhere is left to the loader to report. */
function whoMayChange(modulePath: string): string | undefined {
  let at: string;
  try {
    at = realpathSync(modulePath);
  } catch {
    // It is not there: loading it fails with its own words.
    return undefined;
  }
  for (;;) {
    const { uid, mode } = statSync(at);
    if (uid !== 0) return `${at} belongs to uid ${uid}`;
    if ((mode & 0o022) !== 0) return `${at} can be written by others than root`;
    const above = dirname(at);
    if (above === at) return undefined;
    at = above;
  }
}
