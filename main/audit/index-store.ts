/**
 * The index beside the journal: SQLite over what people search by, with each record's place in its file. Never the record itself: the
 * journal is the truth, and the index is thrown away and rebuilt from it whenever the two disagree.
 */
import { chmodSync, closeSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import type { Clock } from '../base/clock.ts';
import { TunnelerError } from '../base/errors.ts';
import { iso } from '../base/iso.ts';
import type { Log } from '../base/log.ts';
import { isMissing } from '../files/read-if-there.ts';
import { whileHeldSync } from '../files/while-held.ts';
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

/** How many records there were in each of so many equal parts of a span. */
export interface AuditHistogram {
  readonly since: string;
  readonly until: string;
  readonly total: number;
  readonly buckets: readonly { readonly allow: number; readonly deny: number; readonly other: number }[];
}

/** A record, and the line of the journal that it stands in. */
export interface JournalEntry {
  readonly line: string;
  readonly record: ChainedRecord;
}

/** An index that can always be made anew from the journal. */
export interface AuditIndex extends Disposable {
  /** Newest first. Catches up with the journal before it answers. */
  search(query: AuditQuery): Promise<readonly ChainedRecord[]>;
  /** Over the span that the query gives, else from the first record it finds to now. In slices, as {@link AuditIndex.catchUp}. */
  histogram(query: AuditQuery, buckets: number, signal?: AbortSignal): Promise<AuditHistogram>;
  /** All that it finds, oldest first and without a limit, a page at a time. */
  walk(query: AuditQuery): AsyncGenerator<JournalEntry>;
  /** Index what the journal has beyond the index, in slices that let the event loop breathe. */
  catchUp(): Promise<void>;
}

const schemaVersion = 1;
const columns = ['kind', 'service', 'identity', 'agent', 'tool', 'session', 'decision'] as const;
const sliceRecords = 500;
const catchUpPeriodMs = 1000;
const walkedPage = 1000;
/** Places in the journal that a histogram counts at a time: 2 to 3 ms where all of them match. */
const countedSlice = 5000;

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

/** The database, with the statements that go on with every record. */
interface Opened {
  readonly database: Database.Database;
  readonly insert: Database.Statement;
  readonly insertWords: Database.Statement;
}

class SqliteAuditIndex implements AuditIndex {
  readonly #journal: string;
  /** Given up at the end: what was made on a database keeps its file open until it is collected. */
  #opened: Opened | undefined;
  readonly #timer: Disposable;
  readonly #clock: Clock;
  #catchingUp: Promise<void> | undefined;
  #searches = 0;
  #closed = false;

  constructor(deps: { readonly stateDirectory: string; readonly clock: Clock; readonly log: Log }) {
    this.#journal = auditDirectory(deps.stateDirectory);
    this.#clock = deps.clock;
    const database = openDatabase(join(deps.stateDirectory, 'audit-index.db'), deps.log);
    this.#opened = {
      database,
      insert: database.prepare(
        `insert or replace into records (seq, at, file, offset, length, ${columns.join(', ')})
         values (?, ?, ?, ?, ?, ${columns.map(() => '?').join(', ')})`,
      ),
      insertWords: database.prepare('insert into words (rowid, line) values (?, ?)'),
    };
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
    await this.#current();
    const { where, values } = conditions(query);
    const rows = this.#database
      .prepare(`select file, offset, length from records ${where} order by seq desc limit ?`)
      .all(...values, query.limit ?? 100) as Place[];
    return readEntries(this.#journal, rows).map(({ record }) => record);
  }

  async histogram(query: AuditQuery, buckets: number, signal?: AbortSignal): Promise<AuditHistogram> {
    await this.#current();
    const untilMs = query.until === undefined ? this.#clock.now() : Date.parse(query.until);
    const sinceMs = Date.parse(query.since ?? (await this.#firstAt(query, signal)) ?? iso(untilMs));
    const widthMs = Math.max(1, (untilMs - sinceMs) / buckets);
    const counts = Array.from({ length: buckets }, () => ({ allow: 0, deny: 0, other: 0 }));
    let total = 0;
    for await (const { where, values } of this.#slices(query, signal)) {
      const rows = this.#database
        .prepare(
          `select cast((julianday(at) - julianday(?)) * 86400000.0 / ? as integer) as bucket, decision, count(*) as count
           from records ${where} group by 1, 2`,
        )
        .all(iso(sinceMs), widthMs, ...values) as { bucket: number; decision: string | null; count: number }[];
      for (const { bucket, decision, count } of rows) {
        const into = counts[Math.max(0, Math.min(buckets - 1, bucket))];
        if (into !== undefined) into[decision === 'allow' || decision === 'deny' ? decision : 'other'] += count;
        total += count;
      }
    }
    return { since: iso(sinceMs), until: iso(untilMs), total, buckets: counts };
  }

  async #firstAt(query: AuditQuery, signal: AbortSignal | undefined): Promise<string | undefined> {
    let first: string | undefined;
    for await (const { where, values } of this.#slices(query, signal)) {
      const { at } = this.#database.prepare(`select min(at) as at from records ${where}`).get(...values) as {
        at: string | null;
      };
      if (at !== null && (first === undefined || at < first)) first = at;
    }
    return first;
  }

  /** The query's conditions over one part of the index after the other, with a turn of the event loop between. */
  async *#slices(query: AuditQuery, signal: AbortSignal | undefined): AsyncGenerator<Conditions> {
    // Each asked for by itself is looked up; both at once go through everything.
    const { first, last } = this.#database
      .prepare('select (select min(seq) from records) as first, (select max(seq) from records) as last')
      .get() as { first: number | null; last: number | null };
    if (first === null || last === null) return;
    const found = this.#findWords(query);
    try {
      for (let from = first; from <= last; from += countedSlice) {
        signal?.throwIfAborted();
        if (this.#closed) throw new TunnelerError('base.closed', 'the index of the journal is closed');
        yield conditions(query, { from, to: Math.min(last, from + countedSlice - 1), found });
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      if (found !== undefined && !this.#closed) this.#database.exec(`drop table temp.${found}`);
    }
  }

  /** What has the words is found once: asked part by part, all that begins with them would be gone through for each. */
  #findWords(query: AuditQuery): string | undefined {
    const words = wordsAsked(query);
    if (words.length === 0) return undefined;
    const table = `found_${(this.#searches += 1)}`;
    this.#database.exec(`create temp table ${table} (seq integer primary key)`);
    this.#database
      .prepare(`insert into temp.${table} select rowid from words where words match ?`)
      .run(words.join(' AND '));
    return table;
  }

  async *walk(query: AuditQuery): AsyncGenerator<JournalEntry> {
    await this.#current();
    const { where, values } = conditions(query);
    const page = this.#database.prepare(
      `select seq, file, offset, length from records ${where === '' ? 'where' : `${where} and`} seq > ? order by seq limit ?`,
    );
    let after = -1;
    while (!this.#closed) {
      const rows = page.all(...values, after, walkedPage) as (Place & { seq: number })[];
      yield* readEntries(this.#journal, rows);
      if (rows.length < walkedPage) return;
      after = rows.at(-1)?.seq ?? after;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** One that is catching up may have passed the newest records already: after it, once more. */
  async #current(): Promise<void> {
    await this.#catchingUp;
    await this.catchUp();
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer[Symbol.dispose]();
    this.#database.close();
    this.#opened = undefined;
  }

  get #open(): Opened {
    if (this.#opened === undefined) throw new TunnelerError('base.closed', 'the index of the journal is closed');
    return this.#opened;
  }

  get #database(): Database.Database {
    return this.#open.database;
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
    const { database, insert, insertWords } = this.#open;
    database.exec('begin');
    try {
      for (const { line, offset, length } of slice) {
        const decoded = decodeLine(line);
        // A damaged line is verify's business; here it is just not found.
        if ('fault' in decoded) continue;
        const { record } = decoded;
        const fields = columns.map((column) => (typeof record[column] === 'string' ? record[column] : null));
        insert.run(record.seq, record.at, file.firstSeq, offset, length, ...fields);
        insertWords.run(record.seq, wordsOf(record));
      }
      database.prepare('update state set file = ?, offset = ?').run(file.firstSeq, end);
      database.exec('commit');
    } catch (error) {
      database.exec('rollback');
      throw error;
    }
  }
}

/**
 * What the file is, is read off its header before any database opens it: a database that was open stays so until its statements are
 * collected, and Windows removes no file that is open.
 */
function openDatabase(path: string, log: Log): Database.Database {
  const found = versionOf(path);
  if (found !== undefined && found !== schemaVersion) startAnew(path, log, `it is of version ${found}`);
  try {
    return openFile(path, found === schemaVersion);
  } catch (error) {
    startAnew(path, log, (error as Error).message);
    return openFile(path, false);
  }
}

function openFile(path: string, isMade: boolean): Database.Database {
  // Made before the database makes it: it holds what the journal holds, and is its owner's alone. Its side files take its mode.
  closeSync(openSync(path, 'a', 0o600));
  chmodSync(path, 0o600);
  const database = new Database(path);
  try {
    // Before the write-ahead log: so the version stands in the file itself at once.
    if (!isMade) database.exec(`begin; ${createSchema} commit;`);
    database.exec(
      'pragma journal_mode = wal; pragma synchronous = off; pragma temp_store = memory; pragma busy_timeout = 2000',
    );
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function startAnew(path: string, log: Log, error: string): void {
  log.warn('audit.index_rebuilt', { error });
  for (const suffix of ['', '-wal', '-shm']) whileHeldSync(() => rmSync(path + suffix, { force: true }));
}

/** "The Database Header" of SQLite's file format: a name of 16 bytes, the user version as four at 60. Undefined where there is no file yet. */
function versionOf(path: string): number | 'unknown' | undefined {
  const header = Buffer.alloc(64);
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  try {
    const length = readSync(file, header, 0, header.length, 0);
    if (length === 0) return undefined;
    const isDatabase = length === header.length && header.toString('latin1', 0, 16) === 'SQLite format 3\0';
    return isDatabase ? header.readUInt32BE(60) : 'unknown';
  } finally {
    closeSync(file);
  }
}

/** What a query asks for, as SQL. */
interface Conditions {
  readonly where: string;
  readonly values: readonly (string | number)[];
}

/** Places in the journal, and the table of those that have the words asked for. */
interface Part {
  readonly from: number;
  readonly to: number;
  readonly found: string | undefined;
}

function conditions(query: AuditQuery, part?: Part): Conditions {
  const parts: string[] = [];
  const values: (string | number)[] = [];
  const add = (condition: string, ...given: readonly (string | number)[]): void => {
    parts.push(condition);
    values.push(...given);
  };
  for (const column of columns) {
    const value = query[column];
    if (value !== undefined) add(`${column} = ?`, value);
  }
  // With a sign before it no index is used for it: that by time would be gone through whole for every part.
  const at = part === undefined ? 'at' : '+at';
  if (query.since !== undefined) add(`${at} >= ?`, new Date(query.since).toISOString());
  if (query.until !== undefined) add(`${at} <= ?`, new Date(query.until).toISOString());
  if (query.beforeSeq !== undefined) add('seq < ?', query.beforeSeq);
  if (part !== undefined) add('seq between ? and ?', part.from, part.to);
  if (part?.found !== undefined) {
    add(`seq in (select seq from temp.${part.found} where seq between ? and ?)`, part.from, part.to);
  }
  for (const word of part === undefined ? wordsAsked(query) : []) {
    add('seq in (select rowid from words where words match ?)', word);
  }
  return { where: parts.length === 0 ? '' : `where ${parts.join(' and ')}`, values };
}

/** Each word that a record must have, or begin with, as the full-text index takes it. */
function wordsAsked(query: AuditQuery): readonly string[] {
  return (query.text?.match(/[\p{L}\p{N}]+/gu) ?? []).map((word) => `"${word}" *`);
}

/** What a person would type to find it: the values, without the chain's own hashes. */
function wordsOf(record: ChainedRecord): string {
  const { prev: _prev, hash: _hash, seq: _seq, at: _at, signed: _signed, ...rest } = record;
  return JSON.stringify(Object.values(rest));
}

/** Where a record stands: in the file that begins with `file`. */
interface Place {
  readonly file: number;
  readonly offset: number;
  readonly length: number;
}

function readEntries(journal: string, rows: readonly Place[]): JournalEntry[] {
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
      const line = buffer.toString('utf8');
      const decoded = decodeLine(line);
      return 'record' in decoded ? [{ line, record: decoded.record }] : [];
    });
  } finally {
    for (const descriptor of descriptors.values()) closeSync(descriptor);
  }
}
