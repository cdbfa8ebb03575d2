import { appendFile, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { auditDirectory, openAudit } from '../../main/audit/audit.ts';
import { openAuditIndex, type AuditIndex, type AuditQuery } from '../../main/audit/index-store.ts';
import { defined } from '../../main/base/defined.ts';
import { silentLog } from '../../main/base/log.ts';
import { removeTree } from '../../main/files/remove-tree.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { keepsModes } from '../support/modes.ts';

const clock = new ManualClock();
const open: Disposable[] = [];
afterEach(() => open.splice(0).forEach((thing) => thing[Symbol.dispose]()));

async function journal() {
  const stateDirectory = temporaryDirectory('index');
  const deps = { stateDirectory, clock, log: silentLog };
  const audit = openAudit(deps, { rotateBytes: 16 * 1024, keepFiles: 1000 });
  const index = (): AuditIndex => {
    const opened = openAuditIndex(deps);
    open.push(opened);
    return opened;
  };
  return { stateDirectory, audit, index };
}

describe('audit index', () => {
  it('is its owner’s alone, and so are its side files', async () => {
    const { stateDirectory, audit, index } = await journal();
    audit.record({ kind: 'call' });
    await index().search({});
    const files = (await readdir(stateDirectory)).filter((name) => name.startsWith('audit-index.db'));
    expect(files).toContain('audit-index.db');
    if (keepsModes)
      for (const name of files) expect((await stat(join(stateDirectory, name))).mode & 0o077, name).toBe(0);
  });

  it('finds a record the moment it is written, newest first, across files', async () => {
    const { audit, index } = await journal();
    for (let i = 0; i < 300; i += 1)
      audit.record({ kind: 'call', service: `s${i % 3}`, tool: 'search', decision: 'allow' });
    const opened = index();
    expect((await opened.search({ service: 's1', limit: 1000 })).length).toBe(100);
    audit.record({ kind: 'call', service: 's1', tool: 'delete_repo', decision: 'deny', agent: 'claude-code' });
    const [newest] = await opened.search({ service: 's1' });
    expect(newest).toMatchObject({ seq: 301, tool: 'delete_repo' });
    await audit[Symbol.asyncDispose]();
  });

  it('answers which agent called which tool, with what outcome', async () => {
    const { audit, index } = await journal();
    audit.record({ kind: 'call', agent: 'claude-code', tool: 'search', decision: 'allow', digest: 'abc' });
    audit.record({ kind: 'call', agent: 'codex', tool: 'delete_repo', decision: 'deny', rule: 'contract:mcp.deny' });
    const opened = index();
    expect(await opened.search({ agent: 'codex', decision: 'deny' })).toMatchObject([{ tool: 'delete_repo' }]);
    expect(await opened.search({ text: 'delete repo' })).toMatchObject([{ agent: 'codex' }]);
    expect(await opened.search({ text: 'nobody' })).toEqual([]);
    expect(await opened.search({ text: '" or 1=1 --' })).toEqual([]);
    await audit[Symbol.asyncDispose]();
  });

  it('counts over time, by what was decided, in the span that is asked for', async () => {
    const { audit, index } = await journal();
    audit.record({ kind: 'call', decision: 'allow' });
    clock.advance(60_000);
    audit.record({ kind: 'call', decision: 'deny' });
    audit.record({ kind: 'alert' });
    const { since, until, total, buckets } = await index().histogram({}, 2);
    expect({ total, buckets }).toEqual({
      total: 3,
      buckets: [
        { allow: 1, deny: 0, other: 0 },
        { allow: 0, deny: 1, other: 1 },
      ],
    });
    expect(Date.parse(until) - Date.parse(since)).toBe(60_000);
    expect((await index().histogram({ decision: 'deny' }, 3)).total).toBe(1);
    await audit[Symbol.asyncDispose]();
  });

  it('counts a long journal in slices: others have turns meanwhile, and the counts are those of the whole', async () => {
    const { audit, index } = await journal();
    const decisions = ['allow', 'deny', undefined] as const;
    const start = clock.now();
    const written = Array.from({ length: 6_000 }, (_, i) => {
      if (i % 60 === 0) clock.advance(600);
      const fields = { service: `s${i % 7}`, tool: i % 2 === 0 ? 'even water' : 'odd water' };
      audit.record({ kind: 'call', ...fields, ...defined({ decision: decisions[i % 3] }) });
      return { ...fields, atMs: clock.now(), decision: decisions[i % 3] ?? ('other' as const) };
    });
    // No edge of a part falls on a record then.
    clock.advance(333);
    const opened = index();
    await opened.search({});
    const since = new Date(start + 30_007).toISOString();
    const cases: [AuditQuery, (one: (typeof written)[number]) => boolean][] = [
      [{ kind: 'call' }, () => true],
      [{ service: 's3' }, ({ service }) => service === 's3'],
      [{ text: 'even wat' }, ({ tool }) => tool === 'even water'],
      [
        { since, text: 'odd', decision: 'deny' },
        (one) => one.atMs >= start + 30_007 && one.tool === 'odd water' && one.decision === 'deny',
      ],
      [{ text: 'nobody' }, () => false],
    ];
    for (const [query, matches] of cases) {
      let turns = 0;
      let running = true;
      const turn = (): void => {
        turns += 1;
        if (running) setImmediate(turn);
      };
      setImmediate(turn);
      const { total, buckets, since: from, until } = await opened.histogram(query, 4);
      running = false;
      const expected = written.filter(matches);
      const width = (Date.parse(until) - Date.parse(from)) / 4;
      const counts = Array.from({ length: 4 }, () => ({ allow: 0, deny: 0, other: 0 }));
      for (const { atMs, decision } of expected) {
        counts[Math.min(3, Math.floor((atMs - Date.parse(from)) / width))]![decision] += 1;
      }
      expect({ total, turns: turns > 1 }, JSON.stringify(query)).toEqual({ total: expected.length, turns: true });
      expect(buckets, JSON.stringify(query)).toEqual(counts);
    }
    await audit[Symbol.asyncDispose]();
  });

  it('stops counting when nobody wants to know any more, or when it is closed', async () => {
    const { audit, index } = await journal();
    for (let i = 0; i < 6_000; i += 1) audit.record({ kind: 'call', tool: 'search' });
    const opened = index();
    await opened.search({});
    const wanted = new AbortController();
    const counting = opened.histogram({ text: 'search' }, 2, wanted.signal);
    setImmediate(() => wanted.abort(new Error('gone')));
    await expect(counting).rejects.toThrow('gone');
    const last = opened.histogram({ text: 'search' }, 2);
    setImmediate(() => opened[Symbol.dispose]());
    await expect(last).rejects.toMatchObject({ code: 'base.closed' });
    await audit[Symbol.asyncDispose]();
  });

  it('walks all that a search finds, oldest first, as the journal has it', async () => {
    const { audit, index } = await journal();
    for (let i = 0; i < 2_500; i += 1) audit.record({ kind: 'call', service: `s${i % 2}` });
    const lines: string[] = [];
    for await (const { line, record } of index().walk({ service: 's1' })) {
      expect(JSON.parse(line)).toEqual(record);
      lines.push(line);
    }
    expect(lines).toHaveLength(1_250);
    const seqs = lines.map((line) => (JSON.parse(line) as { seq: number }).seq);
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    await audit[Symbol.asyncDispose]();
  });

  it('pages with beforeSeq and bounds with since and until', async () => {
    const { audit, index } = await journal();
    for (let i = 0; i < 10; i += 1) {
      audit.record({ kind: 'verdict' });
      clock.advance(1000);
    }
    const opened = index();
    const page = await opened.search({ limit: 4 });
    const next = await opened.search({ limit: 4, beforeSeq: page.at(-1)?.seq });
    expect([...page, ...next].map((record) => record.seq)).toEqual([10, 9, 8, 7, 6, 5, 4, 3]);
    const since = page.at(-1)?.at;
    expect((await opened.search({ since })).length).toBe(4);
    await audit[Symbol.asyncDispose]();
  });

  it('is rebuilt from the journal when it is lost, damaged or of another version', async () => {
    const { audit, index, stateDirectory } = await journal();
    for (let i = 0; i < 20; i += 1) audit.record({ kind: 'verdict', service: 'web' });
    const first = index();
    expect((await first.search({ service: 'web' })).length).toBe(20);
    first[Symbol.dispose]();
    // On Windows nobody replaces it before what was made on it is collected.
    for (const suffix of ['', '-wal', '-shm']) await removeTree(join(stateDirectory, `audit-index.db${suffix}`));
    await writeFile(join(stateDirectory, 'audit-index.db'), 'not a database at all, and long enough to be looked at');
    expect((await index().search({ service: 'web' })).length).toBe(20);
    await audit[Symbol.asyncDispose]();
  });

  it('is rebuilt for another version without being opened as what it is', async () => {
    const { audit, index, stateDirectory } = await journal();
    audit.record({ kind: 'verdict', service: 'web' });
    const first = index();
    expect((await first.search({ service: 'web' })).length).toBe(1);
    first[Symbol.dispose]();
    const path = join(stateDirectory, 'audit-index.db');
    const file = await readFile(path);
    // The user version of SQLite's header.
    file.writeUInt32BE(99, 60);
    for (const suffix of ['', '-wal', '-shm']) await removeTree(path + suffix);
    await writeFile(path, file);
    expect((await index().search({ service: 'web' })).length).toBe(1);
    expect((await readFile(path)).readUInt32BE(60)).toBe(1);
    await audit[Symbol.asyncDispose]();
  });

  it('leaves out a damaged line and finds those after it', async () => {
    const { audit, index, stateDirectory } = await journal();
    audit.record({ kind: 'verdict', service: 'before' });
    const [file] = await readdir(auditDirectory(stateDirectory));
    await appendFile(join(auditDirectory(stateDirectory), file ?? ''), 'garbage\n');
    audit.record({ kind: 'verdict', service: 'after' });
    const opened = index();
    expect((await opened.search({})).map((record) => record['service'])).toEqual(['after', 'before']);
    await audit[Symbol.asyncDispose]();
  });
});
