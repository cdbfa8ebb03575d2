/**
 * The index beside the journal: SQLite over what people search by, with each record's place in its file. Never the record itself: the
 * journal is the truth, and the index is thrown away and rebuilt from it whenever the two disagree.
 */
import { chmodSync, closeSync, existsSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { auditDirectory } from './audit.ts';
import { decodeLine, type ChainedRecord } from './chain.ts';
import { listJournalFiles, readLines, type JournalFile } from './journal-files.ts';

/** Every given condition must hold. `text` matches words anywhere in the record. */
export interface AuditQuery {
  readonly text?: string | undefined;
  readonly kind?: string | undefined;
  readonly service?: string | undefined;
  readonly identity?: string | undefined;
  readonly agent?: string | undefined;
  readonly tool?: string | undefined;
  readonly session?: string | undefined;
  readonly decision?: 'allow' | 'deny' | undefined;
  /** ISO 8601. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  /** Newest first; default 100. */
  readonly limit?: number | undefined;
  readonly beforeSeq?: number | undefined;
}

/** An index that can always be made anew from the journal. */
export interface AuditIndex extends Disposable {
  /** Newest first. Catches up with the journal before it answers. */
  search(query: AuditQuery): Promise<readonly ChainedRecord[]>;
  /** Index what the journal has beyond the index, in slices that let the event loop breathe. */
  catchUp(): Promise<void>;
}

const schemaVersion = 1;
const columns = ['kind', 'service', 'identity', 'agent', 'tool', 'session', 'decision'] as const;
const sliceRecords = 500;
const catchUpPeriodMs = 1000;

const createSchema = `
  create table records (
    seq integer primary key, at text not null, file integer not null, offset integer not null, length integer not null,
    ${columns.map((column) => `${column} text`).join(', ')}
  ) without rowid;
  ${columns.map((column) => `create index by_${column} on records (${column}, seq);`).join('\n')}
  create index by_at on records (at);
  create virtual table words using fts5 (line, content='', columnsize=0, detail=none);
  create table state (file integer not null, offset integer not null);
  insert into state values (0, 0);
  pragma user_version = ${schemaVersion};
`;

/** Open, or rebuild, the index of the journal under a state directory. */
export function openAuditIndex(deps: {
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly log: Log;
}): AuditIndex {
  return new SqliteAuditIndex(deps);
}

class SqliteAuditIndex implements AuditIndex {
  readonly #journal: string;
  readonly #database: Database.Database;
  readonly #timer: Disposable;
  readonly #insert: Database.Statement;
  readonly #insertWords: Database.Statement;
  #catchingUp: Promise<void> | undefined;
  #closed = false;

  constructor(deps: { readonly stateDirectory: string; readonly clock: Clock; readonly log: Log }) {
    this.#journal = auditDirectory(deps.stateDirectory);
    this.#database = openDatabase(join(deps.stateDirectory, 'audit-index.db'), deps.log);
    this.#insert = this.#database.prepare(
      `insert or replace into records (seq, at, file, offset, length, ${columns.join(', ')})
       values (?, ?, ?, ?, ?, ${columns.map(() => '?').join(', ')})`,
    );
    this.#insertWords = this.#database.prepare('insert into words (rowid, line) values (?, ?)');
    this.#timer = deps.clock.every(catchUpPeriodMs, () => {
      this.catchUp().catch((error: unknown) => deps.log.error('audit.index_failed', { error: String(error) }));
    });
  }

  catchUp(): Promise<void> {
    this.#catchingUp ??= this.#catchUp().finally(() => {
      this.#catchingUp = undefined;
    });
    return this.#catchingUp;
  }

  async search(query: AuditQuery): Promise<readonly ChainedRecord[]> {
    // One under way may have passed the newest records already: after it, once more.
    await this.#catchingUp;
    await this.catchUp();
    const { where, values } = conditions(query);
    const rows = this.#database
      .prepare(`select file, offset, length from records ${where} order by seq desc limit ?`)
      .all(...values, query.limit ?? 100) as { file: number; offset: number; length: number }[];
    return readRecords(this.#journal, rows);
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer[Symbol.dispose]();
    this.#database.close();
  }

  async #catchUp(): Promise<void> {
    const files = listJournalFiles(this.#journal);
    const state = this.#database.prepare('select file, offset from state').get() as { file: number; offset: number };
    const first = files[0];
    if (first !== undefined) this.#database.prepare('delete from records where seq < ?').run(first.firstSeq);
    for (const file of files) {
      if (file.firstSeq < state.file) continue;
      await this.#indexFile(file, file.firstSeq === state.file ? state.offset : 0);
      if (this.#closed) return;
    }
  }

  async #indexFile(file: JournalFile, fromByte: number): Promise<void> {
    if (statSync(file.path).size <= fromByte) return;
    let offset = fromByte;
    let slice: { line: string; offset: number; length: number }[] = [];
    for await (const { line, torn } of readLines(file.path, fromByte)) {
      if (this.#closed) return;
      if (torn) break;
      const length = Buffer.byteLength(line);
      slice.push({ line, offset, length });
      offset += length + 1;
      if (slice.length < sliceRecords) continue;
      this.#store(file, slice, offset);
      slice = [];
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (this.#closed) return;
    if (slice.length > 0) this.#store(file, slice, offset);
  }

  #store(file: JournalFile, slice: readonly { line: string; offset: number; length: number }[], end: number): void {
    this.#database.exec('begin');
    try {
      for (const { line, offset, length } of slice) {
        const decoded = decodeLine(line);
        // A damaged line is verify's business; here it is just not found.
        if ('fault' in decoded) continue;
        const { record } = decoded;
        const fields = columns.map((column) => (typeof record[column] === 'string' ? record[column] : null));
        this.#insert.run(record.seq, record.at, file.firstSeq, offset, length, ...fields);
        this.#insertWords.run(record.seq, wordsOf(record));
      }
      this.#database.prepare('update state set file = ?, offset = ?').run(file.firstSeq, end);
      this.#database.exec('commit');
    } catch (error) {
      this.#database.exec('rollback');
      throw error;
    }
  }
}

function openDatabase(path: string, log: Log): Database.Database {
  for (const attempt of ['open', 'rebuild'] as const) {
    try {
      // Made before the database makes it: it holds what the journal holds, and is its owner's alone. Its side files take its mode.
      closeSync(openSync(path, 'a', 0o600));
      chmodSync(path, 0o600);
      const database = new Database(path);
      database.exec('pragma journal_mode = wal; pragma synchronous = off; pragma busy_timeout = 2000');
      const version = (database.prepare('pragma user_version').get() as { user_version: number }).user_version;
      if (version === schemaVersion) return database;
      if (version === 0) {
        database.exec(createSchema);
        return database;
      }
      database.close();
    } catch (error) {
      if (attempt === 'rebuild') throw error;
      log.warn('audit.index_rebuilt', { error: (error as Error).message });
    }
    for (const suffix of ['', '-wal', '-shm']) if (existsSync(path + suffix)) rmSync(path + suffix);
  }
  throw new Error('unreachable: the second attempt returned or threw');
}

function conditions(query: AuditQuery): { where: string; values: (string | number)[] } {
  const parts: string[] = [];
  const values: (string | number)[] = [];
  const add = (part: string, value: string | number): void => {
    parts.push(part);
    values.push(value);
  };
  for (const column of columns) {
    const value = query[column];
    if (value !== undefined) add(`${column} = ?`, value);
  }
  if (query.since !== undefined) add('at >= ?', new Date(query.since).toISOString());
  if (query.until !== undefined) add('at <= ?', new Date(query.until).toISOString());
  if (query.beforeSeq !== undefined) add('seq < ?', query.beforeSeq);
  for (const word of query.text?.match(/[\p{L}\p{N}]+/gu) ?? []) {
    add('seq in (select rowid from words where words match ?)', `"${word}" *`);
  }
  return { where: parts.length === 0 ? '' : `where ${parts.join(' and ')}`, values };
}

/** What a person would type to find it: the values, without the chain's own hashes. */
function wordsOf(record: ChainedRecord): string {
  const { prev: _prev, hash: _hash, seq: _seq, at: _at, signed: _signed, ...rest } = record;
  return JSON.stringify(Object.values(rest));
}

function readRecords(
  journal: string,
  rows: readonly { file: number; offset: number; length: number }[],
): ChainedRecord[] {
  const paths = new Map(listJournalFiles(journal).map((file) => [file.firstSeq, file.path]));
  const descriptors = new Map<number, number>();
  try {
    return rows.flatMap(({ file, offset, length }) => {
      const path = paths.get(file);
      if (path === undefined) return [];
      const descriptor = descriptors.get(file) ?? openSync(path, 'r');
      descriptors.set(file, descriptor);
      const buffer = Buffer.alloc(length);
      readSync(descriptor, buffer, 0, length, offset);
      const decoded = decodeLine(buffer.toString('utf8'));
      return 'record' in decoded ? [decoded.record] : [];
    });
  } finally {
    for (const descriptor of descriptors.values()) closeSync(descriptor);
  }
}
