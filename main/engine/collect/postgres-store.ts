/**
 * The fleet's record in PostgreSQL, for those who outgrow one machine: records partitioned by the day they came in, let go of by dropping
 * days, several collectors on one database. Which collector writes a device's journal is settled by the device's own row.
 */
import pg from 'pg';
import type { ChainedRecord } from '../../audit/chain.ts';
import { parseSigners } from '../../audit/signers.ts';
import { TunnelerError } from '../../base/errors.ts';
import {
  queryWords,
  searchColumns,
  wordsOf,
  type FleetAck,
  type FleetAlert,
  type FleetDevice,
  type FleetHit,
  type FleetOrder,
  type FleetQuery,
  type FleetRecord,
  type FleetStore,
  type NewDevice,
} from './fleet-store.ts';
import { conditionsFor, partitionOf, partitionStart, postgresSchema } from './postgres-schema.ts';

/** OID of `bigint`; our numbers are far below 2^53. Source: PostgreSQL src/include/catalog/pg_type.dat. */
const bigintOid = 20;
/** Held while tables are made: two collectors that start at once must not trip over each other. */
const schemaLock = 0x63756c76;
const maxConnections = 8;
const connectTimeoutMs = 10_000;

/** Connect, and make the tables where they lack. Throws `engine.state_unusable`. */
export async function openPostgresStore(url: string): Promise<FleetStore> {
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    connectionTimeoutMillis: connectTimeoutMs,
    types: {
      getTypeParser: (oid: number, format?: string) =>
        oid === bigintOid ? (text: string) => Number(text) : (pg.types.getTypeParser(oid, format as 'text') as never),
    },
  });
  // A database that went away shows at the next query, which fails; the device is told nothing was kept, and sends again.
  pool.on('error', () => undefined);
  try {
    await inTransaction(pool, async (client) => {
      await client.query('select pg_advisory_xact_lock($1)', [schemaLock]);
      await client.query(postgresSchema);
    });
  } catch (error) {
    await pool.end();
    throw new TunnelerError('engine.state_unusable', `the fleet's database: ${(error as Error).message}`, {
      cause: error,
      details: { next: 'check the URL of --database, and that the database is there' },
    });
  }
  return new PostgresFleetStore(pool);
}

interface DeviceRow {
  readonly id: number;
  readonly origin: string;
  readonly branch: number;
  readonly name: string;
  readonly asserted: FleetDevice['asserted'];
  readonly signers: string;
  readonly count: number;
  readonly head: string;
  readonly first_seen: number;
  readonly last_seen: number;
  readonly clock_offset: number;
}

class PostgresFleetStore implements FleetStore {
  readonly #pool: pg.Pool;
  readonly #partitions = new Set<string>();

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async devices(): Promise<readonly FleetDevice[]> {
    const { rows } = await this.#pool.query<DeviceRow>('select * from devices order by name, origin, branch');
    return rows.flatMap((row) => toDevice(row) ?? []);
  }

