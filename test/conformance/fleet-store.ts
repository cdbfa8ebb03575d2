/** What every database of the fleet's record must do. */
import { generateKeyPairSync } from 'node:crypto';
import { expect, it } from 'vitest';
import { decodeLine, encodeRecord, genesisHash } from '../../main/audit/chain.ts';
import type { AuditEvent } from '../../main/audit/record.ts';
import type { SignersFile } from '../../main/audit/signers.ts';
import type { FleetRecord, FleetStore, NewDevice } from '../../main/engine/collect/fleet-store.ts';

const nowMs = Date.UTC(2026, 5, 1, 12);

function newSigners(): SignersFile {
  const { publicKey } = generateKeyPairSync('ed25519');
  const spki = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
  const key = { epoch: 1, publicKey: spki, keystore: 'file' as const, reference: '', madeAt: 'x', certificates: [] };
  return { version: 1, origin: `culvert.audit/${spki.slice(-12, -2).replace(/[^A-Za-z0-9]/g, 'x')}`, keys: [key] };
}

/** One that nobody has seen. */
export function newDevice(name: string): NewDevice {
  const signers = newSigners();
  return { origin: signers.origin, branch: 1, name, asserted: 'router', signers, count: 0, head: genesisHash, nowMs };
}

/** Chained records of these events, from `seq` on. */
export function chainOf(events: readonly AuditEvent[], from = { seq: 1, prev: genesisHash }): FleetRecord[] {
  let { seq, prev } = from;
  return events.map((event) => {
    const { line, hash } = encodeRecord(seq, new Date(nowMs + seq).toISOString(), event, prev);
    const decoded = decodeLine(line.trimEnd());
    if ('fault' in decoded) throw new Error('what was encoded here can be read');
    seq += 1;
    prev = hash;
    return { record: decoded.record, line: line.trimEnd() };
  });
}

/** Each test opens a store of its own, empty. */
export function describeFleetStore(open: () => Promise<FleetStore>): void {
  it('keeps records with their device, and finds them by field, word, device and time', async () => {
    await using store = await open();
    const one = await store.addDevice(newDevice('edge-box'));
    const two = await store.addDevice(newDevice('laptop'));
    const records = chainOf([
      { kind: 'verdict', service: 'notes', decision: 'allow' },
      { kind: 'call', service: 'plc', tool: 'write_coil', decision: 'deny', agent: 'claude' },
      { kind: 'call', service: 'plc', tool: 'read_coil', decision: 'allow', agent: 'claude' },
    ]);
    await store.append(one.id, records, nowMs);
    await store.append(two.id, chainOf([{ kind: 'verdict', service: 'notes' }]), nowMs + 1);

    expect(await store.search({ decision: 'deny' })).toMatchObject([
      { device: 'edge-box', branch: 1, record: { seq: 2, tool: 'write_coil' } },
    ]);
    expect((await store.search({ text: 'coil' })).map(({ record }) => record.seq)).toEqual([3, 2]);
    expect((await store.search({ text: 'writ coi' })).map(({ record }) => record.seq)).toEqual([2]);
    expect((await store.search({ service: 'notes' })).map(({ device }) => device)).toEqual(['laptop', 'edge-box']);
    expect(await store.search({ device: 'laptop', limit: 10 })).toHaveLength(1);
    const { origin } = (await store.devices())[1] ?? {};
    expect((await store.search({ origin })).map(({ device }) => device)).toEqual(['laptop']);
    expect(await store.search({ since: new Date(nowMs + 3).toISOString() })).toHaveLength(1);
    expect(await store.search({ limit: 2 })).toHaveLength(2);
    expect(await store.hashAt(one.id, 2)).toBe(records[1]?.record.hash);
    expect((await store.read(one.id, 1, 10)).map(({ seq }) => seq)).toEqual([2, 3]);
    expect(await store.read(one.id, 0, 1)).toEqual([records[0]?.record]);
    expect(await store.read(two.id, 1, 10)).toEqual([]);
    expect(await store.devices()).toMatchObject([
      { name: 'edge-box', count: 3, head: records[2]?.record.hash },
      { name: 'laptop', count: 1 },
    ]);
  });

  it('keeps countersigned checkpoints, alerts, orders and acknowledgements', async () => {
    await using store = await open();
    const { id } = await store.addDevice(newDevice('edge-box'));
    await store.addNote(id, { count: 5, head: 'a'.repeat(64), text: 'five', atMs: nowMs });
    await store.addNote(id, { count: 3, head: 'b'.repeat(64), text: 'three', atMs: nowMs });
    expect(await store.notes(id)).toEqual(['three', 'five']);
    expect(await store.devices()).toMatchObject([{ count: 5 }]);
    await store.see(id, { ...newDevice('renamed'), lastSeenMs: nowMs + 9, clockOffsetMs: -250.4 });
    expect(await store.devices()).toMatchObject([{ name: 'renamed', lastSeenMs: nowMs + 9, clockOffsetMs: -250 }]);

    const alert = { at: '2026-06-01T12:00:00.000Z', device: 'edge-box', origin: 'o', kind: 'less' as const, text: 't' };
    await store.addAlert(alert);
    await store.addAlert({ ...alert, kind: 'back' });
    expect((await store.alerts(10)).map(({ kind }) => kind)).toEqual(['back', 'less']);
    expect(await store.alerts(1)).toHaveLength(1);

    const order = {
      id: 'one',
      at: alert.at,
      action: 'quarantine' as const,
      subject: 'app:x',
      cause: 'c',
      text: 't',
      signature: 's',
    };
    await store.addOrder(order);
    expect(await store.orders()).toEqual([order]);
    const ack = { order: 'one', device: 'o', at: alert.at, receivedAtMs: nowMs, outcome: 'quarantined' };
    await store.addAck(ack);
    await store.addAck({ ...ack, outcome: 'said twice' });
    expect(await store.acks()).toEqual([ack]);
  });

  it('keeps all of a batch or none of it', async () => {
    await using store = await open();
    const { id } = await store.addDevice(newDevice('edge-box'));
    const [first, second] = chainOf([{ kind: 'verdict' }, { kind: 'verdict' }]);
    if (first === undefined || second === undefined) throw new Error('two were made');
    await store.append(id, [first], nowMs);
    await expect(store.append(id, [first, second], nowMs)).rejects.toThrow();
    expect(await store.search({})).toHaveLength(1);
    await store.append(id, [second], nowMs);
    expect(await store.search({})).toHaveLength(2);
  });

  it('lets go of what came in long ago', async () => {
    await using store = await open();
    const { id } = await store.addDevice(newDevice('edge-box'));
    const records = chainOf([{ kind: 'verdict' }, { kind: 'call' }]);
    await store.append(id, records.slice(0, 1), nowMs);
    await store.append(id, records.slice(1), nowMs + 5 * 86_400_000);
    await store.retire(nowMs + 3 * 86_400_000);
    expect((await store.search({})).map(({ record }) => record.kind)).toEqual(['call']);
    expect(await store.devices()).toMatchObject([{ count: 2 }]);
  });
}
