/** Who vouches for a program on Linux: the package that it was installed from. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, copyFileSync, existsSync, mkdirSync, realpathSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createLinuxAppFinder } from '../../main/apps/app-finder.linux.ts';
import { packageSigners } from '../../main/apps/package-signer.linux.ts';
import type { RunCommand } from '../../main/apps/run-command.ts';
import { systemClock } from '../../main/base/clock.ts';
import { silentLog } from '../../main/base/log.ts';
import { mustSkip } from '../support/optional.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { rootMissing, toolsMissing } from '../support/tools.ts';

const uid = process.getuid?.() ?? 0;
const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** A root with one program, and the records of package managers as they lie on a host. */
class Host {
  readonly root = temporaryDirectory('packages');
  /** What the tools answer, by the file they are asked of. */
  readonly answers = new Map<string, string>();
  asked = 0;
  onAsk = (): void => undefined;

  write(path: string, text: string): string {
    const file = join(this.root, path);
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    writeFileSync(file, text, { mode: 0o644 });
    return file;
  }

  signers(ownerUid = uid) {
    const run: RunCommand = (_file, args) => {
      this.asked += 1;
      this.onAsk();
      const stdout = this.answers.get(args.at(-1) ?? '') ?? '';
      return Promise.resolve({ ok: stdout !== '', stdout, stderr: '' });
    };
    return packageSigners({ run, root: this.root, ownerUid });
  }
}

describe.runIf(process.platform === 'linux')('the package that vouches for a program', () => {
  const debian = (): { host: Host; tool: string } => {
    const host = new Host();
    const tool = host.write('usr/bin/tool', 'one');
    host.write('var/lib/dpkg/status', '');
    host.write(
      'var/lib/dpkg/info/tool-kit:amd64.md5sums',
      `${md5('other')}  usr/bin/other\n${md5('one')}  usr/bin/tool\n`,
    );
    host.answers.set(
      '/usr/bin/tool',
      'diversion by dash from: /usr/bin/tool\ntool-kit:amd64, tool-kit:i386: /usr/bin/tool\n',
    );
    return { host, tool };
  };

  it('is asked for again where a package manager writes its record meanwhile, and given up where it does so each time', async () => {
    const { host, tool } = debian();
    const touched = (turns: number): ReturnType<Host['signers']> => {
      let left = turns;
      host.onAsk = () => {
        // A file system's own times are too coarse for what is written at once.
        if (left > 0) utimesSync(join(host.root, 'var/lib/dpkg/status'), left, left);
        left -= 1;
      };
      return host.signers();
    };
    expect(await touched(1).of(tool, '/usr/bin/tool')).toBe('deb:tool-kit');
    expect(await touched(100).of(tool, '/usr/bin/tool')).toBeUndefined();
  });

  it('is the Debian package whose record has its digest', async () => {
    const { host, tool } = debian();
    expect(await host.signers().of(tool, '/usr/bin/tool')).toBe('deb:tool-kit');
    expect(await host.signers().of(tool, '/usr/bin/other')).toBeNull();
  });

  it('is looked for under the name that the file had before /bin became /usr/bin', async () => {
    const { host, tool } = debian();
    host.write('var/lib/dpkg/info/tool-kit:amd64.md5sums', `${md5('one')}  bin/tool\n`);
    host.answers.clear();
    host.answers.set('/bin/tool', 'tool-kit:amd64: /bin/tool\n');
    expect(await host.signers().of(tool, '/usr/bin/tool')).toBe('deb:tool-kit');
  });

  it('is nobody once the file is another one, and is asked for again only then', async () => {
    const { host, tool } = debian();
    const signers = host.signers();
    expect(await signers.of(tool, '/usr/bin/tool')).toBe('deb:tool-kit');
    const { asked } = host;
    expect(await signers.of(tool, '/usr/bin/tool')).toBe('deb:tool-kit');
    expect(host.asked).toBe(asked);
    host.write('usr/bin/tool', 'changed');
    expect(await signers.of(tool, '/usr/bin/tool')).toBeNull();
    // A newer version of the package has these very bytes.
    const status = host.write('var/lib/dpkg/status', 'newer');
    utimesSync(status, 1, 1);
    host.write('var/lib/dpkg/info/tool-kit:amd64.md5sums', `${md5('changed')}  usr/bin/tool\n`);
    expect(await signers.of(tool, '/usr/bin/tool')).toBe('deb:tool-kit');
  });

  it('is nobody where others than root could have written the record', async () => {
    const { host, tool } = debian();
    expect(await host.signers(uid + 1).of(tool, '/usr/bin/tool')).toBeNull();
    chmodSync(join(host.root, 'var/lib/dpkg/info/tool-kit:amd64.md5sums'), 0o666);
    expect(await host.signers().of(tool, '/usr/bin/tool')).toBeNull();
  });

  it('is the RPM package whose header has its digest', async () => {
    const host = new Host();
    const tool = host.write('usr/bin/tool', 'one');
    host.write('usr/lib/sysimage/rpm/rpmdb.sqlite', '');
    const line = (algorithm: string, digest: string): string => `tool-kit\t${algorithm}\t${digest}\t/usr/bin/tool\n`;
    host.answers.set('/usr/bin/tool', `tool-kit\t8\t${sha256('no')}\t/usr/bin/other\n${line('8', sha256('one'))}`);
    expect(await host.signers().of(tool, '/usr/bin/tool')).toBe('rpm:tool-kit');
    host.answers.set('/usr/bin/tool', line('(none)', md5('one')));
    expect(await host.signers().of(tool, '/usr/bin/tool')).toBe('rpm:tool-kit');
    host.answers.set('/usr/bin/tool', line('8', sha256('two')));
    expect(await host.signers().of(tool, '/usr/bin/tool')).toBeNull();
  });

  it('is asked for no name that is a pattern', async () => {
    const { host, tool } = debian();
    host.answers.set('/usr/bin/*', 'tool-kit:amd64: /usr/bin/*\n');
    expect(await host.signers().of(tool, '/usr/bin/*')).toBeNull();
    expect(host.asked).toBe(0);
  });
});

