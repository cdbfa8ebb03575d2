/** Request targets: the path that is judged, and the one form in which it goes on. Pure. Source: RFC 9112 section 3.2. */

export interface Target {
  /** Origin form, or `*`. */
  readonly written: string;
  /** The authority that an absolute form names: it counts, and no Host header does. */
  readonly authority: string | undefined;
}

/** A target in origin form; undefined where readers differ in what it names. */
export function readTarget(target: string, method: string): Target | undefined {
  if (target === '*') return method === 'OPTIONS' ? { written: target, authority: undefined } : undefined;
  const scheme = /^https?:\/\//i.exec(target)?.[0];
  if (scheme === undefined) {
    return target.startsWith('/') && !target.includes('#') ? { written: target, authority: undefined } : undefined;
  }
  const rest = target.slice(scheme.length);
  const [authority = ''] = /^[^/?]*/.exec(rest) ?? [];
  // No user, no backslash: some readers end the authority there, some do not.
  if (!/^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(authority) || rest.includes('#')) return undefined;
  const path = rest.slice(authority.length);
  return { written: path.startsWith('/') ? path : `/${path}`, authority };
}

/**
 * The path as every server reads it, escapes undone; undefined where servers differ: dot segments, doubled or escaped slashes,
 * backslashes, control characters, escapes that are none, characters that some system folds to one of these.
 */
export function plainPath(target: string): string | undefined {
  const read = readTarget(target, target === '*' ? 'OPTIONS' : 'GET');
  if (read === undefined || target === '*') return read?.written;
  const path = read.written.split('?')[0] ?? '';
  if (/\/\/|\\|[^\x21-\x7e]|%(?:2f|5c|2e|25|3b|[01].|7f)/i.test(path)) return undefined;
  // Some servers cut a segment at its semicolon before they look for dots.
  if (path.split('/').some((segment) => /^\.\.|^\.(?:;|$)/.test(segment))) return undefined;
  try {
    const plain = decodeURIComponent(path);
    return /[\0-\x1f\x7f-\x9f]/.test(plain) || foldsToDots(plain) ? undefined : plain;
  } catch (error) {
    // Names bad escapes by a URIError; nothing else comes.
    return error instanceof URIError ? undefined : path;
  }
}

/** The path as records show it: without the query, which may hold secrets, and with an end. */
export function shownPath(target: string): string {
  const path = plainPath(target) ?? target.split('?')[0] ?? '';
  return path.length <= maxShownLength ? path : `${path.slice(0, maxShownLength)}…`;
}

/** Longer paths are shortened where they are told. */
const maxShownLength = 512;

/** Wide dots and slashes, division and fraction slashes: file systems and gateways have taken them for the plain ones. */
function foldsToDots(path: string): boolean {
  return [...path].some((char) => char > '\x7f' && /[./\\%]|[\u2044\u2215]/.test(char.normalize('NFKC')));
}

/** The target without these parameters of its query (names in lower case; escapes in names are undone first). */
export function withoutParameters(target: string, names: ReadonlySet<string>): string {
  const mark = target.indexOf('?');
  if (mark < 0) return target;
  const kept = target
    .slice(mark + 1)
    .split(/[&;]/)
    .filter((pair) => !names.has(parameterName(pair)));
  return kept.length === 0 ? target.slice(0, mark) : `${target.slice(0, mark)}?${kept.join('&')}`;
}

/** Where a word stands in a target, escapes undone: in its path, and in which parameters of its query (names in lower case). */
export function placesIn(
  target: string,
  word: string,
): { readonly path: boolean; readonly parameters: readonly string[] } {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const pairs = mark < 0 ? [] : target.slice(mark + 1).split(/[&;]/);
  return {
    path: unescaped(path).includes(word),
    parameters: pairs.filter((pair) => unescaped(pair).includes(word)).map(parameterName),
  };
}

function parameterName(pair: string): string {
  return unescaped((pair.split('=')[0] ?? '').replaceAll('+', ' '))
    .trim()
    .toLowerCase();
}

/** As it is where its escapes are none. */
export function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
