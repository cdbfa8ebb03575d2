import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSigners } from '../../main/audit/signers.ts';
import type { Collector } from '../../main/engine/collect/collector.ts';
import { RecordLink } from '../../main/engine/record/record-link.ts';
import { publicSigners } from '../../main/engine/record/record-protocol.ts';
import { callWitness } from '../../main/engine/record/witness-call.ts';
import { verifyJournal } from '../../main/engine/record/verify-journal.ts';
import { ask, callDeps, dialRequest, newWitnessKey, openCollector, startSending } from '../support/collect-world.ts';
import { ManualClock } from '../support/manual-clock.ts';
import {
  enrolIdentity,
  journalRows,
  openSignedJournal,
  rewriteJournal,
  testUnlock,
  type SignedJournal,
} from '../support/signed-journal.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

async function newDevice(state: string): Promise<SignedJournal> {
  const journal = await openSignedJournal(state);
  await enrolIdentity(journal, 'edge-box');
  return journal;
}

function write(journal: SignedJournal, records: number, word = 'service'): Promise<void> {
  for (let i = 1; i <= records; i += 1) {
    journal.audit.record({ kind: 'verdict', service: `${word} ${i}`, decision: i % 5 === 0 ? 'deny' : 'allow' });
  }
  return journal.audit.checkpoint();
}

async function keptOf(collector: Collector, name: string): Promise<number> {
  return (await collector.devices()).find((device) => device.name === name)?.records ?? 0;
}

/** All that a device has so far is kept. */
async function caughtUp(collector: Collector, name: string, journal: SignedJournal): Promise<void> {
  await until(async () => (await keptOf(collector, name)) === journal.audit.head().count, 10_000);
}

