/**
 * Which PKCS#11 modules may be loaded: a module is code that runs with the engine's rights. Those that only root can have put where they are,
 * those the settings name, and those the system's loader finds by name.
 */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute, win32 } from 'node:path';
import { TunnelerError } from '../../base/errors.ts';
import { strangerAtProgram, windowsRights, type RightsReader } from '../../files/directory-rights.ts';

/** The system that modules are judged on. */
export interface ModuleHost {
  readonly platform: NodeJS.Platform;
  /** Windows: who may change what; absent where nobody can be asked. */
  readonly rights?: RightsReader | undefined;
}

/** Throws `identity.keystore_unavailable` for a module that somebody else than root, or nobody in the settings, vouches for. */
export function requireTrustedModule(
  modulePath: string,
  named: readonly string[] = [],
  { platform, rights }: ModuleHost = { platform: process.platform, rights: windowsRights() },
): void {
  // Without a separator the loader looks in the system's own directories (dlopen(3)).
  if (!/[/\\]/.test(modulePath)) return;
  if (named.includes(modulePath)) return;
  const whoMay = platform === 'win32' ? windowsStranger(rights) : whoMayChange;
  const absolute = platform === 'win32' ? win32.isAbsolute(modulePath) : isAbsolute(modulePath);
  const distrusted = absolute ? whoMay(modulePath) : 'its path is relative';
  if (distrusted === undefined) return;
  throw new TunnelerError('identity.keystore_unavailable', `the module ${modulePath} is not loaded: ${distrusted}`, {
    details: {
      module: modulePath,
      next: 'put it where only root can write, or name it under pkcs11.modules in culvert.yaml',
    },
  });
}

/** Windows: whoever may change the file or the directory it lies in. Where nobody can be asked, nobody vouches for it. */
function windowsStranger(rights: RightsReader | undefined): (path: string) => string | undefined {
  return (path) => {
    if (rights === undefined) return 'whose it is cannot be asked, for the native addon is missing';
    // It is not there: loading it fails with its own words.
    if (process.platform === 'win32' && !existsSync(path)) return undefined;
    const stranger = strangerAtProgram(path, rights);
    return stranger === undefined ? undefined : `${stranger.at} can be changed by ${stranger.sid}`;
  };
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
