/** The Debian package, built and lived with on a throw-away copy of this system. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { BootedSystem, systemdMissing } from './support/booted-system.ts';
import { ThrowAwaySystem, throwAwaySystemMissing } from './support/throw-away-system.ts';
import { mustSkip } from '../support/optional.ts';
import { addonMissing, toolsMissing } from '../support/tools.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'culvert-package-'));
/** What the program says of itself, and what an upgrade is called. */
const { version: own } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as { version: string };
const next = own.replace(/\d+$/, (patch) => String(Number(patch) + 1));

function unable(): string | undefined {
  return toolsMissing('dpkg-deb') ?? addonMissing() ?? throwAwaySystemMissing(directory);
}

function build(version: string): string {
  const args = ['resources/scripts/package-deb.mjs', '--out', directory, '--version', version, '--compression', 'none'];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: project, encoding: 'utf8' });
  if (status !== 0) throw new Error(`package-deb: ${stderr}`);
  return readdirSync(directory).find((name) => name.startsWith(`culvert_${version}_`)) ?? '';
}

interface Bill {
  readonly components: readonly {
    readonly name: string;
    readonly version?: string;
    readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  }[];
}

const reason = unable();
const startEngine = `
setpriv --reuid=culvert --regid=culvert --clear-groups /usr/bin/culvert run --mode host --config /etc/culvert/culvert.yaml --state /var/lib/culvert --json >/tmp/ready 2>/tmp/log & echo $! >/tmp/pid
for try in $(seq 600); do grep -q ready /tmp/ready && exit 0; kill -0 $(cat /tmp/pid) || break; sleep 0.05; done
cat /tmp/log; exit 1`;
const stopEngine = `kill $(cat /tmp/pid); for try in $(seq 200); do kill -0 $(cat /tmp/pid) 2>/dev/null || exit 0; sleep 0.05; done; exit 1`;

