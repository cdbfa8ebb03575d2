/** The fleet's record in one SQLite file beside the collector's state: what there is without a database of one's own. */
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
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

const schemaVersion = 1;
const createSchema = `
  create table devices (
    id integer primary key, origin text not null, branch integer not null, name text not null, asserted text not null, signers text not null,
    count integer not null, head text not null, first_seen integer not null, last_seen integer not null, clock_offset integer not null,
    unique (origin, branch)
  );
  create table records (
    id integer primary key, device integer not null, seq integer not null, at text not null, received integer not null, line text not null,
    ${searchColumns.map((column) => `${column} text`).join(', ')}, unique (device, seq)
  );
  ${searchColumns.map((column) => `create index by_${column} on records (${column}, id) where ${column} is not null;`).join('\n')}
  create index by_at on records (at);
  create virtual table words using fts5 (line, content='', columnsize=0, detail=none, contentless_delete=0);
  create table notes (device integer not null, count integer not null, note text not null, at integer not null, primary key (device, count)) without rowid;
  create table alerts (id integer primary key, at text not null, device text not null, origin text not null, kind text not null, text text not null);
  create table orders (id text primary key, at text not null, action text not null, subject text not null, cause text not null, text text not null, signature text not null);
  create table acks (order_id text not null, device text not null, at text not null, received integer not null, outcome text not null, primary key (order_id, device));
  pragma user_version = ${schemaVersion};
`;

