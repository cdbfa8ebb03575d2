/** The fleet's tables in PostgreSQL, and its searches as SQL. */
import { queryWords, searchColumns, type FleetQuery } from './fleet-store.ts';

const dayMs = 86_400_000;

/** Run at each start; changes nothing where the tables are there. */
export const postgresSchema = `
  create table if not exists devices (
    id integer generated always as identity primary key, origin text not null, branch integer not null, name text not null,
    asserted text not null, signers text not null, count bigint not null, head text not null, first_seen bigint not null,
    last_seen bigint not null, clock_offset bigint not null, unique (origin, branch)
  );
  create table if not exists records (
    id bigint generated always as identity, device integer not null, received bigint not null, seq bigint not null, at text not null,
    line text not null, words tsvector not null, ${searchColumns.map((column) => `${column} text`).join(', ')}
  ) partition by range (received);
  create index if not exists records_by_seq on records (device, seq);
  create index if not exists records_by_age on records (received desc, id desc);
  create index if not exists records_by_words on records using gin (words);
  ${searchColumns.map((column) => `create index if not exists records_by_${column} on records (${column}, received desc, id desc) where ${column} is not null;`).join('\n')}
  create table if not exists notes (
    device integer not null, count bigint not null, note text not null, at bigint not null, primary key (device, count)
  );
  create table if not exists alerts (
    id integer generated always as identity primary key, at text not null, device text not null, origin text not null, kind text not null,
    text text not null
  );
  create table if not exists orders (
    id text primary key, at text not null, action text not null, subject text not null, cause text not null, text text not null,
    signature text not null
  );
  create table if not exists acks (
    order_id text not null, device text not null, at text not null, received bigint not null, outcome text not null,
    primary key (order_id, device)
  );
`;

/** The day's partition, whose names sort as the days do. */
export function partitionOf(atMs: number): string {
  return `records_${new Date(atMs).toISOString().slice(0, 10).replaceAll('-', '')}`;
}

/** Midnight UTC of the day. */
export function partitionStart(atMs: number): number {
  return Math.floor(atMs / dayMs) * dayMs;
}

/** A search's conditions, with `$1` onwards for its values. */
export function conditionsFor(query: FleetQuery): { readonly where: string; readonly values: unknown[] } {
  const parts: string[] = [];
  const values: unknown[] = [];
  const add = (part: (place: string) => string, value: unknown): void => {
    values.push(value);
    parts.push(part(`$${values.length}`));
  };
  for (const column of searchColumns) {
    const value = query[column];
    if (value !== undefined) add((place) => `r.${column} = ${place}`, value);
  }
  if (query.device !== undefined) {
    add((place) => `r.device in (select id from devices where name = ${place})`, query.device);
  }
  if (query.origin !== undefined) {
    add((place) => `r.device in (select id from devices where origin = ${place})`, query.origin);
  }
  if (query.since !== undefined) add((place) => `r.at >= ${place}`, new Date(query.since).toISOString());
  if (query.until !== undefined) add((place) => `r.at <= ${place}`, new Date(query.until).toISOString());
  const words = queryWords(query.text);
  if (words.length > 0) {
    add((place) => `r.words @@ to_tsquery('simple', ${place})`, words.map((word) => `'${word}':*`).join(' & '));
  }
  return { where: parts.length === 0 ? '' : `where ${parts.join(' and ')}`, values };
}
