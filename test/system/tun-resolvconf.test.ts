/** Both real programs called resolvconf, in namespaces of their own: our record comes first, what is not ours goes on, and it is taken back. */
import { describe, expect, it } from 'vitest';
import { Namespace, TunHost, temporaryFolder } from './support/netns.ts';
import type { Ran } from './support/netns.ts';
import { startUpstream } from './support/probe.ts';
import { findResolvconf, resolvconfScript } from './support/resolvconf.ts';
import { mustSkip } from '../support/optional.ts';
import { unpackedMissing } from './support/unpacked.ts';

const programs = (['openresolv', 'resolvconf'] as const).map((packaged) => ({
  packaged,
  found: findResolvconf(packaged),
}));

describe.each(programs)('resolvconf of the package $packaged', ({ found, packaged }) => {
  it.skipIf(mustSkip(unpackedMissing(found, packaged)))(
    'sends the system’s questions to us, learns another resolver, and forgets us after a crash',
    async () => {
      using namespace = new Namespace();
      for (const address of ['10.7.0.9/32', '10.7.0.10/32']) namespace.ip('address', 'add', address, 'dev', 'lo');
      const asked = await startUpstream(namespace, '10.7.0.9');
      const askedLater = await startUpstream(namespace, '10.7.0.10');
      // A process that holds its namespaces, so that hosts come and go in them.
      const holder = namespace.spawn('unshare', [
        ...['-m', 'sh', resolvconfScript, found ?? '', '10.7.0.9'],
        ...['sh', '-c', 'echo ready; exec sleep 600'],
      ]);
      await new Promise((resolve, reject) => {
        holder.stdout?.once('data', resolve);
        holder.once('exit', () => reject(new Error('resolvconf did not start')));
      });
      const path = `PATH=${found ?? ''}/sbin:${process.env['PATH'] ?? ''}`;
      const within = ['nsenter', '--mount', `--target=${String(holder.pid)}`, 'env', path];
      const inside = (...command: readonly string[]): Promise<Ran> =>
        namespace.run(within[0] ?? '', [...within.slice(1), ...command]);
      const resolvers = async (): Promise<readonly string[]> =>
        (await inside('cat', '/etc/resolv.conf')).stdout.split('\n').filter((line) => line.startsWith('nameserver'));
      const address = async (name: string): Promise<string> => (await inside('getent', 'ahostsv4', name)).stdout;
      expect(await resolvers()).toEqual(['nameserver 10.7.0.9']);

      const settings = { journalDir: temporaryFolder(), services: [{ at: 'echo.dark', echo: true }] };
      const host = await TunHost.start(namespace, settings, within);
      expect(host.ready.dns).toMatchObject({ backend: 'resolvconf', state: 'active', splits: false });
      expect(host.ready.dns.upstreams).toEqual(['10.7.0.9']);
      expect((await resolvers())[0]).toBe(`nameserver ${host.ready.dns.server}`);
      expect(await address('echo.dark')).toMatch(/^100\.64\./);
      expect(await address('www.example.org')).toMatch(/^192\.0\.2\.77/);
      expect(asked).toContain('www.example.org');
      expect(asked).not.toContain('echo.dark');

      // The interface gets another resolver, as by a new lease: ours stays first, and what is not ours goes to the new one.
      await inside('sh', '-c', 'echo nameserver 10.7.0.10 | resolvconf -a eth0');
      await host.setServices([...settings.services, { at: 'other.dark', echo: true }]);
      expect((await resolvers())[0]).toBe(`nameserver ${host.ready.dns.server}`);
      expect(await address('later.example.org')).toMatch(/^192\.0\.2\.77/);
      expect(askedLater).toContain('later.example.org');
      expect(host.complaints()).toEqual([]);
      await host.kill('SIGTERM');
      await expect.poll(resolvers).toEqual(['nameserver 10.7.0.10']);

      const again = await TunHost.start(namespace, settings, within);
      await expect.poll(async () => (await resolvers())[0]).toBe(`nameserver ${again.ready.dns.server}`);
      await again.kill('SIGKILL');
      // The next start undoes what the killed one left, and leaves nothing itself.
      await (await TunHost.start(namespace, settings, within)).kill('SIGTERM');
      await expect.poll(resolvers).toEqual(['nameserver 10.7.0.10']);
    },
    60_000,
  );
});