describe('a collector', () => {
  it('keeps what a device sends, finds it again and countersigns it', async () => {
    const state = temporaryDirectory('device');
    await using collector = openCollector(temporaryDirectory('desk'));
    await using journal = await newDevice(state);
    await using _device = startSending(state, 'edge-box', journal, () => collector);
    await write(journal, 20);
    await caughtUp(collector, 'edge-box', journal);

    expect(await collector.devices()).toMatchObject([
      { name: 'edge-box', asserted: 'router', state: 'connected', records: journal.audit.head().count, branches: 1 },
    ]);
    const denied = await collector.search({ kind: 'verdict', decision: 'deny' });
    expect(denied.map(({ record }) => record['service'])).toEqual([
      'service 20',
      'service 15',
      'service 10',
      'service 5',
    ]);
    expect(await collector.search({ text: 'service 17' })).toHaveLength(1);
    expect(await collector.search({ device: 'another' })).toEqual([]);

    const answer = await ask(state, 'edge-box', journal, collector);
    expect(await verifyJournal(state, answer)).toMatchObject({ ok: true, witness: { lost: 0 } });
    expect(answer.journals[0]?.notes.length).toBeGreaterThan(0);
  });

  it('goes on where it stopped, and misses nothing that came meanwhile', async () => {
    const state = temporaryDirectory('device');
    const desk = temporaryDirectory('desk');
    const key = newWitnessKey();
    let collector = openCollector(desk, { key: () => Promise.resolve(key) });
    await using journal = await newDevice(state);
    await using _device = startSending(state, 'edge-box', journal, () => collector);
    await write(journal, 10);
    await caughtUp(collector, 'edge-box', journal);
    await collector[Symbol.asyncDispose]();

    await write(journal, 10);
    collector = openCollector(desk, { key: () => Promise.resolve(key) });
    await caughtUp(collector, 'edge-box', journal);
    const all = await collector.search({ limit: 1000 });
    expect(all.map(({ record }) => record.seq).reverse()).toEqual(journalRows(state).map(({ seq }) => seq));
    expect(await collector.alerts(10)).toEqual([]);
    await collector[Symbol.asyncDispose]();
  });

  it('names a device that comes back with less, keeps both, and the device learns of it', async () => {
    const state = temporaryDirectory('device');
    const older = join(temporaryDirectory('copy'), 'state');
    await using collector = openCollector(temporaryDirectory('desk'));
    {
      await using journal = await newDevice(state);
      await using _device = startSending(state, 'edge-box', journal, () => collector);
      await write(journal, 5);
      cpSync(state, older, { recursive: true });
      await write(journal, 20);
      await caughtUp(collector, 'edge-box', journal);
    }
    const kept = await keptOf(collector, 'edge-box');
    rmSync(state, { recursive: true });
    cpSync(older, state, { recursive: true });

    await using journal = await openSignedJournal(state);
    await using device = startSending(state, 'edge-box', journal, () => collector);
    await until(async () => (await collector.devices())[0]?.branches === 2);
    expect(await collector.alerts(10)).toMatchObject([{ kind: 'less', device: 'edge-box' }]);
    expect(device.alerts[0]).toContain('some are lost');
    const answer = await ask(state, 'edge-box', journal, collector);
    const verdict = await verifyJournal(state, answer);
    expect(verdict).toMatchObject({ ok: false, firstBad: { code: 'audit.fault.witness_lost' } });
    expect(verdict.witness?.seen).toBeLessThanOrEqual(kept);
    // Both journals are kept.
    expect(new Set((await collector.search({ limit: 1000 })).map(({ branch }) => branch))).toEqual(new Set([1, 2]));
  });

  it('names a device that forks its journal', async () => {
    const state = temporaryDirectory('device');
    const twin = join(temporaryDirectory('copy'), 'state');
    await using collector = openCollector(temporaryDirectory('desk'));
    {
      await using journal = await newDevice(state);
      await write(journal, 5);
      cpSync(state, twin, { recursive: true });
      await using _device = startSending(state, 'edge-box', journal, () => collector);
      await write(journal, 10);
      await caughtUp(collector, 'edge-box', journal);
    }
    await using journal = await openSignedJournal(twin);
    await write(journal, 30, 'other');
    await using _device = startSending(twin, 'edge-box', journal, () => collector);
    await until(async () => (await collector.alerts(10)).length > 0);
    expect(await collector.alerts(10)).toMatchObject([{ kind: 'forked', device: 'edge-box' }]);
    const verdict = await verifyJournal(twin, await ask(twin, 'edge-box', journal, collector));
    expect(verdict).toMatchObject({ ok: false, firstBad: { code: 'audit.fault.witness_changed' } });
  });

  it('knows a device that begins its journal anew by the identity that vouches', async () => {
    const state = temporaryDirectory('device');
    await using collector = openCollector(temporaryDirectory('desk'));
    {
      await using journal = await newDevice(state);
      await using _device = startSending(state, 'edge-box', journal, () => collector);
      await write(journal, 20);
      await caughtUp(collector, 'edge-box', journal);
    }
    for (const left of ['audit', 'audit-anchor.json', 'audit-signers.json'])
      rmSync(join(state, left), { recursive: true });
    await using journal = await openSignedJournal(state);
    const record = await journal.store.get('edge-box');
    await journal.journalKey.identityOpened(record, await journal.store.openKey(record, testUnlock), testUnlock);
    await write(journal, 2);
    expect(await verifyJournal(state)).toMatchObject({ ok: true });
    const verdict = await verifyJournal(state, await ask(state, 'edge-box', journal, collector));
    expect(verdict).toMatchObject({ ok: false, firstBad: { code: 'audit.fault.witness_other' } });
  });

  it('takes no altered record, and says whose it was', async () => {
    const state = temporaryDirectory('device');
    await using collector = openCollector(temporaryDirectory('desk'));
    await using journal = await newDevice(state);
    await write(journal, 10);
    rewriteJournal(state, (rows) => rows.map((row) => (row.seq === 7 ? { ...row, service: 'another' } : row)));
    await using _device = startSending(state, 'edge-box', journal, () => collector);
    await until(async () => (await collector.alerts(10)).length > 0);
    expect((await collector.alerts(10))[0]).toMatchObject({ kind: 'tampered', device: 'edge-box' });
  });

  it('hears nobody who does not hold the key he names', async () => {
    const state = temporaryDirectory('device');
    const thief = temporaryDirectory('thief');
    await using collector = openCollector(temporaryDirectory('desk'));
    await using journal = await newDevice(state);
    await write(journal, 3);
    await using other = await newDevice(thief);
    const signers = readSigners(state);
    if (signers === undefined || signers === 'damaged') throw new Error('the journal is signed');
    const line = new RecordLink(await collector.answer(dialRequest('edge-box'), new AbortController().signal));
    const hello = { type: 'hello', version: 1, purpose: 'ask', certificates: [], at: new Date().toISOString() };
    await line.send({ ...hello, signers: publicSigners(signers) });
    expect(JSON.parse((await line.next()) ?? '')).toMatchObject({ type: 'challenge' });
    const signature = await (await other.journalKey.signer())?.sign(Buffer.from('whatever'));
    await line.send({ type: 'proof', signature: Buffer.from(signature ?? []).toString('base64') });
    expect(JSON.parse((await line.next()) ?? '')).toMatchObject({ type: 'conflict' });
    expect(await collector.devices()).toEqual([]);
  });

  it('alerts where a device falls silent, and where it is back', async () => {
    const clock = new ManualClock();
    const state = temporaryDirectory('device');
    await using collector = openCollector(temporaryDirectory('desk'), { clock, silentAfterMs: 60_000 });
    await using journal = await newDevice(state);
    {
      await using _device = startSending(state, 'edge-box', journal, () => collector);
      await caughtUp(collector, 'edge-box', journal);
    }
    await until(async () => (await collector.devices())[0]?.state === 'away');
    clock.advance(70_000);
    await until(async () => (await collector.devices())[0]?.state === 'silent');
    await using _device = startSending(state, 'edge-box', journal, () => collector);
    await until(async () => (await collector.alerts(10)).length === 2);
    expect((await collector.alerts(10)).map(({ kind }) => kind)).toEqual(['back', 'silent']);
  });

  it('hands the desk’s orders to who is there, and to who was away', async () => {
    const state = temporaryDirectory('device');
    await using collector = openCollector(temporaryDirectory('desk'));
    await using journal = await newDevice(state);
    {
      await using device = startSending(state, 'edge-box', journal, () => collector);
      await caughtUp(collector, 'edge-box', journal);
      await collector.order('quarantine', 'service:plc', 'a drill');
      await until(async () => (await collector.orders())[0]?.devices[0]?.state === 'acknowledged');
      expect(device.orders[0]).toContain('service:plc');
    }
    await until(async () => (await collector.devices())[0]?.state === 'away');
    const missed = await collector.order('release', 'service:plc', 'the drill is over');
    expect(missed.devices).toMatchObject([{ device: 'edge-box', state: 'waiting' }]);
    await using device = startSending(state, 'edge-box', journal, () => collector);
    await until(async () => (await collector.orders())[1]?.devices[0]?.state === 'acknowledged');
    expect(device.orders).toHaveLength(1);
  });
});

