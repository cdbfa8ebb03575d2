/** Digests of arguments, in slices where they are long. Pure. */
import type { GuardContext } from '../guard.ts';
import { canonicalJson } from '../json/canonical-json.ts';
import { isRecord } from '../json/strict-json.ts';

/** Longer texts are hashed in pieces of this length. */
const pieceLength = 256 * 1024;
/** What is hashed before others have a turn. */
const turnLength = 1024 * 1024;

/** Lower-hex SHA-256 of the canonical JSON. */
export function digestOf(value: unknown, plain: boolean, context: GuardContext): string {
  return context.digest(canonicalJson(value, plain));
}

/** The same, letting others have their turns between the pieces of a long value. */
export async function digestInTurns(value: unknown, plain: boolean, context: GuardContext): Promise<string> {
  const hash = context.hash?.();
  if (hash === undefined) return digestOf(value, plain, context);
  let sinceTurn = 0;
  for (const piece of pieces(value, plain)) {
    hash.update(piece);
    sinceTurn += piece.length;
    if (sinceTurn < turnLength) continue;
    sinceTurn = 0;
    await context.pause?.();
  }
  return hash.digest();
}

/** The canonical text in pieces: containers are taken apart, long strings cut between characters. */
function* pieces(value: unknown, plain: boolean): Generator<string> {
  if (typeof value === 'string' && value.length > pieceLength) {
    yield '"';
    for (let at = 0; at < value.length;) {
      let end = Math.min(value.length, at + pieceLength);
      if (end < value.length && (value.charCodeAt(end - 1) & 0xfc00) === 0xd800) end -= 1;
      yield canonicalJson(value.slice(at, end), plain).slice(1, -1);
      at = end;
    }
    yield '"';
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      yield index === 0 ? '[' : ',';
      yield* pieces(item, plain);
    }
    yield value.length === 0 ? '[]' : ']';
  } else if (isRecord(value)) {
    const names = Object.keys(value).sort();
    for (const [index, name] of names.entries()) {
      yield `${index === 0 ? '{' : ','}${canonicalJson(name, plain)}:`;
      yield* pieces(value[name], plain);
    }
    yield names.length === 0 ? '{}' : '}';
  } else yield canonicalJson(value, plain);
}
