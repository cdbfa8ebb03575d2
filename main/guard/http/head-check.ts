/** Methods and paths of an HTTP contract, asked of a request's head. Pure. */
import { asksModels, type HttpRules } from '../../base/engagement.ts';
import { compileGlob } from '../../base/glob.ts';
import type { Effects } from '../effects.ts';
import type { GuardCall } from '../guard.ts';
import type { RequestHead } from './head.ts';
import type { OwnAnswer } from './own-answer.ts';
import { judged, type Judging } from '../judgement.ts';
import { isModelSocket } from './model-socket.ts';
import { refusalAnswer, type HttpRefusal } from './refusal.ts';
import { plainPath, readTarget, shownPath } from './target.ts';
import { asksForWebSocket, isWebSocketHandshake } from './websocket.ts';

/** Refuses a head, or says what it would have been refused for. */
export type HeadCheck = (
  head: RequestHead,
  nowMs: number,
) => { readonly refused: OwnAnswer | undefined; readonly observed: string | undefined };

type Objection = Pick<HttpRefusal, 'status' | 'rule' | 'why'>;

/** They make a tunnel, or give back what the hosting side put in. */
const neverPassing: ReadonlySet<string> = new Set(['CONNECT', 'TRACE', 'TRACK']);

/** A check that refuses what the rules do not allow, and records the refusal. */
export function headCheck(rules: HttpRules, out: Effects, judging: Judging, reading: HeadReading = {}): HeadCheck {
  const objections = headObjections(rules, reading);
  return (head, nowMs) => {
    const { refused, observed } = judged(objections(head), judging);
    if (refused === undefined) return { refused, observed };
    out.call({ ...callFor(head, nowMs), decision: 'deny', rule: refused.rule });
    return { refused: refusalAnswer({ ...refused, target: head.target }), observed };
  };
}

/** What the record will have of a request, allowed until something refuses it. */
export function callFor({ method, target }: RequestHead, nowMs: number): GuardCall {
  return { protocol: 'http', method, target: shownPath(target), decision: 'allow', startedAtMs: nowMs };
}

/** What is read beside what the rules themselves ask for. */
export interface HeadReading {
  /** Bodies, for other rules. */
  readonly bodies?: boolean;
  /** Messages of websockets by which models are spoken to. */
  readonly sockets?: boolean;
}

/** What rules say against a head, in the order it is told. */
export function headObjections(
  rules: HttpRules,
  reading: HeadReading = {},
): (head: RequestHead) => Generator<Objection> {
  const paths = rules.paths?.map((pattern) => compileGlob(pattern, 'path'));
  const reads = asksModels(rules) || reading.bodies === true;
  return function* (head) {
    const says = (status: number, rule: string, why: string): Objection => ({ status, rule, why });
    if (neverPassing.has(head.method)) yield says(405, 'guard:http.method', `${head.method} does not pass`);
    if (rules.methods !== undefined && !rules.methods.includes(head.method)) {
      yield says(405, 'contract:http.methods', `${head.method} is not among the methods allowed`);
    }
    if (asksForWebSocket(head)) {
      if (rules.websocket !== true) {
        yield says(
          426,
          'contract:http.websocket',
          'websockets are not among what the contract allows; ask over plain HTTP',
        );
      }
      if (reads && !(reading.sockets === true && isModelSocket(head.target))) {
        yield says(426, 'guard:http.websocket', 'what flows in a websocket cannot be read; ask over plain HTTP');
      }
      if (!isWebSocketHandshake(head)) yield says(400, 'guard:http.websocket', 'a websocket handshake that is none');
    }
    if (readTarget(head.target, head.method) === undefined) {
      yield says(
        400,
        'guard:http.path',
        'a request target that two readers could understand differently does not pass',
      );
    }
    if (paths === undefined && !reads) return;
    const path = plainPath(head.target);
    if (path === undefined) {
      yield says(400, 'guard:http.path', 'a path that two readers could understand differently does not pass');
      return;
    }
    if (paths === undefined || paths.some((glob) => glob.matches(path))) return;
    yield says(403, 'contract:http.paths', `${path} is not among the paths allowed`);
  };
}
