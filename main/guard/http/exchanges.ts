/**
 * An HTTP/1.x connection as exchanges: requests judged before they go on, answers matched to them in order, and answers of the guard's
 * own put where they belong among those of the service. A request goes on only as it is written anew from what was read of it. Pure.
 */
import type { Reason } from '../../base/reason.ts';
import { utf8 } from '../bytes.ts';
import type { Effects } from '../effects.ts';
import type { HeldBudget } from '../held-budget.ts';
import { answeringBy, type Answering } from './answers.ts';
import { fieldOf, type BodyFraming, type RequestHead, type ResponseHead } from './head.ts';
import { encodeAnswer, type OwnAnswer } from './own-answer.ts';
import type { AnswerWatch, Conversation, HeldVerdict, HttpJudge } from './plans.ts';
import { expectsLeave, HeldRequest, PassingRequest } from './requests.ts';
import { HttpTokenizer } from './tokenizer.ts';

/** Requests without an answer at one time; a client that pipelines more is cut off. */
const maxOpenExchanges = 256;

interface Exchange {
  readonly method: string;
  /** Set once it went on to the service. */
  watch: AnswerWatch | undefined;
  /** The guard's own answer, waiting for its turn. */
  own: Uint8Array | undefined;
  /** The client waits for leave to send the body that is held here. */
  wants100: boolean;
  /** Its answer may switch the connection to a websocket. */
  upgrade: boolean;
  /** Reads what flows then. */
  conversation: Conversation | undefined;
}

type Receiving =
  | { readonly kind: 'none' }
  | { readonly kind: 'passing'; readonly request: PassingRequest }
  | { readonly kind: 'discarding' }
  | { readonly kind: 'holding'; readonly request: HeldRequest; readonly exchange: Exchange };

/** Who judges, and where effects go. */
export interface ExchangesDeps {
  readonly judge: HttpJudge;
  readonly out: Effects;
  readonly held: HeldBudget | undefined;
  /** Something came of it outside of a call. */
  wake(): void;
}

/** One connection's exchanges. */
export class HttpExchanges {
  readonly #deps: ExchangesDeps;
  readonly #out: Effects;
  readonly #requests: HttpTokenizer;
  readonly #responses: HttpTokenizer;
  readonly #open: Exchange[] = [];
  #receiving: Receiving = { kind: 'none' };
  #answering: Answering | undefined;
  /** A request is complete and its verdict is not there yet: what the application sent since. */
  #queue: Uint8Array[] | undefined;
  #nowMs = 0;
  /** A fault or violation ended the reading; nothing passes any more. */
  #dead = false;
  /** The service said something nobody asked for: it is not listened to any more. */
  #deaf = false;
  /** Reads what flows since the connection left HTTP. */
  #conversation: Conversation | undefined;

