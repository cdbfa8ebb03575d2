/** Changes to the host: written down before they are made, undone from there, on every platform's own tools (recorded). */
import { appendFileSync, existsSync, mkdirSync, readFileSync, readlinkSync, readdirSync } from 'node:fs';
import { chownSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../main/base/log.ts';
import { detectLinuxDns } from '../../main/net/dns/detect.linux.ts';
import { chooseOsDns } from '../../main/net/dns/os-dns.ts';
import type { DnsBackend, DnsPaths, DnsSettings, OsDnsDeps } from '../../main/net/dns/os-dns.ts';
import { ResolvConfDns } from '../../main/net/dns/os-dns.resolv-conf.ts';
import { nameserversOf, withNameservers } from '../../main/net/dns/resolv-conf.ts';
import { readFileBefore, replaceFile, restoreFile } from '../../main/net/journal/file-change.ts';
import { HostJournal } from '../../main/net/journal/host-journal.ts';
import { repairHost, undoPending } from '../../main/net/repair.ts';
import { HostRouteSet } from '../../main/net/route/host-route-set.ts';
import { chooseRange } from '../../main/net/route/range.ts';
import { hostRoutes } from '../../main/net/route/route.ts';
import { CommandRecorder } from '../support/command-recorder.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

function folder(): string {
  return temporaryDirectory('host');
}

function journalText(directory: string): string {
  return readFileSync(join(directory, 'host-changes.jsonl'), 'utf8');
}

describe('the host journal', () => {
  it('has a change on disk before record returns, and knows it in the next run', () => {
    const directory = folder();
    const journal = HostJournal.open(directory);
    const id = journal.record({ kind: 'resolved-link', device: 'culvert0' });
    expect(journalText(directory)).toContain('"resolved-link"');
    journal.record({ kind: 'resolvconf', record: 'tun-culvert' });
    journal.forget(id);
    journal.forget(id);
    journal[Symbol.dispose]();
    using again = HostJournal.open(directory);
    expect(again.pending().map(({ change }) => change)).toEqual([{ kind: 'resolvconf', record: 'tun-culvert' }]);
    expect(journalText(directory).split('\n')).toHaveLength(2);
    expect(statSync(join(directory, 'host-changes.jsonl')).mode & 0o777).toBe(0o600);
  });

  it('bears a torn last line, and counts lines it cannot read', () => {
    const directory = folder();
    const journal = HostJournal.open(directory);
    journal.record({ kind: 'address', device: 'culvert0', address: '100.64.0.1/16' });
    journal[Symbol.dispose]();
    const file = join(directory, 'host-changes.jsonl');
    appendFileSync(file, 'rubbish\n{"id":9,"change":{"kind":"run-this","command":"rm"}}\n{"id":10,"change":{"ki');
    using again = HostJournal.open(directory);
    expect(again.pending()).toHaveLength(1);
    expect(again.unreadable).toBe(2);
  });

  it('undoes newest first, keeps what failed, and is done the second time', async () => {
    const directory = folder();
    const journal = HostJournal.open(directory);
    journal.record({ kind: 'pin', device: 'eth0', address: '203.0.113.5' });
    journal.record({ kind: 'resolved-link', device: 'culvert0' });
    journal.record({ kind: 'file', path: '/nonexistent/x', before: { kind: 'absent' }, ownSha256: '0' });
    journal.record({ kind: 'nrpt', comment: 'Culvert' });
    journal[Symbol.dispose]();
    const recorder = new CommandRecorder();
    const deps = { journalDir: directory, log: silentLog, run: recorder.run, platform: 'linux' as const };
    const report = await repairHost(deps);
    expect(report).toEqual({
      undone: [
        'name resolution policy rules',
        'file /nonexistent/x',
        'systemd-resolved settings of culvert0',
        'route of 203.0.113.5 on eth0',
      ],
      failed: [],
    });
    expect(recorder.take().at(-1)).toBe('ip route del 203.0.113.5/32 dev eth0');
    expect(await repairHost(deps)).toEqual({ undone: [], failed: [] });
  });
});

describe.skipIf(process.geteuid?.() !== 0)('a journal of another user', () => {
  it('is not carried out with our rights', async () => {
    const directory = folder();
    const target = join(directory, 'victim');
    writeFileSync(target, 'ours');
    const journalDir = join(directory, 'journal');
    const journal = HostJournal.open(journalDir);
    replaceFile(journal, target, 'changed');
    journal[Symbol.dispose]();
    chownSync(journalDir, 65534, 65534);
    await expect(repairHost({ journalDir, log: silentLog })).rejects.toMatchObject({
      code: 'net.journal.failed',
      details: { owner: 65534 },
    });
    expect(readFileSync(target, 'utf8')).toBe('changed');
  });
});

describe('a replaced file', () => {
  it.each(['file', 'link', 'absent'] as const)('comes back as the %s it was', (kind) => {
    const directory = folder();
    const path = join(directory, 'resolv.conf');
    if (kind === 'file') writeFileSync(path, 'nameserver 1.1.1.1\n', { mode: 0o640 });
    if (kind === 'link') symlinkSync('elsewhere/stub.conf', path);
    using journal = HostJournal.open(join(directory, 'journal'));
    replaceFile(journal, path, 'ours\n');
    expect(readFileSync(path, 'utf8')).toBe('ours\n');
    const [entry] = journal.pending();
    if (entry?.change.kind !== 'file') throw new Error('not journalled');
    expect(restoreFile(entry.change)).toBe(true);
    expect(restoreFile(entry.change)).toBe(false);
    if (kind === 'absent') expect(existsSync(path)).toBe(false);
    if (kind === 'link') expect(readlinkSync(path)).toBe('elsewhere/stub.conf');
    if (kind === 'file')
      expect([readFileSync(path, 'utf8'), statSync(path).mode & 0o777]).toEqual(['nameserver 1.1.1.1\n', 0o640]);
    expect(readdirSync(directory).sort()).toEqual(kind === 'absent' ? ['journal'] : ['journal', 'resolv.conf']);
  });

  it('is left alone when another program has written it since', () => {
    const path = join(folder(), 'resolv.conf');
    writeFileSync(path, 'first\n');
    using journal = HostJournal.open(folder());
    replaceFile(journal, path, 'ours\n');
    writeFileSync(path, 'theirs\n');
    const [entry] = journal.pending();
    if (entry?.change.kind !== 'file') throw new Error('not journalled');
    expect(restoreFile(entry.change)).toBe(false);
    expect(readFileBefore(path)).toMatchObject({
      kind: 'file',
      contentBase64: Buffer.from('theirs\n').toString('base64'),
    });
  });
});

describe('the range for names', () => {
  const on = (prefix: string): { prefix: string; device: string } => ({ prefix, device: 'vpn0' });

  it('is within the shared address space, or the next that nothing touches', () => {
    expect(chooseRange(4, undefined, [on('0.0.0.0/0'), on('10.0.0.0/8')])?.range.text).toBe('100.64.0.0/16');
    expect(chooseRange(4, undefined, [on('100.64.0.0/11')])?.range.text).toBe('100.96.0.0/16');
    expect(chooseRange(4, undefined, [on('100.64.7.3/32')])?.range.text).toBe('100.96.0.0/16');
    expect(chooseRange(4, undefined, [on('100.64.0.0/10')])?.range.text).toBe('198.18.0.0/16');
    expect(chooseRange(4, undefined, [on('100.64.0.0/10'), on('198.18.0.0/15')])).toBeUndefined();
    expect(chooseRange(6, undefined, [on('fd7a:9c1e:50b4:1::/64')])?.range.text).toBe('fd7a:9c1e:50b4:2::/64');
  });

  it('is the wanted one where it is free, and a collision is told with the route that makes it', () => {
    expect(chooseRange(4, '172.20.0.0/16', [])).toMatchObject({ range: { text: '172.20.0.0/16' } });
    const other = chooseRange(4, '172.20.0.0/16', [on('172.16.0.0/12')]);
    expect(other?.range.text).toBe('100.64.0.0/16');
    expect(other?.collision).toEqual({ wanted: '172.20.0.0/16', route: on('172.16.0.0/12') });
  });
});

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
      .map((line) => line.replace('powershell.exe -NoProfile -NonInteractive -Command ', ''));
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

describe('routes', () => {
  it('Linux: one batch, what did not take is told', async () => {
    const recorder = new CommandRecorder({
      'ip -json -4 route show dev culvert0': {
        stdout: '[{"dst":"100.64.0.0/16"},{"dst":"10.20.0.0/16"},{"dst":"10.1.2.3"}]',
      },
    });
    const routes = hostRoutes(recorder.run, 'linux');
    await routes.configure('culvert0', 65535, ['100.64.0.1/16', 'fd00::1/64']);
    expect(await routes.add('culvert0', ['10.20.0.0/16', '10.1.2.3/32', '192.168.1.0/24'])).toEqual(['192.168.1.0/24']);
    expect(recorder.take().slice(0, 2)).toEqual([
      'ip -batch - < link set dev culvert0 mtu 65535 txqueuelen 4000; address add 100.64.0.1/16 dev culvert0; address add fd00::1/64 dev culvert0 nodad; link set dev culvert0 up',
      'ip -force -batch - < route add 10.20.0.0/16 dev culvert0; route add 10.1.2.3/32 dev culvert0; route add 192.168.1.0/24 dev culvert0',
    ]);
  });

  it('macOS and Windows: with their own tools', async () => {
    const darwin = new CommandRecorder({
      'netstat -rn': {
        stdout:
          'Destination Gateway Flags Netif\ndefault 10.0.0.1 UGSc en0\n100.64/10 link#9 UCS utun4\n192.168.1 link#4 UCS en0\n',
      },
    });
    const mac = hostRoutes(darwin.run, 'darwin');
    await mac.configure('utun7', 65535, ['100.64.0.1/16', 'fd00::1/64']);
    expect(await mac.add('utun7', ['10.20.0.0/16'])).toEqual([]);
    expect(await mac.list()).toEqual([
      { prefix: '0.0.0.0/0', device: 'en0' },
      { prefix: '100.64.0.0/10', device: 'utun4' },
      { prefix: '192.168.1.0/24', device: 'en0' },
    ]);
    expect(darwin.take()).toEqual([
      'ifconfig utun7 mtu 65535 up',
      'ifconfig utun7 inet 100.64.0.1/16 100.64.0.1 alias',
      'route -n add -inet -net 100.64.0.1/16 -interface utun7',
      'ifconfig utun7 inet6 fd00::1 prefixlen 64 alias',
      'route -n add -inet -net 10.20.0.0/16 -interface utun7',
      'netstat -rn',
    ]);
    const windows = new CommandRecorder({ 'netsh interface ipv4 add route 10.3': { code: 1 } });
    const win = hostRoutes(windows.run, 'win32');
    await win.configure('Culvert', 65535, ['100.64.0.1/16']);
    expect(await win.add('Culvert', ['10.2.0.0/16', '10.3.0.0/16'])).toEqual(['10.3.0.0/16']);
    expect(windows.take()).toEqual([
      'netsh interface ipv4 add address Culvert 100.64.0.1/16 store=active',
      'netsh interface ipv4 set subinterface Culvert mtu=65535 store=active',
      'netsh interface ipv4 add route 10.2.0.0/16 Culvert store=active',
      'netsh interface ipv4 add route 10.3.0.0/16 Culvert store=active',
    ]);
    expect(await win.wayTo('1.1.1.1; calc')).toBeUndefined();
  });

  it('a set is replaced as a whole, controllers pinned before a prefix swallows them, all taken back', async () => {
    const recorder = new CommandRecorder({
      'ip -json route get': { stdout: '[{"dst":"203.0.113.5","gateway":"10.0.0.1","dev":"eth0"}]' },
      'ip -json -4 route show dev': { stdout: '[{"dst":"0.0.0.0/1"},{"dst":"128.0.0.0/1"},{"dst":"10.2.0.0/16"}]' },
    });
    using journal = HostJournal.open(folder());
    const set = new HostRouteSet('culvert0', hostRoutes(recorder.run, 'linux'), journal, new ManualClock(), silentLog);
    await set.set(['0.0.0.0/0', 'not a prefix'], ['203.0.113.5']);
    expect(recorder.take().slice(0, 3)).toEqual([
      'ip -json route get 203.0.113.5',
      'ip route add 203.0.113.5/32 via 10.0.0.1 dev eth0',
      'ip -force -batch - < route add 0.0.0.0/1 dev culvert0; route add 128.0.0.0/1 dev culvert0',
    ]);
    expect(journal.pending().map(({ change }) => change.kind)).toEqual(['route', 'route', 'pin']);
    await set.set(['10.2.0.0/16'], ['203.0.113.5']);
    expect(recorder.take().slice(0, 2)).toEqual([
      'ip -force -batch - < route del 0.0.0.0/1 dev culvert0; route del 128.0.0.0/1 dev culvert0',
      'ip route del 203.0.113.5/32 dev eth0',
    ]);
    expect(set.routed()).toEqual(['10.2.0.0/16']);
    await set[Symbol.asyncDispose]();
    expect(journal.pending()).toEqual([]);
  });

  it('an address learnt late is pinned by the way it has without us', async () => {
    const recorder = new CommandRecorder({
      'ip -json route get': { stdout: '[{"dst":"10.9.9.9","gateway":"192.0.2.1","dev":"eth0"}]' },
      'ip -json -4 route show dev': { stdout: '[{"dst":"10.0.0.0/8"}]' },
    });
    using journal = HostJournal.open(folder());
    const clock = new ManualClock();
    await using set = new HostRouteSet('culvert0', hostRoutes(recorder.run, 'linux'), journal, clock, silentLog);
    await set.set(['10.0.0.0/8'], []);
    recorder.take();
    await set.set(['10.0.0.0/8'], ['10.9.9.9']);
    const order = recorder.take().filter((command) => !command.includes('show'));
    expect(order).toEqual([
      'ip -force -batch - < route del 10.0.0.0/8 dev culvert0',
      'ip -json route get 10.9.9.9',
      'ip route add 10.9.9.9/32 via 192.0.2.1 dev eth0',
      'ip -force -batch - < route add 10.0.0.0/8 dev culvert0',
    ]);
    await set.set(['10.0.0.0/8'], ['10.9.9.9']);
    expect(recorder.take().filter((command) => !command.includes('show'))).toEqual([]);
  });

  it('a pin follows the gateway, and is set once there is a way at all', async () => {
    const [match, get] = [{ stdout: '[]' }, { stdout: '[]' }];
    const recorder = new CommandRecorder({
      'ip -json -4 route show dev': { stdout: '[{"dst":"10.0.0.0/8"}]' },
      'ip -json -4 route show match': match,
      'ip -json route get': get,
    });
    using journal = HostJournal.open(folder());
    const clock = new ManualClock();
    await using set = new HostRouteSet('culvert0', hostRoutes(recorder.run, 'linux'), journal, clock, silentLog);
    await set.set(['10.0.0.0/8'], ['10.9.9.9']);
    for (const gateway of ['192.0.2.1', '198.51.100.1']) {
      match.stdout = `[{"dst":"default","gateway":"${gateway}","dev":"eth0"},{"dst":"10.0.0.0/8","dev":"culvert0"}]`;
      get.stdout = match.stdout;
      recorder.take();
      await clock.advanceSlowly(2000, 500);
      await set.set(['10.0.0.0/8'], ['10.9.9.9']);
      expect(recorder.take()).toContain(`ip route add 10.9.9.9/32 via ${gateway} dev eth0`);
      await clock.advanceSlowly(10_000, 500);
      expect(recorder.take().filter((command) => command.startsWith('ip route'))).toEqual([]);
    }
    // A link that was down for a moment took the pin with it.
    match.stdout = '[]';
    await clock.advanceSlowly(2000, 500);
    await set.set(['10.0.0.0/8'], ['10.9.9.9']);
    expect(recorder.take()).toContain('ip route add 10.9.9.9/32 via 198.51.100.1 dev eth0');
  });
});

it('a repair puts files back even where their folder has to be looked for', async () => {
  const directory = folder();
  mkdirSync(join(directory, 'etc'));
  const path = join(directory, 'etc', 'resolv.conf');
  writeFileSync(path, 'before\n');
  const journal = HostJournal.open(join(directory, 'journal'));
  replaceFile(journal, path, 'ours\n');
  const report = await undoPending(journal, { log: silentLog, run: new CommandRecorder().run });
  journal[Symbol.dispose]();
  expect([report.undone, readFileSync(path, 'utf8')]).toEqual([[`file ${path}`], 'before\n']);
});
