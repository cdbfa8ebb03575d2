/** Methods and paths of an HTTP contract, asked of a request's head. Pure. */
import type { HttpRules } from '../../base/engagement.ts';
import { compileGlob } from '../../base/glob.ts';
import type { Effects } from '../effects.ts';
import type { RequestHead } from './head.ts';
import { refusalAnswer, type OwnAnswer } from './own-answer.ts';

/** Longer paths are shortened where they are told. */
const maxShownLength = 512;

/** Refuses a head, or says nothing. */
export type HeadCheck = (head: RequestHead, nowMs: number) => OwnAnswer | undefined;

/** A check that refuses what the rules do not allow, and records the refusal. */
export function headCheck(rules: HttpRules, out: Effects): HeadCheck {
  const paths = rules.paths?.map((pattern) => compileGlob(pattern, 'path'));
  return (head, nowMs) => {
    const refuse = (status: number, rule: string, why: string): OwnAnswer => {
      out.call({
        protocol: 'http',
        method: head.method,
        target: shownPath(head.target),
        decision: 'deny',
        rule,
        startedAtMs: nowMs,
      });
      return refusalAnswer(status, rule, why);
    };
    if (head.method === 'CONNECT') return refuse(405, 'guard:http.method', 'CONNECT does not pass');
    if (rules.methods !== undefined && !rules.methods.includes(head.method)) {
      return refuse(405, 'contract:http.methods', `${head.method} is not among the methods allowed`);
    }
    if (paths === undefined) return undefined;
    const path = plainPath(head.target);
    if (path === undefined) {
      return refuse(400, 'guard:http.path', 'a path that two readers could understand differently does not pass');
    }
    if (paths.some((glob) => glob.matches(path))) return undefined;
    return refuse(403, 'contract:http.paths', `${path} is not among the paths allowed`);
  };
}

/** The path as records show it: without the query, which may hold secrets, and with an end. */
export function shownPath(target: string): string {
  const path = plainPath(target) ?? target.split('?')[0] ?? '';
  return path.length <= maxShownLength ? path : `${path.slice(0, maxShownLength)}…`;
}

/**
 * The path as every server reads it, escapes undone; undefined where servers differ: dot segments, doubled or escaped slashes,
 * backslashes, control characters, escapes that are none.
 */
export function plainPath(target: string): string | undefined {
  const absolute = /^https?:\/\/[^/?#]*/i.exec(target)?.[0] ?? '';
  const path = target.slice(absolute.length).split('?')[0] ?? '';
  if (target === '*') return target;
  if (path === '' && absolute !== '') return '/';
  if (!path.startsWith('/') || /\/\/|\\|#|%(?:2f|5c|2e|25|[01].)/i.test(path)) return undefined;
  if (path.split('/').some((segment) => segment === '.' || segment.startsWith('..'))) return undefined;
  try {
    return decodeURIComponent(path);
  } catch (error) {
    // Names bad escapes by a URIError; nothing else comes.
    return error instanceof URIError ? undefined : path;
  }
}
