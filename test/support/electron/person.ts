/** An ordinary user of this machine with a home of their own, whoever runs the tests. */
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toolsMissing } from '../tools.ts';

/** Nobody's own number on every Linux. */
const nobody = 65534;
const isRoot = process.getuid?.() === 0;

export const personMissing = (): string | undefined => (isRoot ? toolsMissing('setpriv') : undefined);

export interface Person extends AsyncDisposable {
  readonly uid: number;
  readonly home: string;
  /** Addresses that were to be opened in their browser. They have none. */
  browsed(): Promise<readonly string[]>;
  /** Nothing of the variables of whoever runs the tests. */
  readonly env: Readonly<Record<string, string>>;
  /** A command as they would run it. */
  as(command: readonly string[]): readonly string[];
}

export async function openPerson(): Promise<Person> {
  const directory = await mkdtemp(join(tmpdir(), 'culvert-person-'));
  const home = join(directory, 'home');
  await mkdir(home, { mode: 0o700 });
  await chmod(directory, 0o755);
  const bin = join(directory, 'bin');
  const addresses = join(home, 'browsed');
  await mkdir(bin);
  await writeFile(join(bin, 'xdg-open'), `#!/bin/sh\necho "$1" >>${addresses}\n`, { mode: 0o755 });
  const uid = isRoot ? nobody : (process.getuid?.() ?? 0);
  if (isRoot) await chown(home, uid, uid);
  const prefix = isRoot ? ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'] : [];
  return {
    uid,
    home,
    browsed: async () => (await readFile(addresses, 'utf8').catch(() => '')).split('\n').filter(Boolean),
    env: { PATH: `${bin}:/usr/bin:/bin`, HOME: home, XDG_RUNTIME_DIR: home, LANG: 'C.UTF-8' },
    as: (command) => [...prefix, ...command],
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}
