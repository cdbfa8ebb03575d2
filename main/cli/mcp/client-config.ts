/** Our entries in the settings of MCP clients: put in and taken out in place, everything else in the file left as it is. */
import { mkdir, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { parse as parseToml, patch as patchToml } from '@decimalturn/toml-patch';
import { applyEdits, modify, parse as parseJson, printParseErrorCode, type ParseError } from 'jsonc-parser';
import { TunnelerError } from '../../base/errors.ts';
import { isMissing, readIfThere } from '../../files/read-if-there.ts';
import { writeAtomically } from '../../files/write-atomically.ts';
import type { ClientKind, ServerEntry } from './client-kinds.ts';

type Fields = Record<string, unknown>;

/** What becomes of the servers in a client's settings. */
export interface Change {
  /** Put in, or put in the place of what has their names. */
  readonly add: Readonly<Record<string, ServerEntry>>;
  /** Whether an entry that is there is taken out. */
  readonly remove: (name: string, entry: unknown) => boolean;
}

/** What became of them, by name. */
export interface Changed {
  /** The file itself, where `file` is a link. */
  readonly file: string;
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** Change one client's file. Comments, order, links and mode stay. Throws `base.invalid` where the file cannot be understood; it is left then. */
export async function changeClientConfig(kind: ClientKind, file: string, change: Change): Promise<Changed> {
  const place = await resolved(file);
  const before = await textOf(place);
  const entries =
    kind.format === 'toml' ? tomlEntries(before ?? '', kind, place) : jsonEntries(before ?? '', kind, place);
  const removed = Object.entries(entries).flatMap(([name, entry]) => (change.remove(name, entry) ? [name] : []));
  const added = Object.fromEntries(Object.entries(change.add).map(([name, entry]) => [name, kind.entry(entry)]));
  const edit = kind.format === 'toml' ? editToml : editJson;
  const after = edit(before ?? '', kind.key, { added, removed });
  if (after !== before && (before !== undefined || Object.keys(added).length > 0)) {
    await mkdir(dirname(place), { recursive: true });
    await writeAtomically(place, after, { mode: 'kept' });
  }
  return { file: place, added: Object.keys(added), removed };
}

interface Edit {
  readonly added: Readonly<Record<string, unknown>>;
  readonly removed: readonly string[];
}

function jsonEntries(text: string, kind: ClientKind, file: string): Fields {
  const errors: ParseError[] = [];
  const raw: unknown = text.trim() === '' ? {} : parseJson(text, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first !== undefined) {
    throw unlike(file, `${printParseErrorCode(first.error)} at character ${first.offset}`);
  }
  return entriesIn(raw, kind.key, file);
}

function editJson(text: string, key: string, { added, removed }: Edit): string {
  const formattingOptions = {
    insertSpaces: !/^\t/m.test(text),
    tabSize: /^( +)"/m.exec(text)?.[1]?.length ?? 2,
    eol: '\n',
  };
  let edited = text.trim() === '' ? '{}\n' : text;
  for (const [name, value] of [...removed.map((name) => [name, undefined] as const), ...Object.entries(added)]) {
    edited = applyEdits(edited, modify(edited, [key, name], value, { formattingOptions }));
  }
  return edited;
}

function tomlEntries(text: string, kind: ClientKind, file: string): Fields {
  try {
    return entriesIn(parseToml(text), kind.key, file);
  } catch (error) {
    if (error instanceof TunnelerError) throw error;
    throw unlike(file, (error as Error).message.split('\n')[0] ?? '');
  }
}

/** A table of its own at the end, as people write it; what has its name goes first. */
function editToml(text: string, key: string, { added, removed }: Edit): string {
  const without = parseToml(text) as Fields;
  const servers = without[key] as Fields | undefined;
  for (const name of [...removed, ...Object.keys(added)]) if (servers !== undefined) delete servers[name];
  let edited = isDeepStrictEqual(parseToml(text), without) ? text : patchToml(text, without);
  for (const [name, entry] of Object.entries(added)) {
    const fields = Object.entries(entry as Fields).map(([field, value]) => `${field} = ${JSON.stringify(value)}\n`);
    const gap = edited === '' || edited.endsWith('\n\n') ? '' : edited.endsWith('\n') ? '\n' : '\n\n';
    edited += `${gap}[${key}.${/^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name)}]\n${fields.join('')}`;
  }
  const wanted = { ...without, ...(Object.keys(added).length === 0 ? {} : { [key]: { ...servers, ...added } }) };
  // Whatever the editing made of unusual notation: nothing but our entries may differ.
  if (!isDeepStrictEqual(plain(parseToml(edited)), plain(wanted))) {
    throw new TunnelerError(
      'base.invalid',
      `${key} is written in a way that cannot be added to; the file is left as it is`,
      {
        details: { next: `write it as tables: [${key}.NAME]` },
      },
    );
  }
  return edited;
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown;
}

function entriesIn(raw: unknown, key: string, file: string): Fields {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw unlike(file, 'it holds no object');
  const servers = (raw as Fields)[key] ?? {};
  if (typeof servers !== 'object' || Array.isArray(servers)) throw unlike(file, `${key} is no object`);
  return servers as Fields;
}

function unlike(file: string, why: string): TunnelerError {
  return new TunnelerError('base.invalid', `${file} cannot be understood, so it is left as it is: ${why}`);
}

/** The file behind links; a link that leads nowhere is followed to where the file would be. */
async function resolved(file: string): Promise<string> {
  try {
    return await realpath(file);
  } catch (error) {
    if (!isMissing(error)) throw unreadable(file, error);
    return file;
  }
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readIfThere(file);
  } catch (error) {
    throw unreadable(file, error);
  }
}

function unreadable(file: string, error: unknown): TunnelerError {
  return new TunnelerError('base.invalid', `${file}: ${(error as Error).message}`, { cause: error });
}
