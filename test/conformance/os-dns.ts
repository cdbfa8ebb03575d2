/** What every mechanism that tells the system's resolver about our names keeps to, whatever tool or file it works through. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../main/base/log.ts';
import { chooseOsDns } from '../../main/net/dns/choose-os-dns.ts';
import type { DnsBackend, DnsSettings, OsDns } from '../../main/net/dns/os-dns.ts';
import { HostJournal } from '../../main/net/journal/host-journal.ts';
import { undoPending } from '../../main/net/repair.ts';
import { CommandRecorder } from '../support/command-recorder.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const settings: DnsSettings = {
  device: 'culvert0',
  servers: ['100.64.0.2'],
  domains: [
    { name: 'build.dark', below: false },
    { name: 'wild.dark', below: true },
  ],
};
/** Commands that look and change nothing. */
const looks = /^(nmcli -t|resolvconf -l|resolvectl status|Get-)/;

/** @param platform whose tools the backend uses. */
export function osDnsConformance(backend: DnsBackend, platform: NodeJS.Platform): void {
  describe(`telling ${backend}`, () => {
    let host: string;
    let journal: HostJournal;
    let recorder: CommandRecorder;
    let dns: OsDns;
    /** Changes that were pending in the journal when a command that changes something was run. */
    let pendingAtCommand: number[];

    beforeEach(async () => {
      host = temporaryDirectory('dns');
      writeFileSync(join(host, 'resolv.conf'), 'search lan\nnameserver 10.0.0.1\n');
      for (const folder of ['nm', 'resolver']) mkdirSync(join(host, folder));
      writeFileSync(join(host, 'resolver', 'wild.dark'), 'nameserver 10.9.9.9\n');
      journal = HostJournal.open(temporaryDirectory('journal'));
      recorder = new CommandRecorder();
      pendingAtCommand = [];
      const chosen = await chooseOsDns(
        {
          run: (command, args, options) => {
            if (!looks.test([command, ...args].join(' '))) pendingAtCommand.push(journal.pending().length);
            return recorder.run(command, args, options);
          },
          journal,
          clock: new ManualClock(),
          log: silentLog,
          paths: {
            resolvConf: join(host, 'resolv.conf'),
            resolvedUplinks: join(host, 'uplinks'),
            networkManager: join(host, 'nm'),
            darwinResolver: join(host, 'resolver'),
          },
          platform,
        },
        backend,
      );
      dns = chosen.dns;
    });

    it('changes nothing before it is set, nor where it is restored without', async () => {
      const before = files(host);
      await dns.restore();
      expect(files(host)).toEqual(before);
      expect([pendingAtCommand, journal.pending()]).toEqual([[], []]);
    });

    it('writes to the journal before it changes anything', async () => {
      const before = files(host);
      await dns.set(settings);
      expect(journal.pending().length).toBeGreaterThan(0);
      expect(pendingAtCommand.every((pending) => pending > 0)).toBe(true);
      expect(pendingAtCommand.length > 0 || files(host).join() !== before.join()).toBe(true);
    });

    it('holds exactly what was set last, however often, and its journal does not grow', async () => {
      await dns.set(settings);
      const once = files(host);
      const pending = journal.pending().map(({ change }) => change);
      for (let again = 0; again < 3; again++) await dns.set(settings);
      expect(files(host)).toEqual(once);
      expect(journal.pending().map(({ change }) => change)).toEqual(pending);
    });

    it('puts everything back, once and for all', async () => {
      const before = files(host);
      await dns.set(settings);
      await dns.set({ ...settings, domains: [{ name: 'new.dark', below: false }] });
      await dns.restore();
      expect(files(host)).toEqual(before);
      expect(journal.pending()).toEqual([]);
      recorder.take();
      await dns.restore();
      expect(recorder.take()).toEqual([]);
    });

    it('is undone from the journal alone, where the engine died', async () => {
      const before = files(host);
      await dns.set(settings);
      const { failed } = await undoPending(journal, { log: silentLog, run: recorder.run, platform });
      expect(failed).toEqual([]);
      expect(files(host)).toEqual(before);
      expect(journal.pending()).toEqual([]);
    });
  });
}

/** Every file of a folder with what stands in it. */
function files(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .sort()
    .map((name) => `${name}: ${readFileSync(join(folder, name), 'utf8')}`);
}
