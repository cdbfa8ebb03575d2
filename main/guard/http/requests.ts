/** One request on its way: read as it comes, held where it is judged, written anew where it goes on. Pure. */
import { joinBytes, utf8 } from '../bytes.ts';
import type { HeldBudget, HeldClaim } from '../held-budget.ts';
import { encodeRequestHead, type BodyFraming, type HeadChanges, type RequestHead } from './head.ts';
import type { RequestPlan } from './plans.ts';

/** Pieces below this are worth a copy: one write instead of three. */
const copyBytes = 16 * 1024;
/** A request up to here goes on as one piece: a copy costs less than another write. */
const onePieceBytes = 512 * 1024;

/** A request whose body goes on as it comes: the head, then payload in the framing it announces. */
export class PassingRequest {
  readonly head: Uint8Array;
  readonly #chunked: boolean;

  constructor(head: RequestHead, framing: BodyFraming, changes: HeadChanges | undefined) {
    this.#chunked = framing.kind === 'chunked';
    const expects = framing.kind !== 'none' && expectsLeave(head);
    this.head = encodeRequestHead(head, framing, { ...changes, expect: expects });
  }

  payload(bytes: Uint8Array): readonly Uint8Array[] {
    return this.#chunked ? chunkOf([bytes]) : [bytes];
  }

  end(): readonly Uint8Array[] {
    return this.#chunked ? [lastChunk] : [];
  }
}

type HoldPlan = Extract<RequestPlan, { kind: 'hold' }>;

/** A request whose body is held until it is judged. */
export class HeldRequest {
  readonly plan: HoldPlan;
  readonly #head: RequestHead;
  readonly #claim: HeldClaim | undefined;
  payloadBytes = 0;

  constructor(head: RequestHead, plan: HoldPlan, budget: { of: HeldBudget | undefined; drop(): void; nowMs: number }) {
    this.#head = head;
    this.plan = plan;
    this.#claim = budget.of?.claim(() => budget.drop(), budget.nowMs);
  }

  /** `large`: beyond the plan's limit. `crowded`: there is no room for it, or it takes too long. */
  push(bytes: Uint8Array, nowMs: number): 'held' | 'large' | 'crowded' {
    this.payloadBytes += bytes.length;
    if (this.payloadBytes > this.plan.limitBytes) return 'large';
    if (this.#claim?.grow(bytes.length, nowMs) === false) return 'crowded';
    this.plan.body.push(bytes);
    return 'held';
  }

  /** It is judged, or given up. Idempotent. */
  release(): void {
    this.#claim?.release();
  }

  /** The whole request, written anew. */
  written(body: readonly Uint8Array[], contentType: string | undefined): readonly Uint8Array[] {
    const lengthBytes = body.reduce((sum, part) => sum + part.length, 0);
    const { changes } = this.plan;
    const type: (readonly [string, string])[] = contentType === undefined ? [] : [['content-type', contentType]];
    const head = encodeRequestHead(this.#head, lengthBytes === 0 ? { kind: 'none' } : { kind: 'length', lengthBytes }, {
      ...changes,
      own: [...(changes?.own ?? []), ...type],
    });
    return lengthBytes + head.length < onePieceBytes ? [joinBytes([head, ...body])] : [head, ...body];
  }
}

/** True where the client waits for `100 Continue` before it sends its body. */
export function expectsLeave(head: RequestHead): boolean {
  return head.fields.some((field) => field.name === 'expect' && /^100-continue$/i.test(field.value));
}

/** One chunk of chunked framing; nothing for nothing. */
export function chunkOf(parts: readonly Uint8Array[]): readonly Uint8Array[] {
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  if (size === 0) return [];
  const whole = [utf8(`${size.toString(16)}\r\n`), ...parts, utf8('\r\n')];
  return size < copyBytes ? [joinBytes(whole)] : whole;
}

/** The end of chunked framing, without trailers. */
export const lastChunk: Uint8Array = utf8('0\r\n\r\n');
