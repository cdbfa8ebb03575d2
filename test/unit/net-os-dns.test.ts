/** Who resolves names on a host, and how each is told of ours, on every platform's own tools (recorded). */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../main/base/log.ts';
import { detectLinuxDns } from '../../main/net/dns/detect.linux.ts';
import { chooseOsDns } from '../../main/net/dns/choose-os-dns.ts';
import type { DnsBackend, DnsPaths, DnsSettings, OsDnsDeps } from '../../main/net/dns/os-dns.ts';
import { ResolvConfDns } from '../../main/net/dns/os-dns.resolv-conf.ts';
import { nameserversOf, withNameservers } from '../../main/net/dns/resolv-conf.ts';
import { HostJournal } from '../../main/net/journal/host-journal.ts';
import { CommandRecorder } from '../support/command-recorder.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

function folder(): string {
  return temporaryDirectory('host');
}

const nowhere: DnsPaths = {
  resolvConf: '/nonexistent/resolv.conf',
  resolvedUplinks: '/nonexistent/uplinks',
  networkManager: '/nonexistent/nm',
  darwinResolver: '/nonexistent/resolver',
};

function depsFor(paths: Partial<DnsPaths>, recorder = new CommandRecorder()): OsDnsDeps {
  return {
    run: recorder.run,
    journal: HostJournal.open(folder()),
    clock: new ManualClock(),
    log: silentLog,
    paths: { ...nowhere, ...paths },
    platform: 'linux',
  };
}

describe('resolv.conf', () => {
  const text =
    '# a comment\nsearch lan\nnameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\noptions rotate ndots:2\n';

  it('has our server first and keeps all else; others stay only where they are asked in turn', () => {
    expect(nameserversOf(withNameservers(text, ['100.64.0.2'], true))).toEqual(['100.64.0.2', '10.0.0.1', '10.0.0.2']);
    const alone = withNameservers(text, ['100.64.0.2'], false);
    expect(nameserversOf(alone)).toEqual(['100.64.0.2']);
    expect(alone).toMatch(/search lan\noptions ndots:2\n$/);
  });

  it.each([
    ['the first', 0],
    ['the second', 1],
  ])(
    'holds the lines of two engines without a fight, and is as before when both left, %s one before',
    async (_, leaver) => {
      const resolvConf = join(folder(), 'resolv.conf');
      const before = 'nameserver 10.0.0.1\nnameserver 10.0.0.2\nsearch lan\n';
      writeFileSync(resolvConf, before);
      const clock = new ManualClock();
      const engines = ['100.64.0.2', '100.96.0.2'].map((server) => ({
        server,
        dns: new ResolvConfDns({ ...depsFor({ resolvConf }), clock }, true),
      }));
      for (const { server, dns } of engines) await dns.set({ device: 'culvert0', servers: [server], domains: [] });
      clock.advance(10_000);
      expect(nameserversOf(readFileSync(resolvConf, 'utf8'))).toEqual(['100.96.0.2', '100.64.0.2', '10.0.0.1']);
      // The upper sends on to the lower, which must not send back.
      expect(engines.map(({ dns }) => dns.upstreams()[0])).toEqual(['10.0.0.1', '100.64.0.2']);
      await engines[leaver]?.dns.restore();
      clock.advance(10_000);
      const stays = engines[1 - leaver];
      expect(nameserversOf(readFileSync(resolvConf, 'utf8'))[0]).toBe(stays?.server);
      expect(stays?.dns.upstreams()).toEqual(['10.0.0.1', '10.0.0.2']);
      await stays?.dns.restore();
      expect(readFileSync(resolvConf, 'utf8')).toBe(before);
      expect(engines.map(({ dns }) => dns.trouble())).toEqual([undefined, undefined]);
    },
  );

  it('loses the lines of an engine that died with its journal when the next one leaves', async () => {
    const resolvConf = join(folder(), 'resolv.conf');
    writeFileSync(resolvConf, withNameservers('nameserver 10.0.0.1\n', ['100.64.0.2'], true));
    const dns = new ResolvConfDns(depsFor({ resolvConf }), true);
    await dns.set({ device: 'culvert0', servers: ['100.64.0.2'], domains: [] });
    expect(nameserversOf(readFileSync(resolvConf, 'utf8'))).toEqual(['100.64.0.2', '10.0.0.1']);
    await dns.restore();
    expect(readFileSync(resolvConf, 'utf8')).toBe('nameserver 10.0.0.1\n');
  });

  it('is given up after a fight, and the other program keeps its file', async () => {
    const resolvConf = join(folder(), 'resolv.conf');
    writeFileSync(resolvConf, 'nameserver 10.0.0.1\n');
    const clock = new ManualClock();
    using journal = HostJournal.open(folder());
    const dns = new ResolvConfDns({ ...depsFor({ resolvConf }), journal, clock }, true);
    await dns.set({ device: 'culvert0', servers: ['100.64.0.2'], domains: [] });
    expect(dns.upstreams()).toEqual(['10.0.0.1']);
    for (let round = 1; round <= 4; round++) {
      writeFileSync(resolvConf, `nameserver 10.0.0.${round + 1}\n`);
      clock.advance(2_000);
      if (round <= 3)
        expect(nameserversOf(readFileSync(resolvConf, 'utf8'))).toEqual(['100.64.0.2', `10.0.0.${round + 1}`]);
    }
    expect(dns.trouble()).toMatchObject({ code: 'net.dns.fight' });
    expect(readFileSync(resolvConf, 'utf8')).toBe('nameserver 10.0.0.5\n');
    await dns.restore();
    expect(readFileSync(resolvConf, 'utf8')).toBe('nameserver 10.0.0.5\n');
    expect(journal.pending()).toEqual([]);
  });
});

