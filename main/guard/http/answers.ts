/** The answer that is on its way: passed, held until it is judged, or rewritten as it comes. Pure. */
import type { Reason } from '../../base/reason.ts';
import { HeldBytes } from '../bytes.ts';
import { rewriteHead, type BodyFraming, type ResponseHead } from './head.ts';
import { encodeAnswer } from './own-answer.ts';
import type { AnswerPlan } from './plans.ts';
import { chunkOf, lastChunk } from './requests.ts';

/** Head and framing beside a body of the largest size. */
const slackBytes = 64 * 1024;

/** What would not be true of another body. */
const dropLength: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'etag',
  'digest',
  'content-digest',
  'repr-digest',
]);

const dropLengthAndType: ReadonlySet<string> = new Set([...dropLength, 'content-type']);

/** An answer whose head is known. What it returns goes to the application. */
export interface Answering {
  /** The head, where it goes on at once. */
  readonly head: readonly Uint8Array[];
  /** Bytes of the body; `payload` false: of its framing. `large`: it grew beyond its plan. */
  bytes(bytes: Uint8Array, payload: boolean, nowMs: number): readonly Uint8Array[] | 'large';
  end(nowMs: number): readonly Uint8Array[];
  heldBytes(): number;
  tooLarge?(): Reason;
  /** It was ended before its own end. */
  ended?(): Reason | undefined;
}

/** What does with an answer's payload as its plan says. */
export function answeringBy(
  plan: Exclude<AnswerPlan, { kind: 'withhold' }>,
  head: ResponseHead,
  framing: BodyFraming,
): Answering {
  if (plan.kind === 'hold') return heldAnswer(plan, head);
  if (plan.kind === 'rewrite') return rewrittenAnswer(plan, head, framing);
  return {
    head: [head.raw],
    bytes(bytes, payload) {
      if (payload) plan.tap?.(bytes);
      return [bytes];
    },
    end: () => [],
    heldBytes: () => 0,
  };
}

function heldAnswer(plan: Extract<AnswerPlan, { kind: 'hold' }>, head: ResponseHead): Answering {
  let raw = new HeldBytes();
  raw.push(head.raw);
  let passes = false;
  return {
    head: [],
    bytes(bytes, payload) {
      if (!passes) raw.push(bytes);
      if (raw.length > plan.limitBytes + slackBytes) return 'large';
      if (payload) plan.push(bytes);
      if (passes) return [bytes];
      if (plan.passes?.() !== true) return [];
      const held = raw.parts();
      raw = new HeldBytes();
      passes = true;
      return held;
    },
    end(nowMs) {
      if (passes) return [];
      const judged = plan.judge(nowMs);
      if (judged === 'as-is') return raw.parts();
      if (!(judged instanceof Uint8Array)) return [encodeAnswer(judged, false)];
      const length = ['Content-Length', String(judged.length)] as const;
      if (plan.written === undefined) return [rewriteHead(head, dropLength, [length]), judged];
      return [rewriteHead(head, dropLengthAndType, [['Content-Type', plan.written], length]), judged];
    },
    heldBytes: () => raw.length,
    tooLarge: () => plan.tooLarge(),
  };
}

function rewrittenAnswer(
  plan: Extract<AnswerPlan, { kind: 'rewrite' }>,
  head: ResponseHead,
  framing: BodyFraming,
): Answering {
  const framed = framing.kind === 'length' || framing.kind === 'chunked';
  const written = (parts: readonly Uint8Array[]): readonly Uint8Array[] => (framed ? chunkOf(parts) : parts);
  return {
    head: [framing.kind === 'length' ? rewriteHead(head, dropLength, [['Transfer-Encoding', 'chunked']]) : head.raw],
    bytes: (bytes, payload, nowMs) => (payload ? written(plan.write(bytes, nowMs)) : []),
    end: (nowMs) => [...written(plan.end?.(nowMs) ?? []), ...(framed ? [lastChunk] : [])],
    heldBytes: () => plan.heldBytes?.() ?? 0,
    ended: () => plan.ended?.(),
  };
}
