/** Where the OpenZiti binary comes from: `$ZITI_BIN`, or built once from the Go module beside this file into `.cache/`. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Child } from './child.ts';
import { toolsMissing } from './tools.ts';

const moduleDir = join(dirname(fileURLToPath(import.meta.url)), 'openziti');
const cacheDir = join(moduleDir, '..', '..', '..', '.cache', 'openziti');

/** The release that go.mod names. */
export const openZitiRelease = /github\.com\/openziti\/ziti (v[\d.]+)/.exec(
  readFileSync(join(moduleDir, 'go.mod'), 'utf8'),
)![1]!;

/** Why the real network cannot run here, or undefined where it can. Looks only; builds nothing. */
export function openZitiMissing(): string | undefined {
  const given = process.env['ZITI_BIN'];
  if (given !== undefined && given !== '') {
    return existsSync(given) ? undefined : `$ZITI_BIN names ${given}, which does not exist`;
  }
  if (existsSync(builtPath())) return undefined;
  return toolsMissing('go');
}

/** Path of the binary, building it where needed: minutes the first time, seconds from Go's cache. */
export async function openZitiBinary(): Promise<string> {
  const missing = openZitiMissing();
  if (missing !== undefined) throw new Error(missing);
  const given = process.env['ZITI_BIN'];
  if (given !== undefined && given !== '') return given;
  const built = builtPath();
  await mkdir(cacheDir, { recursive: true });
  // Several test processes may come here at once: one builds, the others wait for it.
  while (!existsSync(built)) {
    const lock = `${built}.lock`;
    if (takeLock(lock)) {
      try {
        if (!existsSync(built)) await build(built);
      } finally {
        rmSync(lock, { recursive: true, force: true });
      }
    } else {
      await delay(500);
    }
  }
  return built;
}

async function build(target: string): Promise<void> {
  const version = `-X github.com/openziti/ziti/common/version.Version=${openZitiRelease}`;
  await using child = new Child('go', ['build', '-ldflags', version, '-o', `${target}.part`, zitiPackage], {
    logFile: `${target}.log`,
    cwd: moduleDir,
    env: { GONOSUMDB: 'github.com/openziti/*', GOFLAGS: '-buildvcs=false' },
  });
  const code = await child.exited;
  if (code !== 0) throw new Error(`go build of OpenZiti ${openZitiRelease} failed (${code}):\n${child.output()}`);
  renameSync(`${target}.part`, target);
}

const zitiPackage = 'github.com/openziti/ziti/ziti';

function builtPath(): string {
  const sum = createHash('sha256')
    .update(readFileSync(join(moduleDir, 'go.sum')))
    .digest('hex')
    .slice(0, 12);
  return join(cacheDir, `ziti-${openZitiRelease}-${sum}`);
}

/** A lock left by a killed process is taken over once it is older than a build can last. */
function takeLock(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    if (age > 15 * 60_000) rmSync(path, { recursive: true, force: true });
    return false;
  }
}
