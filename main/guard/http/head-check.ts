/** Methods and paths of an HTTP contract, asked of a request's head. Pure. */
import type { HttpRules } from '../../base/engagement.ts';
import { compileGlob } from '../../base/glob.ts';
import type { Effects } from '../effects.ts';
import type { RequestHead } from './head.ts';
import type { OwnAnswer } from './own-answer.ts';
import { refusalAnswer } from './refusal.ts';
import { plainPath, readTarget, shownPath } from './target.ts';
import { asksForWebSocket, isWebSocketHandshake } from './websocket.ts';

/** Refuses a head, or says nothing. */
export type HeadCheck = (head: RequestHead, nowMs: number) => OwnAnswer | undefined;

/** They make a tunnel, or give back what the hosting side put in. */
const neverPassing: ReadonlySet<string> = new Set(['CONNECT', 'TRACE', 'TRACK']);

/** A check that refuses what the rules do not allow, and records the refusal. */
export function headCheck(rules: HttpRules, out: Effects): HeadCheck {
  const paths = rules.paths?.map((pattern) => compileGlob(pattern, 'path'));
  const reads = rules.models !== undefined || rules.tokenBudget !== undefined;
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
      return refusalAnswer({ status, rule, why, target: head.target });
    };
    if (neverPassing.has(head.method)) return refuse(405, 'guard:http.method', `${head.method} does not pass`);
    if (rules.methods !== undefined && !rules.methods.includes(head.method)) {
      return refuse(405, 'contract:http.methods', `${head.method} is not among the methods allowed`);
    }
    if (asksForWebSocket(head)) {
      if (rules.websocket !== true) {
        return refuse(
          426,
          'contract:http.websocket',
          'websockets are not among what the contract allows; ask over plain HTTP',
        );
      }
      if (reads) {
        return refuse(
          426,
          'guard:http.websocket',
          'models and tokens cannot be read in a websocket; ask over plain HTTP',
        );
      }
      if (!isWebSocketHandshake(head)) return refuse(400, 'guard:http.websocket', 'a websocket handshake that is none');
    }
    if (readTarget(head.target, head.method) === undefined) {
      return refuse(
        400,
        'guard:http.path',
        'a request target that two readers could understand differently does not pass',
      );
    }
    if (paths === undefined && !reads) return undefined;
    const path = plainPath(head.target);
    if (path === undefined) {
      return refuse(400, 'guard:http.path', 'a path that two readers could understand differently does not pass');
    }
    if (paths === undefined || paths.some((glob) => glob.matches(path))) return undefined;
    return refuse(403, 'contract:http.paths', `${path} is not among the paths allowed`);
  };
}
