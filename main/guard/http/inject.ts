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

/** Every header a caller could bring a key of its own in. */
const keyHeaders = ['authorization', 'proxy-authorization', 'x-api-key', 'api-key', 'x-goog-api-key'] as const;

/** A guard for the hosting side of one session. Throws `base.invalid` for a key that cannot stand in a header; never says the key. */
export function createInjector(injection: Injection): Guard {
  if (injection.kind === 'key' && !/^[\t\x20-\x7e]+$/.test(injection.value)) {
    throw new TunnelerError('base.invalid', `the key for ${injection.header} holds characters a header cannot carry`);
  }
  const out = new Effects();
  const exchanges = new HttpExchanges(injectingJudge(injection, out), out);
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
  const given = injection.kind === 'key' ? [injection.header, ...(injection.host === undefined ? [] : ['host'])] : [];
  const removed = new Set<string>([...keyHeaders, ...given]);
  return {
    allowsUpgrade: true,
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
        return { kind: 'refuse', answer: refusalAnswer(403, injection.rule, injection.why) };
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
      const added: [string, string][] = [
        ...(host === undefined ? [] : [['Host', host] as [string, string]]),
        [header, value],
      ];
      return { kind: 'pass', head: rewriteHead(head, removed, added), answer };
    },
  };
}