describe('a witness', () => {
  it('countersigns heads alone, and names what a device lost since', async () => {
    const state = temporaryDirectory('device');
    const older = join(temporaryDirectory('copy'), 'state');
    await using witness = openCollector(temporaryDirectory('witness'), { wants: 'heads' });
    {
      await using journal = await newDevice(state);
      await using _device = startSending(state, 'edge-box', journal, () => witness);
      await write(journal, 5);
      cpSync(state, older, { recursive: true });
      await write(journal, 20);
      await until(async () => (await keptOf(witness, 'edge-box')) === journal.audit.head().count - 1);
      expect(await witness.search({})).toEqual([]);
      expect(await verifyJournal(state, await ask(state, 'edge-box', journal, witness))).toMatchObject({ ok: true });
    }
    await using journal = await openSignedJournal(older);
    const answer = await ask(older, 'edge-box', journal, witness);
    expect(await verifyJournal(older, answer)).toMatchObject({ firstBad: { code: 'audit.fault.witness_lost' } });
  });

  it('is held to the key it had first', async () => {
    const state = temporaryDirectory('device');
    await using first = openCollector(temporaryDirectory('witness'), { wants: 'heads' });
    await using impostor = openCollector(temporaryDirectory('impostor'), { wants: 'heads' });
    await using journal = await newDevice(state);
    await ask(state, 'edge-box', journal, first);
    const { signal } = new AbortController();
    await expect(
      callWitness(
        'ask',
        callDeps(state, 'edge-box', journal, () => impostor),
        signal,
      ),
    ).rejects.toMatchObject({ code: 'audit.witness_changed' });
  });
});