describe('who resolves names on Linux', () => {
  const cases: readonly [string, string, Readonly<Record<string, { code?: number; stdout?: string }>>, DnsBackend][] = [
    ['the stub of systemd-resolved', 'nameserver 127.0.0.53\n', {}, 'systemd-resolved'],
    ['its stub without its tool', 'nameserver 127.0.0.53\n', { 'resolvectl dns': { code: 127 } }, 'resolv.conf'],
    [
      'NetworkManager with resolved behind it',
      '# Generated by NetworkManager\nnameserver 127.0.0.53\n',
      {},
      'systemd-resolved',
    ],
    [
      'NetworkManager with dnsmasq',
      '# Generated by NetworkManager\nnameserver 127.0.0.1\n',
      { 'nmcli -t': { stdout: 'running\n' }, busctl: { stdout: 's "dnsmasq"\n' } },
      'networkmanager-dnsmasq',
    ],
    [
      'NetworkManager alone',
      '# Generated by NetworkManager\nnameserver 10.0.0.1\n',
      { 'nmcli -t': { stdout: 'running\n' }, busctl: { stdout: 's "default"\n' } },
      'networkmanager',
    ],
    [
      'a file that NetworkManager left',
      '# Generated by NetworkManager\nnameserver 10.0.0.1\n',
      { 'nmcli -t': { code: 127 } },
      'resolv.conf',
    ],
    ['resolvconf', '# Dynamic resolv.conf file generated by resolvconf(8)\nnameserver 10.0.0.1\n', {}, 'resolvconf'],
    ['a plain file', 'nameserver 10.0.0.1\n', {}, 'resolv.conf'],
  ];

  it.each(cases)('%s', async (_what, text, answers, backend) => {
    const resolvConf = join(folder(), 'resolv.conf');
    writeFileSync(resolvConf, text);
    const found = await detectLinuxDns(new CommandRecorder(answers).run, { ...nowhere, resolvConf });
    expect(found.backend).toBe(backend);
    expect(found.reason).not.toBe('');
  });
});

