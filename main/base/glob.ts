/**
 * Globs as contracts and settings write them. Matching takes time linear in the text for a given pattern, whatever the pattern, so a
 * text from outside can never make it slow.
 *
 * `name`: `*` any run of characters, `?` one. `path`: `*` and `?` stay within a `/` segment, `**` crosses, and a whole segment of two
 * stars may also be absent.
 */
export type GlobStyle = 'name' | 'path';

/** A pattern ready to be matched. */
export interface Glob {
  readonly pattern: string;
  readonly style: GlobStyle;
  matches(text: string): boolean;
}

type Token =
  | { readonly kind: 'literal'; readonly char: string }
  | { readonly kind: 'one' }
  | { readonly kind: 'star'; readonly deep: boolean; /** Also skips the slash behind it. */ readonly segment: boolean };

/** Compile once, match often. Every text is a valid pattern. */
export function compileGlob(pattern: string, style: GlobStyle = 'name'): Glob {
  if (!/[*?]/.test(pattern)) return { pattern, style, matches: (text) => text === pattern };
  if (style === 'name' && /^[^*?]*\*$/.test(pattern)) {
    const prefix = pattern.slice(0, -1);
    return { pattern, style, matches: (text) => text.startsWith(prefix) };
  }
  const tokens = tokenize(pattern, style);
  return { pattern, style, matches: (text) => run(tokens, text, style === 'path', false) };
}

/** One match of a pattern that is used once. */
export function globMatches(pattern: string, text: string, style: GlobStyle = 'name'): boolean {
  return compileGlob(pattern, style).matches(text);
}

/**
 * True where everything `narrow` matches is surely matched by `wide` too. False may also mean "not known": whoever narrows with it
 * becomes stricter than needed, never laxer.
 */
export function globCovers(wide: string, narrow: string, style: GlobStyle = 'name'): boolean {
  if (wide === narrow) return true;
  if (standIns.some((char) => wide.includes(char) || narrow.includes(char))) return false;
  const tokens = tokenize(wide, style);
  const texts = variants(narrow, style);
  return texts.length > 0 && texts.every((text) => run(tokens, text, style === 'path', true));
}

/** In a text that stands for a pattern: what a star took, within a segment or across, and what a question mark took. */
const [any, anyAcross, anyOne] = ['\u0001', '\u0003', '\u0002'] as const;
const standIns = [any, anyAcross, anyOne];

/**
 * The narrow pattern as texts: its wildcards become characters that only wildcards can take which take no less. A segment of two stars may
 * be absent, so each doubles the texts; none at all where that would be too many.
 */
function variants(narrow: string, style: GlobStyle): readonly string[] {
  const parts = style === 'path' ? narrow.split(/(?<=^|\/)\*\*+\//) : [narrow];
  if (parts.length > 7) return [];
  const deep = style === 'path' ? anyAcross : any;
  return parts
    .map((part) => part.replaceAll(/\*\*+/g, deep).replaceAll('*', any).replaceAll('?', anyOne))
    .reduce<string[]>(
      (texts, part) => (texts.length === 0 ? [part] : texts.flatMap((text) => [text + part, `${text}${deep}/${part}`])),
      [],
    );
}

function tokenize(pattern: string, style: GlobStyle): readonly Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; at += 1) {
    const char = pattern.charAt(at);
    if (char === '?') {
      tokens.push({ kind: 'one' });
    } else if (char === '*') {
      let stars = 1;
      while (pattern.charAt(at + 1) === '*') {
        stars += 1;
        at += 1;
      }
      const before = pattern.charAt(at - stars);
      const deep = style === 'name' || stars > 1;
      const segment = style === 'path' && deep && (before === '' || before === '/') && pattern.charAt(at + 1) === '/';
      tokens.push({ kind: 'star', deep, segment });
    } else {
      tokens.push({ kind: 'literal', char });
    }
  }
  return tokens;
}

/** Simulates all ways through the pattern at once: one bit a token, one pass over the text. */
function run(tokens: readonly Token[], text: string, path: boolean, covering: boolean): boolean {
  let current = new Uint8Array(tokens.length + 1);
  let next = new Uint8Array(tokens.length + 1);
  enter(tokens, current, 0);
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    const across = path && (char === '/' || (covering && char === anyAcross));
    const starOnly = covering && (char === any || char === anyAcross);
    next.fill(0);
    let alive = false;
    for (let state = 0; state < tokens.length; state += 1) {
      if (current[state] === 0) continue;
      const token = tokens[state];
      if (token === undefined) continue;
      if (token.kind === 'star') {
        if (across && !token.deep) continue;
        next[state] = 1;
        enter(tokens, next, state + 1);
      } else if (token.kind === 'literal' ? token.char === char : !starOnly && !across) {
        enter(tokens, next, state + 1);
      } else {
        continue;
      }
      alive = true;
    }
    if (!alive) return false;
    [current, next] = [next, current];
  }
  return current[tokens.length] === 1;
}

/** Arrive at a token, and at those behind it that may match nothing. */
function enter(tokens: readonly Token[], states: Uint8Array, state: number): void {
  states[state] = 1;
  const token = tokens[state];
  if (token?.kind !== 'star') return;
  if (token.segment) enter(tokens, states, state + 2);
  enter(tokens, states, state + 1);
}
