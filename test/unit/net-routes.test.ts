/** The range for names, and routes: free of others' ways, journalled, undone. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../main/base/log.ts';
import { replaceFile } from '../../main/net/journal/file-change.ts';
import { HostJournal } from '../../main/net/journal/host-journal.ts';
import { undoPending } from '../../main/net/repair.ts';
import { HostRouteSet } from '../../main/net/route/host-route-set.ts';
import { chooseRange } from '../../main/net/route/range.ts';
import { hostRoutes } from '../../main/net/route/choose-routes.ts';
import { CommandRecorder } from '../support/command-recorder.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

function folder(): string {
  return temporaryDirectory('host');
}

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
    const windows = new CommandRecorder({ 'netsh.exe interface ipv4 add route 10.3': { code: 1 } });
    const win = hostRoutes(windows.run, 'win32');
    await win.configure('Culvert', 65535, ['100.64.0.1/16']);
    expect(await win.add('Culvert', ['10.2.0.0/16', '10.3.0.0/16'])).toEqual(['10.3.0.0/16']);
    expect(windows.take()).toEqual([
      'netsh.exe interface ipv4 add address Culvert 100.64.0.1/16 store=active',
      'netsh.exe interface ipv4 set subinterface Culvert mtu=65535 store=active',
      "powershell.exe -NoProfile -NonInteractive -Command $env:PSModulePath=$PSHOME+'\\Modules'; @(Get-NetRoute | Select-Object DestinationPrefix,InterfaceAlias) | ConvertTo-Json -Compress",
      'netsh.exe interface ipv4 add route 10.2.0.0/16 Culvert store=active',
      'netsh.exe interface ipv4 add route 10.3.0.0/16 Culvert store=active',
    ]);
    expect(await win.nextHopTo('1.1.1.1; calc')).toBeUndefined();
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

  it('a change of network touches no route but those that hide a controller, and brings back what a link lost', async () => {
    const all = { stdout: '[{"dst":"10.0.0.0/8","dev":"culvert0"},{"dst":"10.2.0.0/16","dev":"culvert0"}]' };
    const recorder = new CommandRecorder({
      'ip -json route get': { stdout: '[{"dst":"10.9.9.9","gateway":"192.0.2.1","dev":"eth0"}]' },
      'ip -json -4 route show dev': { stdout: '[{"dst":"10.0.0.0/8"},{"dst":"10.2.0.0/16"}]' },
      'ip -json -4 route show table': all,
    });
    using journal = HostJournal.open(folder());
    const routes = hostRoutes(recorder.run, 'linux');
    await using set = new HostRouteSet('culvert0', routes, journal, new ManualClock(), silentLog);
    const changes = (): readonly string[] => recorder.take().filter((command) => !command.includes('show'));
    await set.set(['10.0.0.0/8', '10.2.0.0/16'], []);
    changes();
    await set.refresh();
    expect(changes()).toEqual([]);
    all.stdout = '[{"dst":"10.0.0.0/8","dev":"culvert0"},{"dst":"10.2.0.0/16","dev":"eth0"}]';
    await set.refresh();
    expect(changes()).toEqual([
      'ip -force -batch - < route del 10.2.0.0/16 dev culvert0',
      'ip -force -batch - < route add 10.2.0.0/16 dev culvert0',
    ]);
    all.stdout = '[{"dst":"10.0.0.0/8","dev":"culvert0"},{"dst":"10.2.0.0/16","dev":"culvert0"}]';
    await set.set(['10.0.0.0/8', '10.2.0.0/16'], ['10.9.9.9']);
    changes();
    all.stdout = '[{"dst":"10.2.0.0/16","dev":"culvert0"}]';
    await set.refresh();
    expect(changes()).toEqual([
      'ip route del 10.9.9.9/32 dev eth0',
      'ip -force -batch - < route del 10.0.0.0/8 dev culvert0',
      'ip -json route get 10.9.9.9',
      'ip route add 10.9.9.9/32 via 192.0.2.1 dev eth0',
      'ip -force -batch - < route add 10.0.0.0/8 dev culvert0',
    ]);
    expect(journal.pending().map(({ change }) => change.kind)).toEqual(['route', 'pin', 'route']);
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
