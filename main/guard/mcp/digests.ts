/** Digests of arguments, in slices where they are long. Pure. */
import type { GuardContext } from '../guard.ts';
import { canonicalJson } from '../json/canonical-json.ts';
import { isRecord } from '../json/strict-json.ts';

/** Texts from here on are hashed by themselves: put together with the rest they would be copied once more. */
const longText = 4 * 1024;
/** And in pieces of this length. */
const pieceLength = 256 * 1024;
/** Short pieces are put together up to here. */
const joinedLength = 16 * 1024;
/** What is hashed before others have a turn. */
const turnLength = 1024 * 1024;
/** A text put together of many values costs so many times what a long string does. */
const joiningCost = 16;

/** Lower-hex SHA-256 of the canonical JSON. */
export function digestOf(value: unknown, plain: boolean, context: GuardContext): string {
  const hash = context.hash?.();
  if (hash === undefined) return context.digest(canonicalJson(value, plain));
  for (const piece of piecesOf(value, plain)) hash.update(textOf(piece, plain));
  return hash.digest();
}

/** The same, letting others have their turns between the pieces of a long value. */
export async function digestInTurns(value: unknown, plain: boolean, context: GuardContext): Promise<string> {
  const hash = context.hash?.();
  if (hash === undefined) return digestOf(value, plain, context);
  let sinceTurn = 0;
  for (const piece of piecesOf(value, plain)) {
    const text = textOf(piece, plain);
    hash.update(text);
    sinceTurn += typeof piece === 'string' ? text.length * joiningCost : text.length;
    if (sinceTurn < turnLength) continue;
    sinceTurn = 0;
    await context.pause?.();
  }
  return hash.digest();
}

/** Of the canonical text: as it is, or a part of a long string whose escapes are still to be written. */
type Piece = string | { readonly inString: string };

function textOf(piece: Piece, plain: boolean): string {
  if (typeof piece === 'string') return piece;
  return plain ? piece.inString : canonicalJson(piece.inString).slice(1, -1);
}

/** The canonical text in pieces, as they are asked for: long strings by themselves, cut between characters. */
function* piecesOf(value: unknown, plain: boolean): Generator<Piece> {
  const joined = { text: '' };
  yield* visit(value, plain, joined);
  yield joined.text;
}

function* visit(value: unknown, plain: boolean, joined: { text: string }): Generator<Piece> {
  if (typeof value === 'string' && value.length > longText) {
    yield `${joined.text}"`;
    joined.text = '"';
    for (const cut of cutsOf(value)) yield { inString: cut };
    return;
  }
  const items = Array.isArray(value) ? value : undefined;
  const names = items === undefined && isRecord(value) ? Object.keys(value).sort() : undefined;
  if (items === undefined && names === undefined) joined.text += canonicalJson(value, plain);
  else joined.text += items === undefined ? '{' : '[';
  for (let index = 0; index < (items ?? names ?? []).length; index += 1) {
    const name = names?.[index];
    if (index > 0) joined.text += ',';
    if (name !== undefined) joined.text += `${canonicalJson(name, plain)}:`;
    const held: unknown = items === undefined ? (value as Readonly<Record<string, unknown>>)[name ?? ''] : items[index];
    // What is no container is told at once: a generator for each would cost more than the value.
    if (typeof held === 'string' ? held.length > longText : typeof held === 'object' && held !== null) {
      yield* visit(held, plain, joined);
    } else joined.text += canonicalJson(held, plain);
    if (joined.text.length < joinedLength) continue;
    yield joined.text;
    joined.text = '';
  }
  if (items !== undefined || names !== undefined) joined.text += items === undefined ? '}' : ']';
}

function cutsOf(text: string): readonly string[] {
  if (text.length <= pieceLength) return [text];
  const cuts: string[] = [];
  for (let at = 0; at < text.length;) {
    let end = Math.min(text.length, at + pieceLength);
    if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end -= 1;
    cuts.push(text.slice(at, end));
    at = end;
  }
  return cuts;
}