  constructor(deps: ExchangesDeps) {
    this.#deps = deps;
    this.#out = deps.out;
    this.#requests = new HttpTokenizer('request', {
      head: (head, framing) => head.kind === 'request' && this.#requestHead(head, framing),
      data: (bytes) => this.#requestPayload(bytes),
      framing: () => undefined,
      end: () => this.#requestEnd(),
      tunnelled: (bytes) =>
        this.#conversation === undefined ? this.#out.toService(bytes) : this.#conversation.fromApp(bytes, this.#nowMs),
      fault: (why) => this.#lose(`the application sent ${why}`),
    });
    this.#responses = new HttpTokenizer('response', {
      answersTo: () => this.#open[0]?.method,
      head: (head, framing) => head.kind === 'response' && this.#responseHead(head, framing),
      data: (bytes) => this.#responseBytes(bytes, true),
      framing: (bytes) => this.#responseBytes(bytes, false),
      end: () => this.#responseEnd(),
      tunnelled: (bytes) =>
        this.#conversation === undefined ? this.#out.toApp(bytes) : this.#conversation.fromService(bytes, this.#nowMs),
      fault: (why) => this.#serviceFault(`the service sent ${why}`),
    });
  }

  fromApp(chunk: Uint8Array, nowMs: number): void {
    this.#nowMs = nowMs;
    if (this.#queue !== undefined) this.#queue.push(chunk);
    else if (!this.#dead) this.#read(chunk);
  }

  fromService(chunk: Uint8Array, nowMs: number): void {
    this.#nowMs = nowMs;
    if (this.#dead || this.#deaf) return;
    this.#responses.push(chunk);
  }

  serviceEnded(nowMs: number): void {
    this.#nowMs = nowMs;
    if (!this.#dead && !this.#deaf) this.#responses.finish();
    if (this.#receiving.kind === 'holding') this.#receiving.request.release();
    this.#dead = true;
    this.#conversation?.ended(this.#nowMs);
    // No answer will come for what is open: its watchers hear of it.
    for (const exchange of this.#open.splice(0)) exchange.watch?.over(false, this.#nowMs);
  }

  /** A verdict is waited for. */
  get waiting(): boolean {
    return this.#queue !== undefined;
  }

  heldBytes(): number {
    const holding = this.#receiving.kind === 'holding' ? this.#receiving.request.payloadBytes : 0;
    const own = this.#open.reduce((sum, exchange) => sum + (exchange.own?.length ?? 0), 0);
    const queued = (this.#queue ?? []).reduce((sum, chunk) => sum + chunk.length, 0);
    const answering = this.#answering?.heldBytes() ?? 0;
    const said = this.#conversation?.heldBytes ?? 0;
    return holding + answering + own + queued + said + this.#requests.heldBytes + this.#responses.heldBytes;
  }

  #read(chunk: Uint8Array): void {
    const left = this.#requests.push(chunk);
    if (left !== undefined) this.#queue?.push(left);
  }

  #requestHead(head: RequestHead, framing: BodyFraming): void {
    if (this.#dead) return;
    if (this.#open.length >= maxOpenExchanges) {
      this.#lose(`the application sent ${maxOpenExchanges} requests without waiting for an answer`);
      return;
    }
    const plan = this.#deps.judge.request(head, framing, this.#nowMs);
    const upgrade = plan.kind === 'pass' && plan.upgrade === true;
    const conversation = plan.kind === 'pass' ? plan.conversation : undefined;
    const exchange: Exchange = {
      ...{ method: head.method, watch: undefined, own: undefined, wants100: false, upgrade, conversation },
    };
    this.#open.push(exchange);
    if (plan.kind === 'refuse') {
      this.#receiving = { kind: 'discarding' };
      this.#answerOwn(exchange, plan.answer);
    } else if (plan.kind === 'pass') {
      exchange.watch = plan.answer;
      const request = new PassingRequest(head, framing, { ...plan.changes, websocket: upgrade });
      this.#receiving = { kind: 'passing', request };
      this.#out.toService(request.head);
    } else {
      const drop = (): void => this.#drop(exchange);
      const request = new HeldRequest(head, plan, { of: this.#deps.held, drop, nowMs: this.#nowMs });
      this.#receiving = { kind: 'holding', request, exchange };
      exchange.wants100 = framing.kind !== 'none' && expectsLeave(head);
      this.#serveTurn();
    }
  }

  #requestPayload(bytes: Uint8Array): void {
    const receiving = this.#receiving;
    if (receiving.kind === 'passing') for (const part of receiving.request.payload(bytes)) this.#out.toService(part);
    if (receiving.kind !== 'holding') return;
    const held = receiving.request.push(bytes, this.#nowMs);
    if (held === 'crowded') {
      this.#giveUp(receiving.request, receiving.exchange);
    } else if (held === 'large') {
      const { answer, reason } = receiving.request.plan.tooLarge(this.#nowMs);
      receiving.request.release();
      this.#receiving = { kind: 'discarding' };
      this.#answerOwn(receiving.exchange, answer);
      this.#dead = true;
      this.#out.violation(reason, true);
    }
  }

  #requestEnd(): void {
    const receiving = this.#receiving;
    this.#receiving = { kind: 'none' };
    if (receiving.kind === 'passing') for (const part of receiving.request.end()) this.#out.toService(part);
    if (receiving.kind !== 'holding' || this.#dead) return;
    const { request, exchange } = receiving;
    exchange.wants100 = false;
    const verdict = request.plan.body.judge(this.#nowMs);
    if (!(verdict instanceof Promise)) return this.#judged(request, exchange, verdict);
    this.#queue = [];
    this.#requests.pause();
    void verdict.then((late) => {
      this.#judged(request, exchange, late);
      this.#goOn();
      this.#deps.wake();
    });
  }

  #judged(request: HeldRequest, exchange: Exchange, verdict: HeldVerdict): void {
    request.release();
    if (verdict.kind === 'refuse') {
      if (!this.#dead) this.#answerOwn(exchange, verdict.answer);
      return;
    }
    if (this.#dead) return verdict.answer.over(false, this.#nowMs);
    exchange.watch = verdict.answer;
    for (const bytes of request.written(verdict.body, verdict.contentType)) this.#out.toService(bytes);
  }

  /** Read what came while a verdict was waited for. */
  #goOn(): void {
    const queued = this.#queue ?? [];
    this.#queue = undefined;
    this.#requests.resume();
    for (const [index, chunk] of queued.entries()) {
      if (this.#dead) return;
      this.#read(chunk);
      // Another one waits behind it.
      if (this.waiting) return this.#queueBehind(queued.slice(index + 1));
    }
  }

  #queueBehind(chunks: readonly Uint8Array[]): void {
    this.#queue?.push(...chunks);
  }

  /** Others need the room that this unfinished message takes. */
  #drop(exchange: Exchange): void {
    const receiving = this.#receiving;
    if (receiving.kind !== 'holding' || receiving.exchange !== exchange) return;
    this.#giveUp(receiving.request, exchange);
    this.#deps.wake();
  }

  #giveUp(request: HeldRequest, exchange: Exchange): void {
    request.release();
    this.#receiving = { kind: 'discarding' };
    const error = {
      type: 'guard_busy',
      message: 'Held back too long or too much at once: not judged, not sent',
      by: 'culvert',
    };
    this.#answerOwn(exchange, { status: 503, contentType: 'application/json', body: JSON.stringify({ error }) });
  }

  #responseHead(head: ResponseHead, framing: BodyFraming): void {
    if (this.#dead) return;
    const exchange = this.#open[0];
    if (exchange?.watch === undefined) {
      // A time-out notice on an idle connection, as a rule. Passed on it could be taken for an answer.
      this.#deaf = true;
      this.#answering = undefined;
      return;
    }
    if (head.status === 101) return this.#switched(exchange, head);
    if (head.status < 200) return this.#out.toApp(head.raw);
    const plan = exchange.watch.head(head, framing, this.#nowMs);
    if (plan.kind === 'withhold') return this.#withhold(plan.reason);
    this.#answering = answeringBy(plan, head, framing);
    for (const bytes of this.#answering.head) this.#out.toApp(bytes);
  }

  #switched(exchange: Exchange, head: ResponseHead): void {
    if (!exchange.upgrade || fieldOf(head, 'upgrade')?.toLowerCase() !== 'websocket') {
      return this.#serviceFault('the service left HTTP for a protocol nobody asked for');
    }
    if (exchange.conversation !== undefined && fieldOf(head, 'sec-websocket-extensions') !== undefined) {
      return this.#serviceFault('the service took an extension of websockets nobody asked for');
    }
    this.#conversation = exchange.conversation;
    this.#out.toApp(head.raw);
    this.#requests.switchToTunnel();
    this.#responses.switchToTunnel();
  }

  #responseBytes(bytes: Uint8Array, payload: boolean): void {
    const shown = this.#answering?.bytes(bytes, payload, this.#nowMs);
    if (shown === undefined || this.#dead) return;
    if (shown !== 'large') {
      for (const part of shown) this.#out.toApp(part);
      const why = this.#answering?.ended?.();
      if (why !== undefined) this.#letGo(why);
      return;
    }
    const reason = this.#answering?.tooLarge?.();
    this.#answering = undefined;
    this.#dead = true;
    if (reason !== undefined) this.#out.violation(reason, true);
  }

  /** The answer is complete, though the service would go on with it. */
  #letGo(why: Reason): void {
    this.#responseEnd();
    this.#deaf = true;
    this.#out.end(why);
  }

  #responseEnd(): void {
    const answering = this.#answering;
    // Interim answers end as well, and mean nothing here.
    if (answering === undefined || this.#dead) return;
    this.#answering = undefined;
    for (const part of answering.end(this.#nowMs)) this.#out.toApp(part);
    this.#open.shift()?.watch?.over(true, this.#nowMs);
    this.#serveTurn();
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

  /** An answer that cannot be followed or read. Its asker hears so where nothing of it went on yet. */
  #serviceFault(why: string): void {
    this.#withhold({
      code: this.#deps.judge.violationCode,
      sentence: `what flows cannot be followed as HTTP: ${why}`,
      next: 'let the service speak plain HTTP/1.1, or take the guard out of the contract',
      rule: 'guard:http',
    });
  }

  #withhold(reason: Reason): void {
    const [first] = this.#open;
    if (this.#answering === undefined && first !== undefined) {
      const error = { type: 'bad_gateway', message: `Withheld: ${reason.sentence}`, by: 'culvert' };
      const answer = { status: 502, contentType: 'application/json', body: JSON.stringify({ error }) };
      this.#out.toApp(encodeAnswer({ ...answer, headers: [['Connection', 'close']] }, first.method === 'HEAD'));
    }
    this.#answering = undefined;
    this.#dead = true;
    this.#out.serviceFault(reason, true);
  }

  #lose(why: string): void {
    this.#dead = true;
    this.#out.violation(
      {
        code: this.#deps.judge.violationCode,
        sentence: `what flows cannot be followed as HTTP: ${why}`,
        next: 'use a client and server that speak plain HTTP/1.1, or take the guard out of the contract',
        rule: 'guard:http',
      },
      true,
    );
  }
}
