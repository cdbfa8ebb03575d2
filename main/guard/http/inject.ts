/**
 * Puts a provider's key into the requests of one hosted session, so that the caller never holds it. Pure: it is given the key, keeps no
 * other, and tells it to nobody; whatever key the caller sends is taken out.
 *
 * Direction: closed. A stream that is no HTTP gets no key and does not pass; a caller without a key is refused.
 */
import { TunnelerError } from '../../base/errors.ts';
import { Effects } from '../effects.ts';
import type { Guard, GuardEffect } from '../guard.ts';
import { HttpExchanges } from './exchanges.ts';
import type { RequestHead } from './head.ts';
import { keyHeaders, keyParameters } from './key-places.ts';
import type { AnswerWatch, HttpJudge, RequestPlan } from './plans.ts';
import { refusalAnswer } from './refusal.ts';
import { readTarget, shownPath, withoutParameters } from './target.ts';
import { asksForWebSocket, isWebSocketHandshake } from './websocket.ts';

/** What the requests of one session are to carry. */
export type Injection =
  | {
      readonly kind: 'key';
      /** Lower case: OpenAI style `authorization`, Anthropic style `x-api-key`. */
      readonly header: string;
      readonly value: string;
      /** The provider's own name, in the place of the one the caller reached it by. */
      readonly host?: string;
      /** What the record says allowed it. */
      readonly rule: string;
    }
  /** The caller has no key here, and why. */
  | { readonly kind: 'none'; readonly why: string; readonly rule: string };

/** They give the request back to whoever asked, and the key with it; or they leave HTTP. */
const tellingMethods: ReadonlySet<string> = new Set(['TRACE', 'TRACK', 'CONNECT']);

/** A guard for the hosting side of one session. Throws `base.invalid` for a key that cannot stand in a header; never says the key. */
export function createInjector(injection: Injection): Guard {
  if (injection.kind === 'key' && !/^[\t\x20-\x7e]+$/.test(injection.value)) {
    throw new TunnelerError('base.invalid', `the key for ${injection.header} holds characters a header cannot carry`);
  }
  const out = new Effects();
  const exchanges = new HttpExchanges({
    judge: injectingJudge(injection, out),
    out,
    held: undefined,
    wake: () => undefined,
  });
  const take = (): readonly GuardEffect[] => out.take();
  return {
    kind: 'http',
    fromApp(chunk, nowMs) {
      exchanges.fromApp(chunk, nowMs);
      return take();
    },
    fromService(chunk, nowMs) {
      exchanges.fromService(chunk, nowMs);
      return take();
    },
    appEnded: take,
    serviceEnded(nowMs) {
      exchanges.serviceEnded(nowMs);
      return take();
    },
    buffered: () => exchanges.heldBytes(),
  };
}

function injectingJudge(injection: Injection, out: Effects): HttpJudge {
  const removed: ReadonlySet<string> = new Set(keyHeaders);
  return {
    violationCode: 'guard.http.unparseable',
    request(head, _framing, nowMs) {
      const call = {
        protocol: 'http',
        method: head.method,
        target: shownPath(head.target),
        startedAtMs: nowMs,
        rule: injection.rule,
      } as const;
      if (injection.kind === 'none') {
        out.call({ ...call, decision: 'deny' });
        return refusal(403, injection.rule, injection.why, head.target);
      }
      const doubt = doubtIn(head);
      if (doubt !== undefined) {
        out.call({ ...call, decision: 'deny', rule: 'guard:http.method' });
        return refusal(doubt.status, 'guard:http.method', doubt.why, head.target);
      }
      let status: number | undefined;
      const answer: AnswerWatch = {
        head(answered) {
          status = answered.status;
          return { kind: 'pass' };
        },
        over(complete, at) {
          const ended = complete ? { durationMs: at - nowMs, failed: (status ?? 500) >= 400 } : {};
          out.call({ ...call, decision: 'allow', ...ended });
        },
      };
      const { header, value, host } = injection;
      const own = [...(host === undefined ? [] : [['Host', host] as const]), [header, value] as const];
      const target = withoutParameters(head.target, keyParameters);
      return { kind: 'pass', changes: { target, without: removed, own }, answer, upgrade: isWebSocketHandshake(head) };
    },
  };
}

function refusal(status: number, rule: string, why: string, target: string): Extract<RequestPlan, { kind: 'refuse' }> {
  return { kind: 'refuse', answer: refusalAnswer({ status, rule, why, target }) };
}

/** A request that must not carry a key, and why. */
function doubtIn(head: RequestHead): { readonly status: number; readonly why: string } | undefined {
  if (tellingMethods.has(head.method)) return { status: 405, why: `${head.method} does not pass` };
  if (readTarget(head.target, head.method) === undefined) {
    return { status: 400, why: 'a request target that two readers could understand differently does not pass' };
  }
  if (asksForWebSocket(head) && !isWebSocketHandshake(head)) {
    return { status: 400, why: 'a websocket handshake that is none' };
  }
  return undefined;
}
