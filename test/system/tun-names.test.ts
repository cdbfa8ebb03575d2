/** Names, routes and recovery of a real TUN in a network namespace. */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { repairHost } from '../../main/net/repair.ts';
import { silentLog } from '../../main/base/log.ts';
import { Namespace, TunHost, temporaryFolder, whyNoNamespaces } from './support/netns.ts';
import { probe, serverPorts, startServers, startUpstream } from './support/probe.ts';
import type { StandInService } from './support/tun-host.ts';
import { mustSkip } from '../support/optional.ts';

const echo = { host: '127.0.0.1', port: serverPorts.echo };
const services: readonly StandInService[] = [
  { at: 'echo.dark', to: echo },
  { at: '*.wild.dark', to: echo },
];

describe.skipIf(mustSkip(whyNoNamespaces()))('names and host changes of a TUN', () => {
  const dig = async (namespace: Namespace, ...args: readonly string[]): Promise<string> => {
    const result = await namespace.run('dig', ['+tries=1', '+time=3', ...args]);
    return result.stdout;
  };

  it('answers A, AAAA, PTR and what else there is, and nothing for what there is not', async () => {
    using namespace = new Namespace();
    await using host = await TunHost.start(namespace, { journalDir: temporaryFolder(), services });
    const [v4 = '', v6 = ''] = host.ready.dns.names.find((row) => row.name === 'echo.dark')?.addresses ?? [];
    expect(await dig(namespace, '+short', 'echo.dark')).toBe(`${v4}\n`);
    expect(await dig(namespace, '+short', 'ECHO.dark', 'AAAA')).toBe(`${v6}\n`);
    expect(await dig(namespace, '+short', '+tcp', 'echo.dark')).toBe(`${v4}\n`);
    expect(await dig(namespace, '+short', '-x', v4)).toBe('echo.dark.\n');
    expect(await dig(namespace, '+short', '-x', v6)).toBe('echo.dark.\n');
    const mx = await dig(namespace, 'echo.dark', 'MX');
    expect(mx).toMatch(/status: NOERROR/);
    expect(mx).toMatch(/ANSWER: 0/);
    const wild = await dig(namespace, 'any.thing.wild.dark');
    expect(wild).toMatch(/any\.thing\.wild\.dark\.\s+60\s+IN\s+A\s+100\.64\./);
    expect(await dig(namespace, '+short', 'any.thing.wild.dark')).toBe(
      await dig(namespace, '+short', 'any.thing.wild.dark'),
    );
    expect(await dig(namespace, '+short', '_sip._tcp.wild.dark', 'SRV')).toBe('7 0 99 remote.wild.dark.\n');
    expect(host.complaints()).toEqual([]);
  });

  it('sends other names on to the resolver the system had, and that one never hears of ours', async () => {
    using namespace = new Namespace();
    const asked = await startUpstream(namespace, '127.0.0.9');
    await using host = await TunHost.start(namespace, { journalDir: temporaryFolder(), services });
    expect(await dig(namespace, '+short', 'www.example.org')).toBe('192.0.2.77\n');
    await dig(namespace, '+short', 'echo.dark');
    expect(asked).toEqual(['www.example.org']);
    expect((await host.status()).status.dns.queries).toMatchObject({ forwarded: 1 });
  });

  it('forgets a name at once when it is no longer intercepted', async () => {
    using namespace = new Namespace();
    await startUpstream(namespace, '127.0.0.9');
    await using host = await TunHost.start(namespace, { journalDir: temporaryFolder(), services });
    const [address] = host.ready.dns.names.find((row) => row.name === 'echo.dark')?.addresses ?? [];
    await host.setServices([]);
    expect(await dig(namespace, '+short', 'echo.dark')).toBe('192.0.2.77\n');
    expect(await probe(namespace, 'connect', address ?? '', 80)).toMatchObject({ ok: false, error: 'ECONNREFUSED' });
    await host.setServices(services);
    expect(await dig(namespace, '+short', 'echo.dark')).toBe(`${address}\n`);
  });

  it('leaves the host as it was on SIGTERM', async () => {
    using namespace = new Namespace();
    const before = [namespace.network(), namespace.resolvConf()];
    const host = await TunHost.start(namespace, {
      journalDir: temporaryFolder(),
      services: [...services, { at: '10.9.0.0/16', to: echo }],
    });
    expect(namespace.network()).toMatch(/10\.9\.0\.0\/16/);
    expect(namespace.resolvConf()).toMatch(/nameserver 100\.64\.0\.2/);
    await host.kill('SIGTERM');
    expect([namespace.network(), namespace.resolvConf()]).toEqual(before);
  });

  it.each(['the next start', 'repair'])('puts the host back by %s after kill -9', async (way) => {
    using namespace = new Namespace();
    const journalDir = temporaryFolder();
    const before = [namespace.network(), namespace.resolvConf()];
    const host = await TunHost.start(namespace, { journalDir, services });
    await host.kill('SIGKILL');
    expect(namespace.resolvConf()).toMatch(/nameserver 100\.64\.0\.2/);
    if (way === 'repair') {
      // The file the namespace sees as /etc/resolv.conf, by its name outside.
      const journal = `${journalDir}/host-changes.jsonl`;
      writeFileSync(journal, readFileSync(journal, 'utf8').replaceAll('/etc/resolv.conf', namespace.resolvConfPath));
      const report = await repairHost({ journalDir, log: silentLog });
      expect(report.failed).toEqual([]);
      expect(report.undone).toContain(`file ${namespace.resolvConfPath}`);
      expect(await repairHost({ journalDir, log: silentLog })).toEqual({ undone: [], failed: [] });
    } else {
      const again = await TunHost.start(namespace, { journalDir, services });
      await again.kill('SIGTERM');
    }
    expect([namespace.network(), namespace.resolvConf()]).toEqual(before);
  });

  it('takes its place again when another program writes resolv.conf, and gives back what that one wrote', async () => {
    using namespace = new Namespace();
    const host = await TunHost.start(namespace, { journalDir: temporaryFolder(), services });
    const lease = 'nameserver 127.0.0.10\n';
    writeFileSync(namespace.resolvConfPath, lease);
    for (let waited = 0; waited < 6_000 && !namespace.resolvConf().includes('100.64.0.2'); waited += 200) {
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(namespace.resolvConf()).toMatch(/nameserver 100\.64\.0\.2\nnameserver 127\.0\.0\.10/);
    expect((await host.status()).status.dns.upstreams).toEqual(['127.0.0.10']);
    await host.kill('SIGTERM');
    expect(namespace.resolvConf()).toBe(lease);
  });

  it('goes around another VPN that has the shared address space, and a second engine beside it', async () => {
    using namespace = new Namespace();
    namespace.ip('link', 'add', 'vpn0', 'type', 'veth', 'peer', 'name', 'vpn1');
    namespace.ip('address', 'add', '100.64.0.9/16', 'dev', 'vpn0');
    namespace.ip('link', 'set', 'vpn0', 'up');
    namespace.ip('link', 'set', 'vpn1', 'up');
    await startServers(namespace);
    await using first = await TunHost.start(namespace, { journalDir: temporaryFolder(), services });
    expect(first.ready.range).toBe('100.96.0.0/16');
    await using second = await TunHost.start(namespace, {
      journalDir: temporaryFolder(),
      services: [{ at: 'other.dark', to: echo }],
      config: { range: '100.64.0.0/16' },
    });
    expect(second.ready.range).not.toBe(first.ready.range);
    expect(second.ready.warnings[0]).toMatchObject({ code: 'net.route.collision' });
    expect(second.ready.warnings[0]?.sentence).toMatch(
      /^100\.64\.0\.0\/16 collides with the route 100\.64\.0\.0\/16 on vpn0/,
    );
    // Each answers for its own names, and sends the other's on to it.
    expect(await probe(namespace, 'echo', 'echo.dark', 80, 'one')).toMatchObject({ ok: true, text: 'one' });
    expect(await probe(namespace, 'echo', 'other.dark', 80, 'two')).toMatchObject({ ok: true, text: 'two' });
  });

  it('keeps a controller on its own way when a prefix would swallow it', async () => {
    using namespace = new Namespace();
    namespace.ip('link', 'add', 'lan0', 'type', 'veth', 'peer', 'name', 'lan1');
    namespace.ip('address', 'add', '192.168.7.2/24', 'dev', 'lan0');
    namespace.ip('link', 'set', 'lan0', 'up');
    namespace.ip('link', 'set', 'lan1', 'up');
    namespace.ip('route', 'add', 'default', 'via', '192.168.7.1');
    const before = namespace.network();
    const host = await TunHost.start(namespace, { journalDir: temporaryFolder(), services });
    const { status } = await host.setPrefixes(['0.0.0.0/0', '192.168.7.0/24'], ['203.0.113.5']);
    expect(namespace.ip('route', 'get', '203.0.113.5')).toMatch(/via 192\.168\.7\.1 dev lan0/);
    expect(namespace.ip('route', 'get', '8.8.8.8')).toMatch(/dev culvert0/);
    // The LAN's own route has that prefix already; everything else is ours.
    expect(status.warnings.map((warning) => warning.sentence)).toEqual([
      'the prefix 192.168.7.0/24 has a route of its own on this host, which goes before ours',
    ]);
    await host.kill('SIGTERM');
    expect(namespace.network()).toBe(before);
  });

  it.each([
    [
      'nftables',
      `nft 'table inet filter {
        chain input {
          type filter hook input priority 0; policy drop; ct state established,related accept; iif lo accept;
        }
      }'`,
    ],
    [
      'iptables',
      `for tool in iptables ip6tables; do
        $tool -P INPUT DROP; $tool -A INPUT -i lo -j ACCEPT; $tool -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
      done`,
    ],
  ])('gets past a firewall of %s that drops what it does not know, and leaves it as it was', async (_tool, script) => {
    using namespace = new Namespace();
    const made = await namespace.run('sh', ['-c', script]);
    expect(made).toMatchObject({ code: 0 });
    const ruleset = async (): Promise<string> =>
      (await namespace.run('nft', ['list', 'ruleset'])).stdout.replace(/packets \d+ bytes \d+/g, '');
    const before = await ruleset();
    expect(before).toMatch(/policy drop/);
    await startServers(namespace);
    const host = await TunHost.start(namespace, { journalDir: temporaryFolder(), services });
    expect(host.ready.warnings).toEqual([]);
    expect(await probe(namespace, 'echo', 'echo.dark', 80, 'past it')).toMatchObject({ ok: true, text: 'past it' });
    expect(await ruleset()).toContain('culvert0');
    await host.kill('SIGTERM');
    expect(await ruleset()).toBe(before);
  });

  it('says so when its interface is taken away', async () => {
    using namespace = new Namespace();
    const host = await TunHost.start(namespace, { journalDir: temporaryFolder(), services });
    namespace.ip('link', 'delete', 'culvert0');
    for (let waited = 0; waited < 5_000; waited += 50) {
      const { failure } = await host.status();
      if (failure !== undefined) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect((await host.status()).failure).toMatchObject({ code: 'net.tun.failed' });
    await host.kill('SIGTERM');
    expect(namespace.resolvConf()).not.toMatch(/100\.64/);
  });
});