const noPackages = (): string | undefined => {
  if (process.platform !== 'linux') return 'packages of a distribution are of Linux';
  return existsSync('/usr/bin/dpkg-query') && existsSync('/var/lib/dpkg/info/coreutils.md5sums')
    ? undefined
    : 'coreutils was not installed by dpkg';
};

describe.skipIf(mustSkip(noPackages()))('on a host that dpkg looks after', () => {
  const running: ChildProcess[] = [];
  afterEach(() => running.splice(0).forEach((child) => child.kill('SIGKILL')));

  it('a program has its package, and a copy of it elsewhere has none', async () => {
    using finder = createLinuxAppFinder({ log: silentLog, clock: systemClock });
    const sleep = realpathSync('/usr/bin/sleep');
    const copy = join(temporaryDirectory('copied'), 'sleep');
    copyFileSync(sleep, copy);
    chmodSync(copy, 0o755);
    const signerOf = async (program: string): Promise<string | undefined> => {
      const child = spawn(program, ['60'], { stdio: 'ignore' });
      running.push(child);
      await once(child, 'spawn');
      const app = { attribution: 'exact', pid: child.pid ?? 0, path: realpathSync(program), parents: [] } as const;
      return (await finder.identify(app, { signers: true })).signer;
    };
    expect(await signerOf(sleep)).toBe('deb:coreutils');
    expect(await signerOf(copy)).toBeUndefined();
  });
});

/** Queries in another root are made from within it. */
const noRpm = (): string | undefined => {
  if (process.platform !== 'linux') return 'packages of a distribution are of Linux';
  return rootMissing() ?? toolsMissing('rpm', 'rpmbuild');
};

describe.skipIf(mustSkip(noRpm()))('in a database that rpm keeps', () => {
  /** A package of one program, built here. */
  function built(version: string, text: string): string {
    const place = temporaryDirectory('rpm-built');
    const spec = join(place, 'tool.spec');
    const head = [
      'Name: tool-kit',
      `Version: ${version}`,
      'Release: 1',
      'Summary: A tool',
      'License: MIT',
      'BuildArch: noarch',
    ];
    const install = ['mkdir -p %{buildroot}/usr/bin', `printf %s '${text}' > %{buildroot}/usr/bin/tool`];
    writeFileSync(
      spec,
      [...head, '%description', 'A tool.', '%install', ...install, '%files', '/usr/bin/tool', ''].join('\n'),
    );
    execFileSync('rpmbuild', ['-bb', '--quiet', '--define', `_topdir ${place}`, spec], { stdio: 'pipe' });
    return join(place, 'RPMS', 'noarch', `tool-kit-${version}-1.noarch.rpm`);
  }

  it('a program has its package while it is the file that the package has, and a newer record counts at once', async () => {
    const root = temporaryDirectory('rpm-root');
    mkdirSync(join(root, 'var/lib/rpm'), { recursive: true, mode: 0o755 });
    const rpm = (...args: string[]): Buffer =>
      execFileSync('rpm', ['--root', root, '--dbpath', '/var/lib/rpm', '--nodeps', ...args], { stdio: 'pipe' });
    rpm('--install', built('1', 'one'));
    const tool = join(root, 'usr/bin/tool');
    const signers = packageSigners({ root });
    expect(await signers.of(tool, '/usr/bin/tool')).toBe('rpm:tool-kit');
    const copy = join(root, 'usr/bin/copy');
    copyFileSync(tool, copy);
    expect(await signers.of(copy, '/usr/bin/copy')).toBeNull();
    writeFileSync(tool, 'two');
    expect(await signers.of(tool, '/usr/bin/tool')).toBeNull();
    // The file stays; what is written down of it is another one.
    rpm('--upgrade', '--justdb', built('2', 'two'));
    expect(await signers.of(tool, '/usr/bin/tool')).toBe('rpm:tool-kit');
    rpm('--erase', '--justdb', 'tool-kit');
    expect(await signers.of(tool, '/usr/bin/tool')).toBeNull();
  }, 60_000);
});