/** Open or make the database under a state directory. Throws `engine.state_unusable`. */
export function openSqliteStore(stateDirectory: string): FleetStore {
  const path = join(stateDirectory, 'fleet.db');
  try {
    const database = new Database(path);
    chmodSync(path, 0o600);
    database.exec('pragma journal_mode = wal; pragma synchronous = normal; pragma busy_timeout = 5000');
    const version = (database.prepare('pragma user_version').get() as { user_version: number }).user_version;
    if (version === 0) database.exec(createSchema);
    else if (version !== schemaVersion) throw new Error(`it is of another version (${version})`);
    return new SqliteFleetStore(database);
  } catch (error) {
    throw new TunnelerError('engine.state_unusable', `the fleet's database ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
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

class SqliteFleetStore implements FleetStore {
  readonly #database: Database.Database;
  readonly #insert: Database.Statement;
  readonly #insertWords: Database.Statement;
  readonly #move: Database.Statement;

  constructor(database: Database.Database) {
    this.#database = database;
    this.#insert = database.prepare(
      `insert into records (device, seq, at, received, line, ${searchColumns.join(', ')})
       values (?, ?, ?, ?, ?, ${searchColumns.map(() => '?').join(', ')})`,
    );
    this.#insertWords = database.prepare('insert into words (rowid, line) values (?, ?)');
    this.#move = database.prepare('update devices set count = ?, head = ?, last_seen = ? where id = ?');
  }

  devices(): Promise<readonly FleetDevice[]> {
    const rows = this.#database.prepare('select * from devices order by name, origin, branch').all() as DeviceRow[];
    return Promise.resolve(rows.flatMap((row) => toDevice(row) ?? []));
  }

  addDevice({ origin, branch, name, asserted, signers, count, head, nowMs }: NewDevice): Promise<FleetDevice> {
    const done = this.#database
      .prepare(
        `insert into devices (origin, branch, name, asserted, signers, count, head, first_seen, last_seen, clock_offset)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`,
      )
      .run(origin, branch, name, asserted, JSON.stringify(signers), count, head, nowMs, nowMs);
    const id = Number(done.lastInsertRowid);
    const seen = { firstSeenMs: nowMs, lastSeenMs: nowMs, clockOffsetMs: 0 };
    return Promise.resolve({ id, origin, branch, name, asserted, signers, count, head, ...seen });
  }

  see(
    id: number,
    { name, asserted, signers, lastSeenMs, clockOffsetMs }: Parameters<FleetStore['see']>[1],
  ): Promise<void> {
    this.#database
      .prepare('update devices set name = ?, asserted = ?, signers = ?, last_seen = ?, clock_offset = ? where id = ?')
      .run(name, asserted, JSON.stringify(signers), lastSeenMs, Math.round(clockOffsetMs), id);
    return Promise.resolve();
  }

  append(id: number, records: readonly FleetRecord[], receivedAtMs: number): Promise<void> {
    const last = records.at(-1)?.record;
    if (last === undefined) return Promise.resolve();
    this.#database.exec('begin immediate');
    try {
      for (const { record, line } of records) {
        const fields = searchColumns.map((column) => (typeof record[column] === 'string' ? record[column] : null));
        const { lastInsertRowid } = this.#insert.run(id, record.seq, record.at, receivedAtMs, line, ...fields);
        this.#insertWords.run(lastInsertRowid, wordsOf(record));
      }
      this.#move.run(last.seq, last.hash, receivedAtMs, id);
      this.#database.exec('commit');
    } catch (error) {
      this.#database.exec('rollback');
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
    return Promise.resolve();
  }

  hashAt(id: number, seq: number): Promise<string | undefined> {
    const row = this.#database.prepare('select line from records where device = ? and seq = ?').get(id, seq);
    return Promise.resolve(
      row === undefined ? undefined : (JSON.parse((row as { line: string }).line) as ChainedRecord).hash,
    );
  }

  read(id: number, seq: number, most: number): Promise<readonly ChainedRecord[]> {
    const rows = this.#database
      .prepare('select line from records where device = ? and seq > ? order by seq limit ?')
      .all(id, seq, most) as { line: string }[];
    return Promise.resolve(rows.map(({ line }) => JSON.parse(line) as ChainedRecord));
  }

  addNote(id: number, { count, head, text, atMs }: Parameters<FleetStore['addNote']>[1]): Promise<void> {
    this.#database
      .prepare('insert or ignore into notes (device, count, note, at) values (?, ?, ?, ?)')
      .run(id, count, text, atMs);
    this.#database
      .prepare('update devices set count = ?, head = ?, last_seen = ? where id = ? and count < ?')
      .run(count, head, atMs, id, count);
    return Promise.resolve();
  }

  notes(id: number): Promise<readonly string[]> {
    const rows = this.#database.prepare('select note from notes where device = ? order by count').all(id);
    return Promise.resolve((rows as { note: string }[]).map(({ note }) => note));
  }

  search(query: FleetQuery): Promise<readonly FleetHit[]> {
    const { where, values } = conditions(query);
    const rows = this.#database
      .prepare(
        `select d.name, d.origin, d.branch, r.received, r.line from records r join devices d on d.id = r.device
         ${where} order by r.id desc limit ?`,
      )
      .all(...values, query.limit ?? 100) as {
      name: string;
      origin: string;
      branch: number;
      received: number;
      line: string;
    }[];
    return Promise.resolve(
      rows.map(({ name, origin, branch, received, line }) => ({
        device: name,
        origin,
        branch,
        receivedAt: new Date(received).toISOString(),
        record: JSON.parse(line) as ChainedRecord,
      })),
    );
  }

  addAlert({ at, device, origin, kind, text }: Omit<FleetAlert, 'id'>): Promise<void> {
    this.#database
      .prepare('insert into alerts (at, device, origin, kind, text) values (?, ?, ?, ?, ?)')
      .run(at, device, origin, kind, text);
    return Promise.resolve();
  }

  alerts(limit: number): Promise<readonly FleetAlert[]> {
    const rows = this.#database.prepare('select * from alerts order by id desc limit ?').all(limit);
    return Promise.resolve(rows as FleetAlert[]);
  }

  addOrder({ id, at, action, subject, cause, text, signature }: FleetOrder): Promise<void> {
    this.#database
      .prepare('insert into orders (id, at, action, subject, cause, text, signature) values (?, ?, ?, ?, ?, ?, ?)')
      .run(id, at, action, subject, cause, text, signature);
    return Promise.resolve();
  }

  orders(): Promise<readonly FleetOrder[]> {
    return Promise.resolve(this.#database.prepare('select * from orders order by at, id').all() as FleetOrder[]);
  }

  addAck({ order, device, at, receivedAtMs, outcome }: FleetAck): Promise<void> {
    this.#database
      .prepare('insert or ignore into acks (order_id, device, at, received, outcome) values (?, ?, ?, ?, ?)')
      .run(order, device, at, receivedAtMs, outcome);
    return Promise.resolve();
  }

  acks(): Promise<readonly FleetAck[]> {
    const rows = this.#database.prepare('select * from acks').all() as {
      order_id: string;
      device: string;
      at: string;
      received: number;
      outcome: string;
    }[];
    return Promise.resolve(
      rows.map(({ order_id, device, at, received, outcome }) => ({
        order: order_id,
        device,
        at,
        receivedAtMs: received,
        outcome,
      })),
    );
  }

  retire(beforeMs: number): Promise<void> {
    this.#database.prepare('delete from records where received < ?').run(beforeMs);
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#database.close();
    return Promise.resolve();
  }
}

function toDevice(row: DeviceRow): FleetDevice | undefined {
  const signers = parseSigners(JSON.parse(row.signers));
  if (signers === undefined) return undefined;
  const { id, origin, branch, name, asserted, count, head } = row;
  const seen = { firstSeenMs: row.first_seen, lastSeenMs: row.last_seen, clockOffsetMs: row.clock_offset };
  return { id, origin, branch, name, asserted, signers, count, head, ...seen };
}

function conditions(query: FleetQuery): { where: string; values: (string | number)[] } {
  const parts: string[] = [];
  const values: (string | number)[] = [];
  const add = (part: string, value: string | number): void => {
    parts.push(part);
    values.push(value);
  };
  for (const column of searchColumns) {
    const value = query[column];
    if (value !== undefined) add(`r.${column} = ?`, value);
  }
  if (query.device !== undefined) add('r.device in (select id from devices where name = ?)', query.device);
  if (query.origin !== undefined) add('r.device in (select id from devices where origin = ?)', query.origin);
  if (query.since !== undefined) add('r.at >= ?', new Date(query.since).toISOString());
  if (query.until !== undefined) add('r.at <= ?', new Date(query.until).toISOString());
  for (const word of queryWords(query.text)) {
    add('r.id in (select rowid from words where words match ?)', `"${word}" *`);
  }
  return { where: parts.length === 0 ? '' : `where ${parts.join(' and ')}`, values };
}
