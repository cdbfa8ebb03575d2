/** A real systemd-resolved, in namespaces of its own, told about our names: it asks us about those alone. */
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Namespace, TunHost, temporaryFolder } from './support/netns.ts';
import type { Ran } from './support/netns.ts';
import { startUpstream } from './support/probe.ts';
import { findResolved, resolvedScript } from './support/resolved.ts';
import { mustSkip } from '../support/optional.ts';
import { unpackedMissing } from './support/unpacked.ts';

const found = findResolved();

describe.skipIf(mustSkip(unpackedMissing(found, 'systemd-resolved')))('systemd-resolved', () => {
  it('asks us about our names alone, at once about new ones, and is left as it was', async () => {
    using namespace = new Namespace();
    namespace.ip('address', 'add', '10.7.0.9/32', 'dev', 'lo');
    const asked = await startUpstream(namespace, '10.7.0.9');
    const within = ['unshare', '-m', 'sh', resolvedScript, found ?? '', '10.7.0.9'];
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