it('in WSL it is told who writes the file, and when it is written anew', async () => {
  const resolvConf = join(folder(), 'resolv.conf');
  writeFileSync(resolvConf, '# This file was automatically generated by WSL. To stop it, add\nnameserver 172.20.0.1\n');
  expect(await detectLinuxDns(new CommandRecorder().run, { ...nowhere, resolvConf })).toEqual({
    backend: 'resolv.conf',
    reason: 'WSL wrote it, and writes it anew when the distribution starts',
  });
});

describe('telling the system about our names', () => {
  const settings: DnsSettings = {
    device: 'culvert0',
    servers: ['100.64.0.2'],
    domains: [
      { name: 'build.dark', below: false },
      { name: 'wild.dark', below: true },
    ],
  };

  it('systemd-resolved: our server on our link, our names as routing domains, reverted', async () => {
    const recorder = new CommandRecorder();
    const deps = depsFor({}, recorder);
    const { dns } = await chooseOsDns(deps, 'systemd-resolved');
    await dns.set(settings);
    expect(recorder.take()).toEqual([
      'resolvectl dns culvert0 100.64.0.2',
      'resolvectl domain culvert0 ~build.dark ~wild.dark',
      'resolvectl default-route culvert0 false',
      'resolvectl llmnr culvert0 no',
      'resolvectl mdns culvert0 no',
      'resolvectl dnssec culvert0 no',
      'resolvectl dnsovertls culvert0 no',
      'resolvectl flush-caches',
    ]);
    expect(deps.journal.pending().map(({ change }) => change)).toEqual([{ kind: 'resolved-link', device: 'culvert0' }]);
    await dns.restore();
    expect(recorder.take()).toEqual(['resolvectl revert culvert0', 'resolvectl flush-caches']);
    expect(deps.journal.pending()).toEqual([]);
  });

  it('systemd-resolved: without names the link is asked about none', async () => {
    const recorder = new CommandRecorder();
    const { dns } = await chooseOsDns(depsFor({}, recorder), 'systemd-resolved');
    await dns.set({ ...settings, domains: [] });
    expect(recorder.take()).toContain('resolvectl domain culvert0 ~culvert.invalid');
  });

  it('systemd-resolved: a refusal is an error with its words', async () => {
    const recorder = new CommandRecorder({ 'resolvectl dns': { code: 1, stderr: 'Failed to set DNS\n' } });
    const { dns } = await chooseOsDns(depsFor({}, recorder), 'systemd-resolved');
    await expect(dns.set(settings)).rejects.toMatchObject({ code: 'net.dns.failed', message: /Failed to set DNS/ });
  });

  it('NetworkManager with dnsmasq: a rule a name, reloaded, removed', async () => {
    const networkManager = folder();
    const recorder = new CommandRecorder();
    const deps = depsFor({ networkManager }, recorder);
    const { dns } = await chooseOsDns(deps, 'networkmanager-dnsmasq');
    await dns.set(settings);
    const file = join(networkManager, 'dnsmasq.d', 'culvert.conf');
    expect(readFileSync(file, 'utf8')).toMatch(
      /server=\/build\.dark\/100\.64\.0\.2\nserver=\/wild\.dark\/100\.64\.0\.2\n/,
    );
    await dns.set(settings);
    expect(recorder.take()).toEqual(['nmcli general reload dns-full']);
    await dns.restore();
    expect(recorder.take()).toEqual(['nmcli general reload dns-full']);
    expect([existsSync(file), deps.journal.pending()]).toEqual([false, []]);
  });

  it('NetworkManager alone: our server for all, its own as upstreams', async () => {
    const networkManager = folder();
    const recorder = new CommandRecorder({
      'nmcli -t -f IP4.DNS': { stdout: 'IP4.DNS[1]:10.0.0.1\n\nIP6.DNS[1]:fd00\\:\\:53\n' },
    });
    const { dns } = await chooseOsDns(depsFor({ networkManager }, recorder), 'networkmanager');
    await dns.set(settings);
    expect(dns.splits).toBe(false);
    expect(dns.upstreams()).toEqual(['10.0.0.1', 'fd00::53']);
    expect(readFileSync(join(networkManager, 'conf.d', '90-culvert.conf'), 'utf8')).toMatch(/servers=100\.64\.0\.2/);
    await dns.restore();
    expect(readdirSync(join(networkManager, 'conf.d'))).toEqual([]);
  });

  it('resolvconf: one record, taken back', async () => {
    const resolvConf = join(folder(), 'resolv.conf');
    writeFileSync(resolvConf, 'nameserver 10.0.0.1\n');
    const recorder = new CommandRecorder();
    const { dns } = await chooseOsDns(depsFor({ resolvConf }, recorder), 'resolvconf');
    await dns.set(settings);
    await dns.set(settings);
    expect(dns.upstreams()).toEqual(['10.0.0.1']);
    await dns.restore();
    expect(recorder.take()).toEqual([
      'resolvconf -l',
      'resolvconf -a tun-culvert -m 0 -x < nameserver 100.64.0.2',
      'resolvconf -l',
      'resolvconf -d tun-culvert',
    ]);
  });

  it("macOS: a scoped resolver a name; another product's file comes back", async () => {
    const darwinResolver = folder();
    writeFileSync(join(darwinResolver, 'wild.dark'), 'nameserver 10.9.9.9\n');
    const recorder = new CommandRecorder();
    const deps = { ...depsFor({ darwinResolver }, recorder), platform: 'darwin' as const };
    const { dns } = await chooseOsDns(deps, 'auto');
    expect(dns.backend).toBe('resolver-files');
    await dns.set(settings);
    expect(readFileSync(join(darwinResolver, 'build.dark'), 'utf8')).toBe('nameserver 100.64.0.2\n');
    expect(recorder.take()).toEqual(['dscacheutil -flushcache', 'killall -HUP mDNSResponder']);
    await dns.set({ ...settings, domains: [{ name: 'new.dark', below: false }] });
    expect(readdirSync(darwinResolver).sort()).toEqual(['new.dark', 'wild.dark']);
    expect(readFileSync(join(darwinResolver, 'wild.dark'), 'utf8')).toBe('nameserver 10.9.9.9\n');
    await dns.restore();
    expect(readdirSync(darwinResolver)).toEqual(['wild.dark']);
    expect(deps.journal.pending()).toEqual([]);
  });

  it('Windows: policy rules under our comment, names as they are, quotes harmless', async () => {
    const recorder = new CommandRecorder();
    const deps = { ...depsFor({}, recorder), platform: 'win32' as const };
    const { dns } = await chooseOsDns(deps, 'auto');
    await dns.set(settings);
    const scripts = recorder
      .take()
      .map((line) => line.replace(/^powershell\.exe -NoProfile -NonInteractive -Command \$env:PSModulePath=\S+; /, ''));
    expect(scripts).toEqual([
      "Get-DnsClientNrptRule | Where-Object Comment -eq 'Culvert' | Remove-DnsClientNrptRule -Force",
      "Add-DnsClientNrptRule -Namespace 'build.dark','wild.dark','.wild.dark' -NameServers '100.64.0.2' -Comment 'Culvert'",
      'Clear-DnsClientCache',
    ]);
    await dns.restore();
    expect(recorder.take()).toHaveLength(2);
    expect(deps.journal.pending()).toEqual([]);
  });

  it('off: nothing at all', async () => {
    const recorder = new CommandRecorder();
    const { dns, reason } = await chooseOsDns(depsFor({}, recorder), 'off');
    await dns.set(settings);
    await dns.restore();
    expect([recorder.take(), reason]).toEqual([[], 'set in the configuration']);
  });
});
