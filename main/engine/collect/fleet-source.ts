/** The fleet's record as exporters read it: each device's own, in its order, all of them in turn. */
import type { ExportSource } from '../../audit/export/exporter.ts';
import type { ExportedRecord } from '../../audit/export/sink.ts';
import type { FleetStore } from './fleet-store.ts';

const batchRecords = 500;

/** Where a reader stands: after which record of each branch, and after how many of all. */
interface Cursor {
  readonly branches: Readonly<Record<string, number>>;
  readonly seq: number;
}

/** What is let go of before an exporter came to it is passed over. */
export function fleetSource(store: Pick<FleetStore, 'devices' | 'read'>): ExportSource {
  return {
    name: 'fleet',
    async read(cursor) {
      const from: Cursor = isCursor(cursor) ? cursor : { branches: {}, seq: 0 };
      const waiting = (await store.devices()).filter(({ id, count }) => count > (from.branches[id] ?? 0));
      // A part for each, so that nobody waits behind one who has much to say.
      const most = Math.ceil(batchRecords / Math.max(1, waiting.length));
      const records: ExportedRecord[] = [];
      const branches: Record<string, number> = { ...from.branches };
      for (const { id, name, count } of waiting) {
        const read = await store.read(id, branches[id] ?? 0, most);
        records.push(...read.map((record) => ({ record, device: name })));
        branches[id] = read.at(-1)?.seq ?? count;
      }
      const seq = from.seq + records.length;
      return { records, next: { branches, seq } satisfies Cursor, seq };
    },
  };
}

function isCursor(raw: unknown): raw is Cursor {
  const { branches, seq } = (raw ?? {}) as Partial<Cursor>;
  return (
    Number.isSafeInteger(seq) && typeof branches === 'object' && Object.values(branches).every(Number.isSafeInteger)
  );
}
