import { appendFile, cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { auditAnchorPath } from '../../main/audit/anchor.ts';
import { auditDirectory, openAudit, type AuditOptions } from '../../main/audit/audit.ts';
import { verifyAudit } from '../../main/audit/verify.ts';
import { silentLog, type LogFields } from '../../main/base/log.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { isUnix, keepsModes } from '../support/modes.ts';

const newState = (): string => temporaryDirectory('audit');

function open(stateDirectory: string, options: AuditOptions = {}, clock = new ManualClock()) {
  return openAudit({ stateDirectory, clock, log: silentLog }, options);
}

const verify = (state: string) => verifyAudit(state, { identities: [] });

/** A closed journal of `count` verdicts. */
async function written(count: number, options: AuditOptions = {}): Promise<string> {
  const state = newState();
  const audit = open(state, options);
  for (let i = 1; i <= count; i += 1) audit.record({ kind: 'verdict', service: `service ${i}`, decision: 'allow' });
  await audit[Symbol.asyncDispose]();
  return state;
}

async function lines(state: string): Promise<{ path: string; lines: string[] }> {
  const [file] = await readdir(auditDirectory(state));
  const path = join(auditDirectory(state), file ?? '');
  return { path, lines: (await readFile(path, 'utf8')).split('\n').slice(0, -1) };
}

async function rewrite(state: string, change: (lines: string[]) => string[]): Promise<void> {
  const { path, lines: before } = await lines(state);
  await writeFile(
    path,
    change(before)
      .map((line) => `${line}\n`)
      .join(''),
  );
}

describe('audit journal', () => {
  it('numbers records from 1 without gaps and verifies', async () => {
    const state = await written(10);
    expect(await verify(state)).toMatchObject({ ok: true, count: 11, gaps: 0, checkpoints: 1 });
    const records = (await lines(state)).lines.map((line) => JSON.parse(line) as { seq: number });
    expect(records.map((record) => record.seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  it('continues its chain after a restart', async () => {
    const state = await written(3);
    const audit = open(state);
    expect(audit.record({ kind: 'verdict' }).seq).toBe(5);
    await audit[Symbol.asyncDispose]();
    expect(await verify(state)).toMatchObject({ ok: true, count: 6 });
  });

  it('tells of an anchor that cannot be written once a minute, not at every try', async () => {
    const state = newState();
    const clock = new ManualClock();
    const told: string[] = [];
    const log = { ...silentLog, error: (event: string) => void told.push(event) };
    const audit = openAudit({ stateDirectory: state, clock, log });
    await mkdir(join(auditAnchorPath(state), 'in the way'), { recursive: true });
    audit.record({ kind: 'verdict' });
    clock.advance(5_000);
    expect(told).toEqual(['audit.anchor_failed']);
    clock.advance(60_000);
    expect(told).toEqual(['audit.anchor_failed', 'audit.anchor_failed']);
    await rm(auditAnchorPath(state), { recursive: true });
    clock.advance(100);
    await audit[Symbol.asyncDispose]();
    expect(await verify(state)).toMatchObject({ ok: true });
  });

  it('cannot be told its number or hash by an event', async () => {
    const state = newState();
    const audit = open(state);
    audit.record({ kind: 'verdict', seq: 99, hash: 'x', prev: 'y', at: 'never', service: 's' });
    await audit[Symbol.asyncDispose]();
    expect(JSON.parse((await lines(state)).lines[0] ?? '')).toMatchObject({ seq: 1, service: 's' });
    expect((await verify(state)).ok).toBe(true);
  });

  it('is readable by its owner only', async () => {
    const state = await written(1);
    if (keepsModes) expect((await stat((await lines(state)).path)).mode & 0o777).toBe(0o600);
    if (keepsModes) expect((await stat(auditAnchorPath(state))).mode & 0o777).toBe(0o600);
  });

  it('rotates, retires the oldest and still verifies', async () => {
    const state = await written(400, { rotateBytes: 8192, keepFiles: 3 });
    const files = await readdir(auditDirectory(state));
    expect(files).toHaveLength(3);
    const verdict = await verify(state);
    expect(verdict.ok).toBe(true);
    expect(verdict.count).toBeLessThan(400);
    const audit = open(state, { rotateBytes: 8192, keepFiles: 3 });
    expect(audit.record({ kind: 'verdict' }).seq).toBe(402);
    await audit[Symbol.asyncDispose]();
    expect((await verify(state)).ok).toBe(true);
  });

  it('cuts a record that would be too large, and says so', async () => {
    const state = newState();
    const audit = open(state);
    audit.record({ kind: 'call', tool: 'search', arguments: 'x'.repeat(2 * 1024 * 1024) });
    await audit[Symbol.asyncDispose]();
    const record = JSON.parse((await lines(state)).lines[0] ?? '') as Record<string, unknown>;
    expect(record).toMatchObject({ tool: 'search', cutFromBytes: expect.any(Number) });
    expect(record['arguments']).toBeUndefined();
  });
});

describe('audit journal after a crash', () => {
  it('cuts a torn last record, counts it as a gap and verifies', async () => {
    const state = await written(5);
    const { path } = await lines(state);
    await appendFile(path, '{"seq":7,"at":"2026-');
    expect(await verify(state)).toMatchObject({ ok: false, firstBad: { seq: 7 } });
    const audit = open(state);
    await audit[Symbol.asyncDispose]();
    expect(await verify(state)).toMatchObject({ ok: true, gaps: 1 });
  });

  it('keeps what was recorded when it is not closed', async () => {
    const state = newState();
    const audit = open(state);
    for (let i = 0; i < 50; i += 1) audit.record({ kind: 'verdict' });
    // No close: what kill -9 leaves.
    expect(await verify(state)).toMatchObject({ count: 50 });
    const next = open(state);
    expect(next.record({ kind: 'verdict' }).seq).toBe(51);
    await next[Symbol.asyncDispose]();
    expect(await verify(state)).toMatchObject({ ok: true, count: 52 });
  });
});

describe('audit verify names the first bad record', () => {
  it('flipped', async () => {
    const state = await written(10);
    await rewrite(state, (all) => all.map((line, i) => (i === 3 ? line.replace('service 4', 'service 5') : line)));
    expect(await verify(state)).toMatchObject({
      ok: false,
      firstBad: { seq: 4, reason: 'its content was altered' },
    });
  });

  it('dropped', async () => {
    const state = await written(10);
    await rewrite(state, (all) => all.filter((_, i) => i !== 4));
    expect(await verify(state)).toMatchObject({ ok: false, firstBad: { seq: 5, reason: 'it is missing' } });
  });

  it('swapped', async () => {
    const state = await written(10);
    await rewrite(state, (all) => [...all.slice(0, 2), all[3] ?? '', all[2] ?? '', ...all.slice(4)]);
    expect(await verify(state)).toMatchObject({ ok: false, firstBad: { seq: 3 } });
  });

  it('inserted twice', async () => {
    const state = await written(10);
    await rewrite(state, (all) => [...all.slice(0, 3), all[2] ?? '', ...all.slice(3)]);
    expect(await verify(state)).toMatchObject({ ok: false, firstBad: { seq: 4 } });
  });

  it('cut, be it by one record', async () => {
    const state = await written(10);
    await rewrite(state, (all) => all.slice(0, -1));
    expect(await verify(state)).toMatchObject({ ok: false, firstBad: { seq: 11 } });
  });

  it('cut, then written on by the engine', async () => {
    const state = await written(10);
    await rewrite(state, (all) => all.slice(0, 6));
    const audit = open(state);
    audit.record({ kind: 'verdict' });
    await audit[Symbol.asyncDispose]();
    expect(await verify(state)).toMatchObject({ ok: false, firstBad: { seq: 7, reason: 'it is missing' } });
  });

  it('put back to an older copy', async () => {
    const state = await written(5);
    const copy = newState();
    await cp(auditDirectory(state), join(copy, 'old'), { recursive: true });
    const audit = open(state);
    for (let i = 0; i < 5; i += 1) audit.record({ kind: 'verdict' });
    await audit[Symbol.asyncDispose]();
    await rm(auditDirectory(state), { recursive: true });
    await cp(join(copy, 'old'), auditDirectory(state), { recursive: true });
    expect(await verify(state)).toMatchObject({ ok: false, firstBad: { seq: 7 } });
  });

  it('emptied, or left without its anchor', async () => {
    const emptied = await written(5);
    await rm(auditDirectory(emptied), { recursive: true });
    expect(await verify(emptied)).toMatchObject({ ok: false, firstBad: { seq: 1 } });
    const loose = await written(5);
    await rm(auditAnchorPath(loose));
    expect(await verify(loose)).toMatchObject({ ok: false, firstBad: { seq: 6 } });
  });

  it('a journal never written is fine', async () => {
    expect(await verify(newState())).toMatchObject({ ok: true, count: 0 });
  });
});

describe('audit on a disk that refuses', () => {
  it.runIf(isUnix).each(['closed', 'open'] as const)('failing %s is what it says', async (onWriteFailure) => {
    const state = newState();
    const audit = open(state, { onWriteFailure, rotateBytes: 1024 });
    for (let i = 0; i < 5; i += 1) audit.record({ kind: 'verdict', service: 's' });
    // The next rotation finds no directory: the file system's refusal, as a full disk would be.
    await rm(auditDirectory(state), { recursive: true });
    const fill = (): void => {
      for (let i = 0; i < 20; i += 1) audit.record({ kind: 'verdict', service: 'x'.repeat(200) });
    };
    if (onWriteFailure === 'closed') {
      expect(fill).toThrowError(expect.objectContaining({ code: 'audit.write_failed' }) as Error);
    } else {
      expect(fill).not.toThrow();
      const { mkdir } = await import('node:fs/promises');
      await mkdir(auditDirectory(state));
      audit.record({ kind: 'verdict', service: 'x'.repeat(1200) });
      const { lines: kept } = await lines(state);
      expect(kept.map((line) => JSON.parse(line) as { kind: string }).some((record) => record.kind === 'gap')).toBe(
        true,
      );
    }
    await audit[Symbol.asyncDispose]();
  });

  it.runIf(isUnix)(
    'says in its log what could not be recorded of what has happened already, and nobody is stopped',
    async () => {
      const state = newState();
      const logged: unknown[] = [];
      const log = { ...silentLog, error: (event: string, fields?: LogFields) => void logged.push([event, fields]) };
      const audit = openAudit({ stateDirectory: state, clock: new ManualClock(), log }, { rotateBytes: 1024 });
      audit.recordOrLog({ kind: 'session.closed', session: 'ses_1', service: 'x'.repeat(1000) });
      expect(audit.head().count).toBe(1);
      await rm(auditDirectory(state), { recursive: true });
      audit.recordOrLog({ kind: 'session.closed', session: 'ses_2', service: 'x'.repeat(1000) });
      expect(logged).toEqual([
        [
          'audit.not_recorded',
          expect.objectContaining({ kind: 'session.closed', session: 'ses_2', code: 'audit.write_failed' }),
        ],
      ]);
      await audit[Symbol.asyncDispose]();
    },
  );
});
