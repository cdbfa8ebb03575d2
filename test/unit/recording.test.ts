import { execFile } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { Caller } from '../../main/api/call.ts';
import { systemClock } from '../../main/base/clock.ts';
import { silentLog } from '../../main/base/log.ts';
import { openPlc } from '../../main/cli/demo/plc.ts';
import { recordCalls } from '../../main/engine/calls/record-calls.ts';
import { Capture } from '../../main/recording/pcapng.ts';
import { recordingKey } from '../../main/recording/recording-key.ts';
import { openRecordings, type Recordings } from '../../main/recording/recordings.ts';
import { openGuardedPort } from '../support/guarded-port.ts';
import { mustSkip } from '../support/optional.ts';
import { MemoryAudit } from '../support/session-world.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { toolsMissing } from '../support/tools.ts';

const frame = (transaction: number, ...pdu: readonly number[]): Buffer =>
  Buffer.from([0, transaction, 0, 0, 0, pdu.length + 1, 1, ...pdu]);

interface World {
  readonly directory: string;
  readonly audit: MemoryAudit;
  readonly recordings: Recordings;
  readonly cuts: string[];
}

function openWorld(passphrase: string | undefined, kept: { keepMs?: number; maxBytes?: number } = {}): World {
  const directory = join(temporaryDirectory('recordings'), 'recordings');
  const audit = new MemoryAudit();
  const cuts: string[] = [];
  const key = recordingKey(directory, {
    now: () => systemClock.now(),
    unlock: passphrase === undefined ? {} : { passphrase },
    keystore: () => Promise.resolve('file'),
  });
  const recordings = openRecordings({
    directory,
    key,
    audit,
    clock: systemClock,
    log: silentLog,
    ...kept,
    cut: (_session, why) => cuts.push(why.code ?? ''),
  });
  return { directory, audit, recordings, cuts };
}

/** A read, a refused write and a read, of a PLC hosted here; its recording is closed when this returns. */
async function session(world: World, record: unknown, direction: 'dial' | 'host' = 'host'): Promise<string> {
  await using plc = await openPlc();
  const terms = { modbus: { allow: 'read' }, record };
  const facts = { service: 'plc', direction, source: 'vendor', destination: '10.0.0.7:502' };
  {
    await using guarded = await openGuardedPort(plc.port, terms, { facts, tap: world.recordings.tap });
    const socket = createConnection({ host: '127.0.0.1', port: guarded.port });
    let got = 0;
    const done = new Promise<void>((resolve) => {
      socket.on('data', (chunk) => {
        got += chunk.length;
        if (got === 11 + 9 + 11) resolve();
      });
    });
    socket.write(Buffer.concat([frame(1, 3, 0, 40, 0, 1), frame(2, 6, 0, 40, 0, 42), frame(3, 3, 0, 41, 0, 1)]));
    await done;
    socket.destroy();
    await expect.poll(() => guarded.sessions.list()[0]?.state).toBe('closed');
  }
  await world.recordings[Symbol.asyncDispose]();
  const [known] = await world.recordings.list();
  return known?.session ?? '';
}

