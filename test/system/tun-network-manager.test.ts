/** A real NetworkManager, in namespaces of its own: the tunnel goes into the resolv.conf it writes, what is not ours goes on, and it is left as it was. */
import { describe, expect, it } from 'vitest';
import { findNetworkManager, networkManagerScript } from './support/network-manager.ts';
import { Namespace, TunHost, temporaryFolder } from './support/netns.ts';
import type { Ran } from './support/netns.ts';
import { startUpstream } from './support/probe.ts';
import { mustSkip } from '../support/optional.ts';
import { unpackedMissing } from './support/unpacked.ts';

const found = findNetworkManager();

describe.skipIf(mustSkip(unpackedMissing(found, 'network-manager')))('NetworkManager', () => {
  it('sends the system’s questions to us, gets its own resolver back, and forgets us after a crash', async () => {
    using namespace = new Namespace();
    namespace.ip('address', 'add', '10.7.0.9/32', 'dev', 'lo');
    const asked = await startUpstream(namespace, '10.7.0.9');
    // A process that holds its namespaces, so that hosts come and go in them.
    const holder = namespace.spawn('unshare', [
      '-m',
      'sh',
      networkManagerScript,
      found ?? '',
      '10.7.0.9',
      'sh',
      '-c',
      'echo ready; exec sleep 600',
    ]);
    await new Promise((resolve, reject) => {
      holder.stdout?.once('data', resolve);
      holder.once('exit', () => reject(new Error('NetworkManager did not start')));
    });
    const mounts = ['nsenter', '--mount', `--target=${String(holder.pid)}`];
    const within = [...mounts, 'env', `PATH=/run/test/bin:${process.env['PATH'] ?? ''}`];
    const inside = (...command: readonly string[]): Promise<Ran> =>
      namespace.run(within[0] ?? '', [...within.slice(1), ...command]);
    const resolvConf = async (): Promise<string> => (await inside('cat', '/etc/resolv.conf')).stdout;
    const before = await resolvConf();
    expect(before).toMatch(/NetworkManager\nnameserver 10\.7\.0\.9\n/);

    const settings = { journalDir: temporaryFolder(), services: [{ at: 'echo.dark', echo: true }] };
    const host = await TunHost.start(namespace, settings, within);
    expect(host.ready.dns).toMatchObject({ backend: 'networkmanager', state: 'active', splits: false });
    expect(host.ready.dns.upstreams).toEqual(['10.7.0.9']);
    await expect.poll(resolvConf).not.toContain('10.7.0.9');
    expect((await inside('getent', 'ahostsv4', 'echo.dark')).stdout).toMatch(/^100\.64\./);
    expect((await inside('getent', 'ahostsv4', 'www.example.org')).stdout).toMatch(/^192\.0\.2\.77/);
    expect(asked).toContain('www.example.org');
    expect(asked).not.toContain('echo.dark');
    expect(host.complaints()).toEqual([]);
    await host.kill('SIGTERM');
    await expect.poll(resolvConf).toBe(before);

    const again = await TunHost.start(namespace, settings, within);
    await expect.poll(resolvConf).not.toBe(before);
    await again.kill('SIGKILL');
    // The next start undoes what the killed one left, and leaves nothing itself.
    await (await TunHost.start(namespace, settings, within)).kill('SIGTERM');
    await expect.poll(resolvConf).toBe(before);
    expect((await inside('ls', '/etc/NetworkManager/conf.d')).stdout).toBe('');
  }, 60_000);
});
