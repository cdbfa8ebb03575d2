/**
 * An HTTP/1.x connection as exchanges: requests judged before they go on, answers matched to them in order, and answers of the guard's
 * own put where they belong among those of the service. What is judged is held, the rest flows through as it came. Pure.
 */
import type { Reason } from '../../base/reason.ts';
import { joinBytes, utf8 } from '../bytes.ts';
import type { Effects } from '../effects.ts';
import { rewriteHead, type BodyFraming, type RequestHead, type ResponseHead } from './head.ts';
import { encodeAnswer, type OwnAnswer } from './own-answer.ts';
import { HeldMessage } from './held-message.ts';
import { HttpTokenizer } from './tokenizer.ts';

/** Requests without an answer at one time; a client that pipelines more is cut off. */
const maxOpenExchanges = 256;

/** What is to be done with a request, told when its head is complete. */
export type RequestPlan =
  /** It goes on as it comes. */
  | { readonly kind: 'pass'; readonly head: Uint8Array; readonly answer: AnswerWatch }
  /** Its body is held until complete, then judged. */
  | {
      readonly kind: 'hold';
      readonly head: Uint8Array;
      readonly limitBytes: number;
      judge(body: readonly Uint8Array[], nowMs: number): HeldVerdict;
      /** It grew beyond the limit: said as an answer, then as a violation. */
      tooLarge(nowMs: number): { readonly answer: OwnAnswer; readonly reason: Reason };
    }
  | { readonly kind: 'refuse'; readonly answer: OwnAnswer };

export type HeldVerdict =
  { readonly kind: 'pass'; readonly answer: AnswerWatch } | { readonly kind: 'refuse'; readonly answer: OwnAnswer };

/** Sees the answer to one request. */
export interface AnswerWatch {
  /** The final head is complete: how is its body to be treated? */
  head(head: ResponseHead, framing: BodyFraming, nowMs: number): AnswerPlan;
  /** The exchange is over; `complete` is false where the stream ended within it. Once. */
  over(complete: boolean, nowMs: number): void;
}

export type AnswerPlan =
  | { readonly kind: 'pass'; /** Also sees the payload as it passes. */ tap?(payload: Uint8Array): void }
  | {
      readonly kind: 'hold';
      readonly limitBytes: number;
      /** What goes to the application: the answer as it came, or another body for it. */
      judge(body: readonly Uint8Array[], nowMs: number): 'as-is' | Uint8Array;
      tooLarge(): Reason;
    }
  /** It cannot be read, and so does not pass. */
  | { readonly kind: 'violate'; readonly reason: Reason }
  /** The payload is rewritten as it comes; the framing is the guard's own. */
  | { readonly kind: 'rewrite'; write(payload: Uint8Array, nowMs: number): readonly Uint8Array[] };

/** What a protocol brings to the exchanges. */
export interface HttpJudge {
  request(head: RequestHead, framing: BodyFraming, nowMs: number): RequestPlan;
  /** May a connection be switched to another protocol after a request that passed? Else 101 is a violation. */
  readonly allowsUpgrade: boolean;
  readonly violationCode: string;
}

interface Exchange {
  readonly method: string;
  /** Set once it went on to the service. */
  watch: AnswerWatch | undefined;
  /** The guard's own answer, waiting for its turn. */
  own: Uint8Array | undefined;
  /** The client waits for leave to send the body that is held here. */
  wants100: boolean;
}

type Receiving =
  | { readonly kind: 'passing' }
  | { readonly kind: 'discarding' }
  | {
      readonly kind: 'holding';
      readonly plan: Extract<RequestPlan, { kind: 'hold' }>;
      readonly exchange: Exchange;
      readonly message: HeldMessage;
    };

type Answering =
  | { readonly kind: 'none' }
  | { readonly kind: 'passing'; readonly tap: ((payload: Uint8Array) => void) | undefined }
  | {
      readonly kind: 'holding';
      readonly plan: Extract<AnswerPlan, { kind: 'hold' }>;
      readonly head: ResponseHead;
      readonly message: HeldMessage;
    }
  | { readonly kind: 'rewriting'; readonly plan: Extract<AnswerPlan, { kind: 'rewrite' }>; readonly framed: boolean };

/** Head and framing beside a body of the largest size. */
const slackBytes = 64 * 1024;

const dropLength: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'etag',
  'digest',
  'content-digest',
]);

export class HttpExchanges {
  readonly #judge: HttpJudge;
  readonly #out: Effects;
  readonly #requests: HttpTokenizer;
  readonly #responses: HttpTokenizer;
  readonly #open: Exchange[] = [];
  #receiving: Receiving = { kind: 'passing' };
  #answering: Answering = { kind: 'none' };
  #nowMs = 0;
  /** A fault or violation ended the reading; nothing passes any more. */
  #dead = false;
  /** The service said something nobody asked for: it is not listened to any more. */
  #deaf = false;