  async addDevice(device: NewDevice): Promise<FleetDevice> {
    const { origin, branch, name, asserted, signers, count, head, nowMs } = device;
    const { rows } = await this.#pool.query<{ id: number }>(
      `insert into devices (origin, branch, name, asserted, signers, count, head, first_seen, last_seen, clock_offset)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $8, 0) returning id`,
      [origin, branch, name, asserted, JSON.stringify(signers), count, head, nowMs],
    );
    const id = rows[0]?.id ?? 0;
    const seen = { firstSeenMs: nowMs, lastSeenMs: nowMs, clockOffsetMs: 0 };
    return { id, origin, branch, name, asserted, signers, count, head, ...seen };
  }

  async see(id: number, seen: Parameters<FleetStore['see']>[1]): Promise<void> {
    const { name, asserted, signers, lastSeenMs, clockOffsetMs } = seen;
    await this.#pool.query(
      'update devices set name = $2, asserted = $3, signers = $4, last_seen = $5, clock_offset = $6 where id = $1',
      [id, name, asserted, JSON.stringify(signers), lastSeenMs, Math.round(clockOffsetMs)],
    );
  }

  async append(id: number, records: readonly FleetRecord[], receivedAtMs: number): Promise<void> {
    const first = records[0]?.record;
    const last = records.at(-1)?.record;
    if (first === undefined || last === undefined) return;
    await this.#partitionFor(receivedAtMs);
    const columns = searchColumns.map((column) =>
      records.map(({ record }) => (typeof record[column] === 'string' ? record[column] : null)),
    );
    await inTransaction(this.#pool, async (client) => {
      // Two collectors that think they have the same device: whoever is second finds the row moved on, and writes nothing.
      const moved = await client.query(
        'update devices set count = $2, head = $3, last_seen = $4 where id = $1 and (count = $5 or count = 0)',
        [id, last.seq, last.hash, receivedAtMs, first.seq - 1],
      );
      if (moved.rowCount !== 1) throw new Error('another collector writes this device');
      await client.query(
        `insert into records (device, received, seq, at, line, words, ${searchColumns.join(', ')})
         select $1, $2, seq, at, line, to_tsvector('simple', words), ${searchColumns.join(', ')}
         from unnest($3::bigint[], $4::text[], $5::text[], $6::text[], ${searchColumns.map((_, i) => `$${i + 7}::text[]`).join(', ')})
           as t (seq, at, line, words, ${searchColumns.join(', ')})`,
        [
          id,
          receivedAtMs,
          records.map(({ record }) => record.seq),
          records.map(({ record }) => record.at),
          records.map(({ line }) => line),
          records.map(({ record }) => queryWords(wordsOf(record)).join(' ')),
          ...columns,
        ],
      );
    });
  }

  async hashAt(id: number, seq: number): Promise<string | undefined> {
    const { rows } = await this.#pool.query<{ line: string }>(
      'select line from records where device = $1 and seq = $2 limit 1',
      [id, seq],
    );
    const line = rows[0]?.line;
    return line === undefined ? undefined : (JSON.parse(line) as ChainedRecord).hash;
  }

  async read(id: number, seq: number, most: number): Promise<readonly ChainedRecord[]> {
    const { rows } = await this.#pool.query<{ line: string }>(
      'select line from records where device = $1 and seq > $2 order by seq limit $3',
      [id, seq, most],
    );
    return rows.map(({ line }) => JSON.parse(line) as ChainedRecord);
  }

  async addNote(id: number, { count, head, text, atMs }: Parameters<FleetStore['addNote']>[1]): Promise<void> {
    await this.#pool.query(
      'insert into notes (device, count, note, at) values ($1, $2, $3, $4) on conflict do nothing',
      [id, count, text, atMs],
    );
    await this.#pool.query('update devices set count = $2, head = $3, last_seen = $4 where id = $1 and count < $2', [
      id,
      count,
      head,
      atMs,
    ]);
  }

  async notes(id: number): Promise<readonly string[]> {
    const { rows } = await this.#pool.query<{ note: string }>(
      'select note from notes where device = $1 order by count',
      [id],
    );
    return rows.map(({ note }) => note);
  }

  async search(query: FleetQuery): Promise<readonly FleetHit[]> {
    const { where, values } = conditionsFor(query);
    const { rows } = await this.#pool.query<{
      name: string;
      origin: string;
      branch: number;
      received: number;
      line: string;
    }>(
      `select d.name, d.origin, d.branch, r.received, r.line from records r join devices d on d.id = r.device
       ${where} order by r.received desc, r.id desc limit $${values.length + 1}`,
      [...values, query.limit ?? 100],
    );
    return rows.map(({ name, origin, branch, received, line }) => ({
      device: name,
      origin,
      branch,
      receivedAt: new Date(received).toISOString(),
      record: JSON.parse(line) as ChainedRecord,
    }));
  }

  async addAlert({ at, device, origin, kind, text }: Omit<FleetAlert, 'id'>): Promise<void> {
    await this.#pool.query('insert into alerts (at, device, origin, kind, text) values ($1, $2, $3, $4, $5)', [
      at,
      device,
      origin,
      kind,
      text,
    ]);
  }

  async alerts(limit: number): Promise<readonly FleetAlert[]> {
    return (await this.#pool.query<FleetAlert>('select * from alerts order by id desc limit $1', [limit])).rows;
  }

  async addOrder({ id, at, action, subject, cause, text, signature }: FleetOrder): Promise<void> {
    await this.#pool.query(
      'insert into orders (id, at, action, subject, cause, text, signature) values ($1, $2, $3, $4, $5, $6, $7)',
      [id, at, action, subject, cause, text, signature],
    );
  }

  async orders(): Promise<readonly FleetOrder[]> {
    return (await this.#pool.query<FleetOrder>('select * from orders order by at, id')).rows;
  }

  async addAck({ order, device, at, receivedAtMs, outcome }: FleetAck): Promise<void> {
    await this.#pool.query(
      'insert into acks (order_id, device, at, received, outcome) values ($1, $2, $3, $4, $5) on conflict do nothing',
      [order, device, at, receivedAtMs, outcome],
    );
  }

  async acks(): Promise<readonly FleetAck[]> {
    const { rows } = await this.#pool.query<FleetAck>(
      'select order_id as "order", device, at, received as "receivedAtMs", outcome from acks',
    );
    return rows;
  }

  /** Whole days; the day that `beforeMs` falls into stays. */
  async retire(beforeMs: number): Promise<void> {
    const { rows } = await this.#pool.query<{ name: string }>(
      `select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
       where i.inhparent = 'records'::regclass`,
    );
    for (const { name } of rows.filter((row) => row.name < partitionOf(beforeMs))) {
      await this.#pool.query(`drop table if exists ${pg.escapeIdentifier(name)}`);
      this.#partitions.delete(name);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.end();
  }

  async #partitionFor(atMs: number): Promise<void> {
    const name = partitionOf(atMs);
    if (this.#partitions.has(name)) return;
    const from = partitionStart(atMs);
    const to = partitionStart(from + 36 * 3_600_000);
    await inTransaction(this.#pool, async (client) => {
      await client.query('select pg_advisory_xact_lock($1)', [schemaLock]);
      await client.query(
        `create table if not exists ${pg.escapeIdentifier(name)} partition of records for values from (${from}) to (${to})`,
      );
    });
    this.#partitions.add(name);
  }
}

async function inTransaction<T>(pool: pg.Pool, act: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    const result = await act(client);
    await client.query('commit');
    client.release();
    return result;
  } catch (error) {
    // A connection whose transaction broke is not used again.
    client.release(true);
    throw error;
  }
}

function toDevice(row: DeviceRow): FleetDevice | undefined {
  const signers = parseSigners(JSON.parse(row.signers));
  if (signers === undefined) return undefined;
  const { id, origin, branch, name, asserted, count, head } = row;
  const seen = { firstSeenMs: row.first_seen, lastSeenMs: row.last_seen, clockOffsetMs: row.clock_offset };
  return { id, origin, branch, name, asserted, signers, count, head, ...seen };
}
