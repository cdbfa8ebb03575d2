/**
 * Puts a provider's key into the requests of one hosted session, so that the caller never holds it. Pure: it is given the key, keeps no
 * other, and tells it to nobody; whatever key the caller sends is taken out.
 *
 * Direction: closed. A stream that is no HTTP gets no key and does not pass; a caller without a key is refused.
 */
import { TunnelerError } from '../../base/errors.ts';
import { Effects } from '../effects.ts';
import type { Guard, GuardEffect } from '../guard.ts';
import { HttpExchanges, type AnswerWatch, type HttpJudge } from './exchanges.ts';
import { shownPath } from './head-check.ts';
import { rewriteHead } from './head.ts';
import { refusalAnswer } from './own-answer.ts';

/** A key as a provider wants it: OpenAI style `authorization: Bearer …`, Anthropic style `x-api-key`. */
export interface ProviderKey {
  /** Lower case. */
  readonly header: string;
  readonly value: string;
}

/** Every header a caller could bring a key of its own in. */
const keyHeaders = ['authorization', 'proxy-authorization', 'x-api-key', 'api-key', 'x-goog-api-key'] as const;

/**
 * A guard for the hosting side of one session; `key` is the one bound to the calling identity, undefined where it has none. Throws
 * `base.invalid` for a key that cannot stand in a header.
 */
export function createInjector(key: ProviderKey | undefined): Guard {
  if (key !== undefined && !/^[\t\x20-\x7e]+$/.test(key.value)) {
    throw new TunnelerError('base.invalid', `the key for ${key.header} holds characters a header cannot carry`);
  }
  const out = new Effects();
  const exchanges = new HttpExchanges(injectingJudge(key, out), out);
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

function injectingJudge(key: ProviderKey | undefined, out: Effects): HttpJudge {
  const removed = new Set<string>([...keyHeaders, ...(key === undefined ? [] : [key.header])]);
  return {
    allowsUpgrade: true,
    violationCode: 'guard.http.unparseable',
    request(head, _framing, nowMs) {
      const call = {
        protocol: 'http',
        method: head.method,
        target: shownPath(head.target),
        startedAtMs: nowMs,
        rule: 'hosting:key',
      } as const;
      if (key === undefined) {
        out.call({ ...call, decision: 'deny' });
        const why = 'the calling identity has no key for this provider';
        return { kind: 'refuse', answer: refusalAnswer(403, 'hosting:key', why) };
      }
      const answer: AnswerWatch = {
        head: () => ({ kind: 'pass' }),
        over: (complete, at) =>
          out.call({ ...call, decision: 'allow', ...(complete ? { durationMs: at - nowMs } : {}) }),
      };
      return { kind: 'pass', head: rewriteHead(head, removed, [[key.header, key.value]]), answer };
    },
  };
}
