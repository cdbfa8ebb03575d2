/** A real systemd-resolved, in namespaces of its own, told about our names: it asks us about those alone. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Namespace, TunHost, temporaryFolder, whyNoNamespaces } from './support/netns.ts';
import type { Ran } from './support/netns.ts';
import { startUpstream } from './support/probe.ts';

const cache = new URL('../../.cache/systemd-resolved', import.meta.url).pathname;
const script = new URL('support/resolved.sh', import.meta.url).pathname;

/** Where systemd-resolved's files are: installed, or unpacked from its Debian package, which is not installed (that would take /etc over). */
function resolvedPackage(): string | undefined {
  if (existsSync('/lib/systemd/systemd-resolved') && existsSync('/usr/bin/resolvectl')) return '';
  if (!existsSync(join(cache, 'usr/bin/resolvectl'))) {
    mkdirSync(cache, { recursive: true });
    spawnSync('apt-get', ['download', 'systemd-resolved'], { cwd: cache, timeout: 60_000 });
    const file = readdirSync(cache).find((name) => name.endsWith('.deb'));
    if (file !== undefined) spawnSync('dpkg-deb', ['-x', join(cache, file), cache]);
  }
  return existsSync(join(cache, 'usr/bin/resolvectl')) ? cache : undefined;
}

const found = whyNoNamespaces() === undefined && existsSync('/usr/bin/dbus-daemon') ? resolvedPackage() : undefined;

describe.skipIf(found === undefined)('systemd-resolved', () => {
  it('asks us about our names alone, at once about new ones, and is left as it was', async () => {
    using namespace = new Namespace();
    namespace.ip('address', 'add', '10.7.0.9/32', 'dev', 'lo');
    const asked = await startUpstream(namespace, '10.7.0.9');
    const within = ['unshare', '-m', 'sh', script, found ?? '', '10.7.0.9'];
    const services = [
      { at: 'echo.dark', echo: true },
      { at: '*.wild.dark', echo: true },
    ];
    const host = await TunHost.start(namespace, { journalDir: temporaryFolder(), services }, within);
    expect(host.ready.dns).toMatchObject({ backend: 'systemd-resolved', state: 'active', splits: true });
    expect(host.ready.dns.upstreams).toEqual(['10.7.0.9']);
    const inside = (...command: readonly string[]): Promise<Ran> =>
      namespace.run('nsenter', ['--mount', `--target=${host.process.pid}`, ...command]);
    const resolved = async (name: string): Promise<string> => (await inside('getent', 'ahostsv4', name)).stdout;

    const capture = namespace.spawn('tcpdump', ['-l', '-n', '-i', 'culvert0', 'udp', 'dst', 'port', '53']);
    const captured: string[] = [];
    capture.stdout?.setEncoding('utf8').on('data', (text: string) => captured.push(text));
    await new Promise((resolve) => capture.stderr?.once('data', resolve));

    expect(await resolved('echo.dark')).toMatch(/^100\.64\./);
    expect(await resolved('a.b.wild.dark')).toMatch(/^100\.64\./);
    expect(await resolved('www.example.org')).toMatch(/^192\.0\.2\.77/);
    await host.setServices([{ at: 'other.dark', echo: true }]);
    expect(await resolved('other.dark')).toMatch(/^100\.64\./);
    expect(await resolved('echo.dark')).toMatch(/^192\.0\.2\.77/);
    await delay(300);
    expect(new Set(asked)).toEqual(new Set(['www.example.org', 'echo.dark']));
    expect(captured.join('')).toMatch(/A\? echo\.dark/);
    expect(captured.join('')).not.toMatch(/example\.org/);
    expect(host.complaints()).toEqual([]);
    await host.kill('SIGTERM');
    // The link went, and with it what resolved knew of it; the file was never touched.
    expect(namespace.network()).not.toMatch(/culvert/);
  }, 90_000);
});