  constructor(judge: HttpJudge, out: Effects) {
    this.#judge = judge;
    this.#out = out;
    this.#requests = new HttpTokenizer('request', {
      head: (head, framing) => head.kind === 'request' && this.#requestHead(head, framing),
      data: (bytes) => this.#requestBytes(bytes, true),
      framing: (bytes) => this.#requestBytes(bytes, false),
      end: () => this.#requestEnd(),
      tunnelled: (bytes) => this.#out.toService(bytes),
      fault: (why) => this.#lose(`the application sent ${why}`),
    });
    this.#responses = new HttpTokenizer('response', {
      answersTo: () => this.#open[0]?.method,
      head: (head, framing) => head.kind === 'response' && this.#responseHead(head, framing),
      data: (bytes) => this.#responseBytes(bytes, true),
      framing: (bytes) => this.#responseBytes(bytes, false),
      end: () => this.#responseEnd(),
      tunnelled: (bytes) => this.#out.toApp(bytes),
      fault: (why) => this.#lose(`the service sent ${why}`),
    });
  }

  fromApp(chunk: Uint8Array, nowMs: number): void {
    this.#nowMs = nowMs;
    if (!this.#dead) this.#requests.push(chunk);
  }

  fromService(chunk: Uint8Array, nowMs: number): void {
    this.#nowMs = nowMs;
    if (this.#dead || this.#deaf) return;
    this.#responses.push(chunk);
  }

  serviceEnded(nowMs: number): void {
    this.#nowMs = nowMs;
    if (!this.#dead && !this.#deaf) this.#responses.finish();
    this.#abandon();
  }

  /** No answer will come for what is open: tell its watchers. Idempotent. */
  #abandon(): void {
    for (const exchange of this.#open.splice(0)) exchange.watch?.over(false, this.#nowMs);
  }

  heldBytes(): number {
    const holding = (part: Receiving | Answering): number => (part.kind === 'holding' ? part.message.length : 0);
    const own = this.#open.reduce((sum, exchange) => sum + (exchange.own?.length ?? 0), 0);
    return (
      holding(this.#receiving) + holding(this.#answering) + own + this.#requests.heldBytes + this.#responses.heldBytes
    );
  }

  #requestHead(head: RequestHead, framing: BodyFraming): void {
    if (this.#dead) return;
    if (this.#open.length >= maxOpenExchanges) {
      this.#lose(`the application sent ${maxOpenExchanges} requests without waiting for an answer`);
      return;
    }
    const plan = this.#judge.request(head, framing, this.#nowMs);
    const exchange: Exchange = { method: head.method, watch: undefined, own: undefined, wants100: false };
    this.#open.push(exchange);
    if (plan.kind === 'pass') {
      exchange.watch = plan.answer;
      this.#receiving = { kind: 'passing' };
      this.#out.toService(plan.head);
    } else if (plan.kind === 'refuse') {
      this.#receiving = { kind: 'discarding' };
      this.#answerOwn(exchange, plan.answer);
    } else {
      this.#receiving = { kind: 'holding', plan, exchange, message: new HeldMessage(plan.head, framing) };
      const expects = head.fields.some((field) => field.name === 'expect' && /^100-continue$/i.test(field.value));
      exchange.wants100 = expects && framing.kind !== 'none';
      this.#serveTurn();
    }
  }

  #requestBytes(bytes: Uint8Array, payload: boolean): void {
    const receiving = this.#receiving;
    if (receiving.kind === 'passing') this.#out.toService(bytes);
    if (receiving.kind !== 'holding') return;
    receiving.message.push(bytes, payload);
    const { limitBytes } = receiving.plan;
    // Chunk lines count too, generously: a body of a byte a chunk must not hold memory without bound.
    if (receiving.message.payloadBytes > limitBytes || receiving.message.length > limitBytes * 2 + slackBytes) {
      const { answer, reason } = receiving.plan.tooLarge(this.#nowMs);
      this.#receiving = { kind: 'discarding' };
      this.#answerOwn(receiving.exchange, answer);
      this.#dead = true;
      this.#out.violation(reason, true);
    }
  }

  #requestEnd(): void {
    const receiving = this.#receiving;
    this.#receiving = { kind: 'passing' };
    if (receiving.kind !== 'holding' || this.#dead) return;
    receiving.exchange.wants100 = false;
    const verdict = receiving.plan.judge(receiving.message.payload(), this.#nowMs);
    if (verdict.kind === 'refuse') {
      this.#answerOwn(receiving.exchange, verdict.answer);
      return;
    }
    receiving.exchange.watch = verdict.answer;
    for (const bytes of receiving.message.parts()) this.#out.toService(bytes);
  }

  #responseHead(head: ResponseHead, framing: BodyFraming): void {
    if (this.#dead) return;
    const exchange = this.#open[0];
    if (exchange?.watch === undefined) {
      // A time-out notice on an idle connection, as a rule. Passed on it could be taken for an answer.
      this.#deaf = true;
      this.#answering = { kind: 'none' };
      return;
    }
    if (head.status < 200) {
      if (head.status === 101 && !this.#judge.allowsUpgrade) {
        this.#lose('the service left HTTP for another protocol');
        return;
      }
      this.#out.toApp(head.raw);
      if (head.status === 101) {
        this.#requests.switchToTunnel();
        this.#responses.switchToTunnel();
      }
      return;
    }
    const plan = exchange.watch.head(head, framing, this.#nowMs);
    if (plan.kind === 'violate') {
      this.#answering = { kind: 'none' };
      this.#dead = true;
      this.#out.violation(plan.reason, true);
    } else if (plan.kind === 'hold') {
      this.#answering = { kind: 'holding', plan, head, message: new HeldMessage(head.raw, framing) };
    } else if (plan.kind === 'rewrite') {
      const framed = framing.kind === 'length' || framing.kind === 'chunked';
      this.#answering = { kind: 'rewriting', plan, framed };
      const lengthGone = framing.kind === 'length';
      this.#out.toApp(lengthGone ? rewriteHead(head, dropLength, [['Transfer-Encoding', 'chunked']]) : head.raw);
    } else {
      this.#answering = { kind: 'passing', tap: plan.tap?.bind(plan) };
      this.#out.toApp(head.raw);
    }
  }

  #responseBytes(bytes: Uint8Array, payload: boolean): void {
    const answering = this.#answering;
    switch (answering.kind) {
      case 'none':
        return;
      case 'passing':
        this.#out.toApp(bytes);
        if (payload) answering.tap?.(bytes);
        return;
      case 'rewriting':
        if (payload) this.#writeChunk(answering.plan.write(bytes, this.#nowMs), answering.framed);
        return;
      case 'holding':
        answering.message.push(bytes, payload);
        if (answering.message.length <= answering.plan.limitBytes + slackBytes) return;
        this.#answering = { kind: 'none' };
        this.#dead = true;
        this.#out.violation(answering.plan.tooLarge(), true);
    }
  }

  #responseEnd(): void {
    const answering = this.#answering;
    // Interim answers end as well, and mean nothing here.
    if (answering.kind === 'none' || this.#dead) return;
    this.#answering = { kind: 'none' };
    if (answering.kind === 'holding') {
      const judged = answering.plan.judge(answering.message.payload(), this.#nowMs);
      if (judged === 'as-is') {
        for (const bytes of answering.message.parts()) this.#out.toApp(bytes);
      } else {
        this.#out.toApp(rewriteHead(answering.head, dropLength, [['Content-Length', String(judged.length)]]));
        this.#out.toApp(judged);
      }
    }
    if (answering.kind === 'rewriting' && answering.framed) this.#out.toApp(utf8('0\r\n\r\n'));
    this.#open.shift()?.watch?.over(true, this.#nowMs);
    this.#serveTurn();
  }

  #writeChunk(parts: readonly Uint8Array[], framed: boolean): void {
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    if (size === 0) return;
    if (!framed) {
      for (const part of parts) this.#out.toApp(part);
      return;
    }
    const [start, end] = [utf8(`${size.toString(16)}\r\n`), utf8('\r\n')];
    // Small ones are worth a copy: one write instead of three.
    if (size < 16 * 1024) this.#out.toApp(joinBytes([start, ...parts, end]));
    else for (const part of [start, ...parts, end]) this.#out.toApp(part);
  }

  #answerOwn(exchange: Exchange, answer: OwnAnswer): void {
    exchange.wants100 = false;
    exchange.own = encodeAnswer(answer, exchange.method === 'HEAD');
    this.#serveTurn();
  }

  /** Whoever is first in line gets what the guard has for them. */
  #serveTurn(): void {
    for (let first = this.#open[0]; first !== undefined; first = this.#open[0]) {
      if (first.wants100) {
        first.wants100 = false;
        this.#out.toApp(utf8('HTTP/1.1 100 Continue\r\n\r\n'));
      }
      if (first.own === undefined) return;
      this.#out.toApp(first.own);
      this.#open.shift();
    }
  }

  #lose(why: string): void {
    this.#dead = true;
    this.#out.violation(
      {
        code: this.#judge.violationCode,
        sentence: `what flows cannot be followed as HTTP: ${why}`,
        next: 'Use a client and server that speak plain HTTP/1.1, or take the guard out of the contract',
        rule: 'guard:http',
      },
      true,
    );
  }
}
