/** The journal of changes to the host: written before they are made, undone from there, files put back as they were. */
import {
  appendFileSync,
  chownSync,
  existsSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../main/base/log.ts';
import { readFileBefore, replaceFile, restoreFile } from '../../main/net/journal/file-change.ts';
import { HostJournal } from '../../main/net/journal/host-journal.ts';
import { repairHost } from '../../main/net/repair.ts';
import { CommandRecorder } from '../support/command-recorder.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { isUnix, keepsModes } from '../support/modes.ts';

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
    if (keepsModes) expect(statSync(join(directory, 'host-changes.jsonl')).mode & 0o777).toBe(0o600);
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
  it.each(isUnix ? (['file', 'link', 'absent'] as const) : (['file', 'absent'] as const))(
    'comes back as the %s it was',
    (kind) => {
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
      if (kind === 'file') expect(readFileSync(path, 'utf8')).toBe('nameserver 1.1.1.1\n');
      if (kind === 'file' && keepsModes) expect(statSync(path).mode & 0o777).toBe(0o640);
      expect(readdirSync(directory).sort()).toEqual(kind === 'absent' ? ['journal'] : ['journal', 'resolv.conf']);
    },
  );

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
