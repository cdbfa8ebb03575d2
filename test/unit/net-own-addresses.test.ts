/** The interface's addresses are kept to itself by whichever firewall tool is there, and given back. */
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../main/base/log.ts';
import { OwnAddresses } from '../../main/net/firewall/own-addresses.linux.ts';
import { HostJournal } from '../../main/net/journal/host-journal.ts';
import { repairHost } from '../../main/net/repair.ts';
import { CommandRecorder } from '../support/command-recorder.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

function world(answers: ConstructorParameters<typeof CommandRecorder>[0]) {
  const directory = temporaryDirectory('addresses');
  const journal = HostJournal.open(directory);
  const recorder = new CommandRecorder(answers);
  const clock = new ManualClock();
  const own = new OwnAddresses({
    device: 'culvert0',
    range: '100.64.0.0/16',
    range6: 'fd00:1::/64',
    run: recorder.run,
    journal,
    clock,
    log: silentLog,
  });
  return { directory, journal, recorder, clock, own };
}

describe('the addresses of the interface', () => {
  it('are dropped for others by a table of nftables, journalled first, and let go at the end', async () => {
    const { journal, recorder, own } = world({});
    await own.check();
    expect(own.trouble()).toBeUndefined();
    expect(journal.pending().map(({ change }) => change)).toEqual([{ kind: 'nft-table', device: 'culvert0' }]);
    const [made] = recorder.take();
    expect(made).toMatch(/^nft -f - < table inet culvert-culvert0; delete table inet culvert-culvert0; /);
    expect(made).toContain(
      'iifname { "lo", "culvert0" } accept;   ip daddr 100.64.0.0/16 drop;   ip6 daddr fd00:1::/64 drop',
    );
    await own[Symbol.asyncDispose]();
    expect(recorder.take()).toEqual(['nft delete table inet culvert-culvert0']);
    expect(journal.pending()).toEqual([]);
  });

  it('are dropped again after somebody loaded a firewall of his own', async () => {
    const answers = { 'nft list': { code: 0 } };
    const { recorder, clock, own } = world(answers);
    await own.check();
    recorder.take();
    clock.advance(60_000);
    await own.check();
    expect(recorder.take().every((line) => line.startsWith('nft list table'))).toBe(true);
    answers['nft list'].code = 1;
    await own.check();
    expect(recorder.take().at(-1)).toMatch(/^nft -f - </);
    await own[Symbol.asyncDispose]();
  });

  it('are dropped by a chain of iptables where there is no nft, and by a repair given back', async () => {
    const { directory, journal, recorder, own } = world({ 'nft -f': { code: 127 } });
    await own.check();
    expect(own.trouble()).toBeUndefined();
    expect(recorder.take().slice(-7)).toEqual([
      'ip6tables -D INPUT -d fd00:1::/64 -j culvert-culvert0',
      'ip6tables -N culvert-culvert0',
      'ip6tables -F culvert-culvert0',
      'ip6tables -A culvert-culvert0 -i lo -j RETURN',
      'ip6tables -A culvert-culvert0 -i culvert0 -j RETURN',
      'ip6tables -A culvert-culvert0 -j DROP',
      'ip6tables -I INPUT -d fd00:1::/64 -j culvert-culvert0',
    ]);
    journal[Symbol.dispose]();
    const { undone } = await repairHost({
      journalDir: directory,
      log: silentLog,
      run: recorder.run,
      platform: 'linux',
    });
    expect(undone).toEqual(['firewall rules']);
    expect(recorder.take()).toContain('iptables -X culvert-culvert0');
  });

  it('are told of where neither tool is there', async () => {
    const { journal, own } = world({ nft: { code: 127 }, ip: { code: 127 } });
    await own.check();
    expect(own.trouble()).toMatchObject({ code: 'net.firewall.missing' });
    expect(journal.pending()).toEqual([]);
    await own[Symbol.asyncDispose]();
  });
});
