/**
 * Linux: who vouches for a program is the package it was installed from, as `deb:NAME` or `rpm:NAME`: the package manager's own record, which
 * root alone can write, names the file as one of that package's, and the file has the very digest that stands there.
 *
 * It is as good as that record: whoever is root may have any package. Scripts are vouched for as executables are.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ByVersion } from './by-version.ts';
import { digest } from './executable-hash.ts';
import { runCommand, type RunCommand } from './run-command.ts';

/** Where the records are, and by what they are asked. */
export interface PackageSignersDeps {
  readonly run?: RunCommand;
  /** Default `/`. */
  readonly root?: string;
  /** Whose the records must be. Default root. */
  readonly ownerUid?: number;
}

/** A file that a package has, as its record tells of it. */
interface Recorded {
  readonly signer: string;
  readonly algorithm: string;
  readonly digest: string;
}

const commandTimeoutMs = 5_000;
const dpkgDirectory = 'var/lib/dpkg';
const rpmDirectories = ['var/lib/rpm', 'usr/lib/sysimage/rpm'];
/** The databases of its backends (sqlite with its log, ndb, Berkeley DB): one that is written to leaves its directory as old as it was. */
const rpmDatabases = ['rpmdb.sqlite', 'rpmdb.sqlite-wal', 'Packages.db', 'Packages'];
/** What is another one once a package manager has written something down. */
const records = [
  join(dpkgDirectory, 'status'),
  ...rpmDirectories.flatMap((directory) => rpmDatabases.map((file) => join(directory, file))),
];
/** RPMTAG_FILEDIGESTALGO by the numbers of RFC 4880 section 9.4; packages without the tag have MD5. */
const rpmAlgorithms: Readonly<Record<string, string>> = { '2': 'sha1', '8': 'sha256', '9': 'sha384', '10': 'sha512' };

/** Asked by the way to a file and the name it goes by; null where no package vouches for what is there now. */
export function packageSigners(deps: PackageSignersDeps = {}): ByVersion<string | null> {
  const { run = runCommand, root = '/', ownerUid = 0 } = deps;
  const isSafe = (path: string): boolean => onlyOwnerWrites(join(root, path), ownerUid);
  const recorded = async (name: string): Promise<readonly Recorded[]> => [
    ...(isSafe(dpkgDirectory) ? await byDpkg(name, { run, root, isSafe }) : []),
    ...(await byRpm(name, { run, root, databases: rpmDirectories.filter(isSafe) })),
  ];
  return new ByVersion<string | null>(
    async (path, name) => {
      for (const { signer, algorithm, digest: wanted } of await recorded(name)) {
        if ((await digest(path, algorithm)) === wanted) return signer;
      }
      return null;
    },
    () => records.map((path) => modified(join(root, path))).join(' '),
  );
}

interface Asked {
  readonly run: RunCommand;
  readonly root: string;
}

/** dpkg-query(1) says whose a file is; the digests lie beside its lists. */
async function byDpkg(
  name: string,
  { run, root, isSafe }: Asked & { readonly isSafe: (path: string) => boolean },
): Promise<readonly Recorded[]> {
  const found: Recorded[] = [];
  for (const file of namesOf(name)) {
    const args = [`--admindir=${join(root, dpkgDirectory)}`, '--search', file];
    const { stdout } = await run('/usr/bin/dpkg-query', args, commandTimeoutMs);
    for (const line of stdout.split('\n')) {
      const owners = line.endsWith(`: ${file}`) ? line.slice(0, -`: ${file}`.length) : '';
      // `diversion by …` tells of a file that was put elsewhere.
      if (!/^[a-z0-9][a-z0-9+.:-]*(, [a-z0-9][a-z0-9+.:-]*)*$/.test(owners)) continue;
      for (const owner of owners.split(', ')) {
        const sums = join(dpkgDirectory, 'info', `${owner}.md5sums`);
        const wanted = isSafe(join(dpkgDirectory, 'info')) && isSafe(sums) ? sumOf(join(root, sums), file) : undefined;
        if (wanted === undefined) continue;
        found.push({ signer: `deb:${owner.split(':')[0] ?? owner}`, algorithm: 'md5', digest: wanted });
      }
    }
  }
  return found;
}

/** Lines of 32 hex digits, two spaces and a path without its first slash (deb-md5sums(5)). */
function sumOf(sums: string, file: string): string | undefined {
  const line = readFileSync(sums, 'utf8')
    .split('\n')
    .find((one) => one.slice(32) === `  ${file.slice(1)}`);
  return line?.slice(0, 32);
}

const rpmFormat = '[%{=NAME}\\t%{=FILEDIGESTALGO}\\t%{FILEDIGESTS}\\t%{FILENAMES}\\n]';

async function byRpm(
  name: string,
  { run, root, databases: [database] }: Asked & { readonly databases: readonly string[] },
): Promise<readonly Recorded[]> {
  if (database === undefined) return [];
  const found: Recorded[] = [];
  for (const file of namesOf(name)) {
    // Named, for a user's own macros may name another one.
    const where = ['--root', root, '--dbpath', `/${database}`];
    const args = [...where, '--query', '--queryformat', rpmFormat, '--file', file];
    const { ok, stdout } = await run('/usr/bin/rpm', args, commandTimeoutMs);
    for (const line of ok ? stdout.split('\n') : []) {
      const [owner = '', algorithm = '', wanted = '', path = ''] = line.split('\t');
      if (path !== file || !/^[0-9a-f]{32,}$/.test(wanted)) continue;
      found.push({ signer: `rpm:${owner}`, algorithm: rpmAlgorithms[algorithm] ?? 'md5', digest: wanted });
    }
  }
  return found;
}

/** Packages from before `/bin` became `/usr/bin` have a file under its older name. No patterns: a name is asked for as it is. */
function namesOf(name: string): readonly string[] {
  if (!name.startsWith('/') || /[*?[\\\n\t]/.test(name)) return [];
  const older = /^\/usr(\/(?:s?bin|lib(?:32|64|x32)?)\/.*)$/.exec(name)?.[1];
  return older === undefined ? [name] : [name, older];
}

/** Nobody but its owner can have written it, nor put another one in its place. */
function onlyOwnerWrites(path: string, uid: number): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found?.uid === uid && (found.mode & 0o022) === 0;
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