describe('recordings', () => {
  it('keep what was done and what flowed, sealed, with its hash in the journal', async () => {
    const world = openWorld('a passphrase');
    const id = await session(world, { values: true, pcap: true });
    const [known] = await world.recordings.list();
    expect(known).toMatchObject({
      service: 'plc',
      caller: 'vendor',
      destination: '10.0.0.7:502',
      calls: 3,
      pcap: true,
    });
    expect(known).toMatchObject({ truncated: false, endedAt: expect.any(String) as string });
    expect(world.audit.records).toMatchObject([
      { kind: 'recording.closed', session: id, service: 'plc', sha256: known?.sha256, calls: 3 },
    ]);
    const calls = await world.recordings.calls(id, 'ada');
    expect(calls).toMatchObject([
      { method: 'write-single-register', decision: 'deny', arguments: { registers: [{ address: 40, values: [42] }] } },
      { method: 'read-holding-registers', decision: 'allow' },
      { method: 'read-holding-registers', decision: 'allow' },
    ]);
    const capture = await world.recordings.capture(id, 'ada');
    expect(capture.readUInt32LE(0)).toBe(0x0a0d0d0a);
    expect(capture.includes(frame(1, 3, 0, 40, 0, 1))).toBe(true);
    // A refused write never reached the service, so it is among the calls alone.
    expect(capture.includes(frame(2, 6, 0, 40, 0, 42))).toBe(false);
    const sealed = readFileSync(join(world.directory, `${id}.rec`));
    expect(sealed.includes(frame(1, 3, 0, 40, 0, 1))).toBe(false);
    expect(sealed.includes('write-single-register')).toBe(false);
    expect(world.audit.kinds()).toEqual(['recording.closed', 'recording.read', 'recording.read']);
  });

  it.skipIf(mustSkip(toolsMissing('tcpdump')))('are captures that packet tools read', async () => {
    const file = join(temporaryDirectory('pcapng'), 'session.pcapng');
    const capture = new Capture('tcp', 502);
    const blocks = [
      ...capture.begin(1_700_000_000_123),
      ...capture.passed('client', frame(1, 3, 0, 40, 0, 1), 1_700_000_000_124),
      ...capture.passed('server', frame(1, 3, 2, 0, 7), 1_700_000_000_125),
      ...capture.end(1_700_000_000_126),
    ];
    writeFileSync(file, Buffer.concat(blocks));
    const { stdout } = await promisify(execFile)('tcpdump', ['-nn', '-tt', '-v', '-r', file]);
    const lines = stdout.split('\n').filter((line) => line.includes('Flags'));
    expect(lines).toHaveLength(6);
    expect(lines[3]).toMatch(
      /192\.0\.2\.1\.49152 > 192\.0\.2\.2\.502: Flags \[P\.\].*\(correct\).*seq 1:13, ack 1,.*length 12/,
    );
    expect(lines[4]).toMatch(
      /192\.0\.2\.2\.502 > 192\.0\.2\.1\.49152: Flags \[P\.\].*\(correct\).*seq 1:12, ack 13,.*length 11/,
    );
    expect(stdout).toContain('1700000000.124000');
  });

  it('show any change to what was kept', async () => {
    const world = openWorld('a passphrase');
    const id = await session(world, { pcap: true });
    const path = join(world.directory, `${id}.rec`);
    const whole = readFileSync(path);
    const altered = Buffer.from(whole);
    altered[altered.length - 30] = (altered[altered.length - 30] ?? 0) ^ 1;
    for (const bytes of [altered, whole.subarray(0, whole.length - 10), Buffer.concat([whole, Buffer.of(0)])]) {
      writeFileSync(path, bytes);
      await expect(world.recordings.calls(id, 'ada')).rejects.toMatchObject({ code: 'recording.unreadable' });
    }
    // Even with the list's own word changed, for the seal names the session and each part's place.
    writeFileSync(path, altered);
    const facts = join(world.directory, `${id}.json`);
    const { sha256: _sha256, ...rest } = JSON.parse(readFileSync(facts, 'utf8')) as Record<string, unknown>;
    writeFileSync(facts, JSON.stringify(rest));
    await expect(world.recordings.calls(id, 'ada')).rejects.toMatchObject({ code: 'recording.unreadable' });
    await expect(world.recordings.calls('nobody', 'ada')).rejects.toMatchObject({ code: 'recording.unknown' });
  });

  it('are made at the hosting end alone, and only where the contract asks', async () => {
    const world = openWorld('a passphrase');
    await session(world, { values: true, pcap: true }, 'dial');
    await session(world, { values: false });
    expect(await world.recordings.list()).toEqual([]);
    const id = await session(world, { values: true });
    await expect(world.recordings.capture(id, 'ada')).rejects.toMatchObject({ code: 'recording.no_packets' });
    expect(await world.recordings.calls(id, 'ada')).toHaveLength(3);
  });

  it.each([
    ['its time is over', { keepMs: 1 }],
    ['all together take more than they may', { maxBytes: 1 }],
  ])('go, with a record that they went, where %s', async (_why, kept) => {
    const world = openWorld('a passphrase', kept);
    await session(world, { values: true });
    expect(await world.recordings.list()).toEqual([]);
    expect(
      readdirSync(world.directory).filter((name) => /\.(?:rec|json)$/.test(name) && !name.includes('key')),
    ).toEqual([]);
    expect(world.audit.kinds()).toEqual(['recording.closed', 'recording.removed']);
  });

  const member = (uid: number): Caller => ({
    permission: 'operate',
    via: 'socket',
    uid,
    standing: { kind: 'member', uid, observes: false },
  });
  const root: Caller = { permission: 'administer', via: 'socket', uid: 0 };
  const readBy = async (world: World, id: string, readers: readonly string[] | undefined, caller: Caller) => {
    const calls = recordCalls({ recordings: world.recordings, audit: world.audit, readers });
    const context = { caller, signal: new AbortController().signal };
    const { calls: shown } = await calls.show({ session: id }, context);
    return shown.length;
  };

  it('are read by the readers whom the settings name, they alone; who is refused stands in the record', async () => {
    const world = openWorld('a passphrase');
    const id = await session(world, { values: true });
    expect(await readBy(world, id, ['70001'], member(70_001))).toBe(3);
    for (const other of [member(70_002), root, { permission: 'administer', via: 'console' } as const]) {
      await expect(readBy(world, id, ['70001'], other)).rejects.toMatchObject({ code: 'recording.not_reader' });
    }
    expect(world.audit.records).toMatchObject([
      { kind: 'recording.closed' },
      { kind: 'recording.read', session: id, by: '70001' },
      { kind: 'recording.refused', session: id, by: '70002' },
      { kind: 'recording.refused', session: id },
      { kind: 'recording.refused', session: id, by: 'console' },
    ]);
  });

  it('are read by whoever administers the engine where the settings name nobody', async () => {
    const world = openWorld('a passphrase');
    const id = await session(world, { values: true });
    expect(await readBy(world, id, undefined, root)).toBe(3);
    await expect(readBy(world, id, undefined, member(70_001))).rejects.toMatchObject({ code: 'engine.forbidden' });
    expect(world.audit.kinds().slice(1)).toEqual(['recording.read', 'recording.refused']);
  });

  it('cut a session that cannot be recorded', async () => {
    const world = openWorld(undefined);
    await session(world, { pcap: true });
    expect(world.cuts).toEqual(['session.not_recordable']);
    expect(readdirSync(world.directory).filter((name) => name.endsWith('.rec'))).toEqual([]);
  });
});