describe.skipIf(mustSkip(reason))('the Debian package', () => {
  let system: ThrowAwaySystem;
  let first: string;
  let second: string;

  beforeAll(() => {
    mkdirSync(directory, { recursive: true });
    first = build(own);
    second = build(next);
    system = new ThrowAwaySystem(directory);
  }, 120_000);
  afterAll(() => {
    system?.[Symbol.dispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  it('holds program, Node, unit and settings, and nothing of the builder', () => {
    const listed = spawnSync('dpkg-deb', ['-c', join(directory, first)], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    }).stdout;
    for (const path of [
      './usr/bin/culvert',
      './usr/lib/culvert/node/bin/node',
      './usr/lib/culvert/dist/culvert.mjs',
      './usr/lib/systemd/system/culvert.service',
      './etc/culvert/culvert.yaml',
      './usr/share/doc/culvert/copyright',
      './usr/share/doc/culvert/docs/reference/commands.md',
    ]) {
      expect(listed).toContain(` ${path}\n`);
    }
    expect(listed).not.toMatch(/node_modules\/(electron|vitest|typescript|esbuild)\//);
    expect(listed.split('\n').filter((line) => line !== '' && !line.includes(' root/root '))).toEqual([]);
  });

  it('carries the man page, made by the program that is in it', () => {
    const tree = join(directory, 'manual');
    spawnSync('dpkg-deb', ['-x', join(directory, first), tree]);
    const manual = gunzipSync(readFileSync(join(tree, 'usr/share/man/man1/culvert.1.gz'))).toString('utf8');
    expect(manual).toMatch(/^\.TH CULVERT 1 /);
    expect(manual).toContain('\n.B culvert mcp pins accept <service> [tools...]\n');
  });

  it('carries a bill of its materials: each package in it, what is bundled, the crates and the Node, each with its hash', () => {
    const tree = join(directory, 'tree');
    spawnSync('dpkg-deb', ['-x', join(directory, first), tree]);
    const bill = JSON.parse(readFileSync(join(tree, 'usr/share/doc/culvert/culvert.cdx.json'), 'utf8')) as Bill;
    expect(bill).toMatchObject({ bomFormat: 'CycloneDX', metadata: { component: { name: 'culvert' } } });
    const listed = new Map(bill.components.map((component) => [`${component.name}@${component.version}`, component]));
    const home = join(tree, 'usr/lib/culvert');
    const shipped = readdirSync(home, { recursive: true, encoding: 'utf8' })
      .filter((path) => /node_modules\/(?:@[^/]+\/)?[^/@]+\/package\.json$/.test(path))
      .map((path) => JSON.parse(readFileSync(join(home, path), 'utf8')) as { name: string; version: string });
    expect(shipped.length).toBeGreaterThan(50);
    const named = (name: string): boolean => bill.components.some((component) => component.name === name);
    expect(shipped.filter(({ name, version }) => !listed.has(`${name}@${version}`))).toEqual([]);
    for (const name of ['react', 'valibot', 'commander', 'rustls', 'napi', 'node'])
      expect(named(name), name).toBe(true);
    const withoutHash = bill.components.filter(({ hashes, name }) => hashes === undefined && name !== 'node-tun');
    expect(withoutHash.map(({ name }) => name)).toEqual([]);
    const node = createHash('sha256')
      .update(readFileSync(join(home, 'node/bin/node')))
      .digest('hex');
    expect(bill.components.find(({ name }) => name === 'node')?.hashes).toEqual([{ alg: 'SHA-256', content: node }]);
  });

  it(
    'installs, runs, keeps state over an upgrade and a removal, and goes with a purge',
    { timeout: 150_000 },
    async () => {
      await system.run('mkdir -p /var/lib/culvert/audit && chmod 755 /var/lib/culvert');
      expect(await system.run(`dpkg --force-depends -i /packages/${first}`)).toContain('/var/lib/culvert was root');
      expect(await system.run('getent passwd culvert')).toContain('/var/lib/culvert');
      expect(
        await system.run('stat -c "%U %a" /var/lib/culvert; stat -c "%U:%G %a" /etc/culvert/culvert.yaml'),
      ).toMatch(/culvert 700\nroot:culvert 640/);
      expect(await system.run('culvert --version')).toContain(own);

      // The package's own Node runs it, even where no other is on the path.
      await system.run(startEngine);
      const status = JSON.parse(await system.run('culvert status --json --state /var/lib/culvert')) as { mode: string };
      expect(status.mode).toBe('host');
      await system.run('echo "# a hand was here" >>/etc/culvert/culvert.yaml');
      await system.run(stopEngine);
      const before = JSON.parse(await system.run('culvert audit verify --json --state /var/lib/culvert')) as {
        count: number;
      };
      expect(before.count).toBeGreaterThanOrEqual(2);

      await system.run(`dpkg --force-depends --force-confold -i /packages/${second}`);
      expect(await system.run('dpkg-query -W culvert')).toContain(next);
      expect(await system.run('cat /etc/culvert/culvert.yaml')).toContain('a hand was here');
      await system.run(startEngine);
      const after = JSON.parse(await system.run('culvert audit verify --json --state /var/lib/culvert')) as {
        count: number;
      };
      expect(after.count).toBeGreaterThan(before.count);
      await system.run(stopEngine);

      await system.run('dpkg --remove culvert');
      expect(await system.run('ls /usr/lib/culvert 2>&1 || true')).toContain('No such file');
      expect(await system.run('ls /var/lib/culvert/audit')).toContain('audit-');
      await system.run('dpkg --purge culvert');
      expect(await system.run('ls -d /var/lib/culvert /etc/culvert 2>&1 || true')).not.toMatch(/^\//m);
    },
  );

  it.skipIf(mustSkip(systemdMissing()))(
    `runs under systemd in its sandbox, and an upgrade restarts it with all it kept`,
    { timeout: 100_000 },
    async () => {
      await using booted = await BootedSystem.boot(directory);
      const status = async (): Promise<{ pid: number; mode: string; version: string; audit: { count: number } }> => {
        await until(async () => (await booted.run('culvert status --state /var/lib/culvert')).includes('mode'), 20_000);
        return JSON.parse(await booted.run('culvert status --json --state /var/lib/culvert')) as never;
      };
      await booted.run('mkdir -p /etc/credstore; echo "correct horse" >/etc/credstore/culvert-passphrase');
      const installed = await booted.run(`ip link set lo up; dpkg --force-depends -i /packages/${first}`, 60_000);
      expect(installed).toContain('Setting up culvert');

      const before = await status();
      expect(before).toMatchObject({ mode: 'tun', version: own });
      expect(await booted.run('ip -brief address show culvert0')).toContain('100.64.0.1/16');
      // A user of its own, one power of root's, system calls filtered.
      const powers = await booted.run(`cat /proc/${before.pid}/status`);
      expect(powers).not.toMatch(/^Uid:\s+0\b/m);
      expect(powers).toMatch(/^CapEff:\s+0000000000001000$/m);
      expect(powers).toMatch(/^CapBnd:\s+0000000000001000$/m);
      expect(powers).toMatch(/^NoNewPrivs:\s+1$/m);
      expect(powers).toMatch(/^Seccomp:\s+2$/m);
      const exposure = /exposure level for culvert.service: ([\d.]+)/.exec(
        await booted.run('systemd-analyze security --no-pager culvert'),
      );
      expect(Number(exposure?.[1])).toBeLessThan(2.5);

      // Sealed with the passphrase that came as a credential.
      const kept = 'culvert secret set plant-llm --keystore file --state /var/lib/culvert';
      expect(await booted.run(`echo sk-test | ${kept}`)).toContain('plant-llm');

      const upgraded = await booted.run(`dpkg --force-depends --force-confold -i /packages/${second}`, 60_000);
      expect(upgraded).toContain(`Setting up culvert (${next})`);
      await until(async () => (await status()).pid !== before.pid, 20_000);
      const after = await status();
      expect(after).toMatchObject({ mode: 'tun' });
      expect(after.audit.count).toBeGreaterThan(before.audit.count);
      expect(await booted.run('culvert secret list --state /var/lib/culvert')).toContain('plant-llm');
      expect(await booted.run('culvert audit verify --state /var/lib/culvert')).toContain('intact');

      await booted.run('systemctl stop culvert');
      expect(await booted.run('systemctl show culvert -p Result')).toContain('success');
      expect(await booted.run('ip -brief link show')).not.toContain('culvert0');
    },
  );
});
