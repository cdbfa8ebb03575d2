/**
 * What the guards of the floor's protocols have in common: frames out of a stream however it is cut, what is said of calls, dialects that
 * cannot be read, and a stream that is none of the protocol. Pure.
 *
 * Direction: closed. A request that is malformed inside its frame is refused by the protocol's own guard; a frame that is none ends the session.
 */
import { floorAllows, type FloorOperation } from '../../base/engagement/floor/operations.ts';
import type { FloorProtocol, FloorRules } from '../../base/engagement/floor/rules.ts';
import type { Reason } from '../../base/reason.ts';
import { ByteCollector } from '../bytes.ts';
import { answeredCall, type AllowedCall } from '../answered-call.ts';
import { Effects } from '../effects.ts';
import type { Guard, GuardCall, GuardContext, GuardEffect } from '../guard.ts';
import { Malformed, parsed } from './byte-reader.ts';
import { judged, notedIn, type Judgement } from '../judgement.ts';
import { OpenCalls } from './open-calls.ts';

/** Which end a frame came from. */
export type Side = 'app' | 'service';

/** What a request is, as far as rules and record go. */
export interface Asked {
  /** Undefined: nobody knows it, and it is refused. */
  readonly operation: FloorOperation | undefined;
  /** For the record, where the operation has no name. */
  readonly name: string;
  /** `DB1.DBB0–9`, `unit 47 point 12`. */
  readonly target: string;
  /** Does all it addresses lie within the contract's objects? Undefined: the contract names none. */
  readonly within: boolean | undefined;
  readonly facts?: Readonly<Record<string, unknown>>;
}

/** What a contract says against a request, in the order it is told. */
export function* floorObjections(
  protocol: FloorProtocol,
  rules: FloorRules,
  { operation, within }: Pick<Asked, 'operation' | 'within'>,
): Generator<{ readonly rule: string }> {
  if (operation === undefined) {
    yield { rule: `guard:${protocol}.unknown` };
    return;
  }
  if (!floorAllows(rules.allow, operation)) yield { rule: `contract:${protocol}.allow` };
  if (within === false) yield { rule: `contract:${protocol}.objects` };
}

/** Own answers that wait for the end of one that the service sends in pieces; who asks on regardless is no client of the protocol. */
export const maxOwnWaiting = 1_024;

/** Longest target and facts, as JSON, that a record has in full. */
const maxTargetLength = 512;
const maxFactsLength = 8_192;

interface Direction {
  readonly held: ByteCollector;
  /** Below this many bytes there is nothing new to read. */
  needed: number;
}

/** A guard to be completed by one protocol's reading and refusals. */
export abstract class FloorGuard implements Guard {
  abstract readonly kind: FloorProtocol;
  /** As people call it. */
  protected abstract readonly label: string;
  protected readonly out = new Effects();
  protected readonly context: GuardContext;
  readonly #rules: FloorRules;
  readonly #open = new OpenCalls();
  readonly #sides: Readonly<Record<Side, Direction>> = {
    app: { held: new ByteCollector(), needed: 0 },
    service: { held: new ByteCollector(), needed: 0 },
  };
  #mode: 'guarding' | 'passing' | 'lost' = 'guarding';
  #begun = false;

  constructor(rules: FloorRules, context: GuardContext) {
    this.#rules = rules;
    this.context = context;
  }

  fromApp(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    return this.#read('app', chunk, nowMs);
  }

  fromService(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    return this.#read('service', chunk, nowMs);
  }

  appEnded(): readonly GuardEffect[] {
    return this.out.take();
  }

  serviceEnded(): readonly GuardEffect[] {
    for (const call of this.#open.takeAll()) this.out.call(call);
    return this.out.take();
  }

  buffered(): number {
    return this.#sides.app.held.length + this.#sides.service.held.length;
  }

  /** Length of the frame that begins here; undefined where more bytes are needed to know. Throws `Malformed`. */
  protected abstract frameLength(bytes: Uint8Array, side: Side): number | undefined;
  /** One whole frame of the application. Throws `Malformed` where the stream can no longer be followed. */
  protected abstract request(frame: Uint8Array, nowMs: number): void;
  /** One whole frame of the service. Throws `Malformed`. */
  protected abstract answer(frame: Uint8Array, nowMs: number): void;

  /** The rule that refuses what is asked; undefined where it may go on. */
  protected refusalOf(asked: Asked): string | undefined {
    return this.#judged(asked).refused?.rule;
  }

  /** It goes on only because the contract observes. */
  protected isObserved(asked: Asked): boolean {
    return this.#judged(asked).observed !== undefined;
  }

  #judged(asked: Asked): Judgement<{ readonly rule: string }> {
    return judged(floorObjections(this.kind, this.#rules, asked), this.context);
  }

  protected refused(asked: Asked, rule: string, nowMs: number): void {
    this.out.call(this.#callOf(asked, 'deny', rule, nowMs));
  }

  /** It went on and will be answered under `key`; without a key nothing answers it. */
  protected allowed(key: string | number | undefined, asked: Asked, nowMs: number): void {
    const rule = `contract:${this.kind}.allow`;
    const plain: AllowedCall = { ...this.#callOf(asked, 'allow', rule, nowMs), decision: 'allow', rule };
    // Only where a contract observes may it go on against a rule.
    const call = this.context.observes === true ? { ...plain, ...notedIn(this.#judged(asked).observed) } : plain;
    if (key === undefined) this.out.call(call);
    else for (const letGo of this.#open.add(key, call)) this.out.call({ ...letGo, failed: true });
  }

  /** Returns the call this answers, already told; undefined where none was open. */
  protected answered(
    key: string | number,
    nowMs: number,
    failed: boolean,
    facts?: Readonly<Record<string, unknown>>,
  ): GuardCall | undefined {
    const call = this.#open.take(key);
    if (call === undefined) return undefined;
    const all = facts === undefined ? call.arguments : { ...(call.arguments as object | undefined), ...facts };
    this.out.call(answeredCall(call, nowMs - call.startedAtMs, failed, all));
    return call;
  }

  /** What flows from here on cannot be read: through unread or to an end, as the contract says. */
  protected opaque(dialect: string, frame: Uint8Array, side: Side): void {
    if (this.#rules.opaque === 'alert') {
      this.#mode = 'passing';
      this.out.notVisible('open');
      this.#pass(side, frame);
      return;
    }
    this.out.notVisible('closed');
    this.#lose({
      code: 'guard.floor.opaque',
      sentence: `${dialect} cannot be read here, and the contract asks for ${this.label}`,
      details: { dialect, protocol: this.label },
      next: `use ${this.label} without encryption, or set "opaque: alert" in the contract`,
      rule: `contract:${this.kind}.opaque`,
    });
  }

  /** Nothing goes on any more; the refusal was told in the protocol's own words. */
  protected silence(): void {
    this.#mode = 'lost';
  }

  #read(side: Side, chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    if (this.#mode === 'passing') this.#pass(side, chunk);
    if (this.#mode !== 'guarding') return this.out.take();
    for (const call of this.#open.expired(nowMs)) this.out.call({ ...call, failed: true });
    if (this.context.datagrams === true && !this.#isWhole(chunk, side)) {
      const asked: Asked = { operation: undefined, name: 'datagram', target: '', within: undefined };
      if (side === 'app') this.refused(asked, `guard:${this.kind}.frame`, nowMs);
      return this.out.take();
    }
    try {
      this.#frames(side, chunk, nowMs);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.#unparseable(side, error.message);
    }
    return this.out.take();
  }

  /** A datagram holds whole frames and nothing else; any other is dropped. */
  #isWhole(datagram: Uint8Array, side: Side): boolean {
    return (
      parsed(() => {
        let at = 0;
        while (at < datagram.length) at += this.frameLength(datagram.subarray(at), side) ?? datagram.length;
        return at === datagram.length;
      }) ?? false
    );
  }

  #frames(side: Side, chunk: Uint8Array, nowMs: number): void {
    const direction = this.#sides[side];
    let bytes = chunk;
    if (direction.held.length > 0) {
      direction.held.append(chunk);
      if (direction.held.length < direction.needed) return;
      bytes = direction.held.take();
    }
    let at = 0;
    direction.needed = 0;
    while (at < bytes.length && this.#mode === 'guarding') {
      const rest = bytes.subarray(at);
      if (!this.#begun && rest.length < 2) break;
      // A TLS handshake record: RFC 8446 section 5.1.
      if (!this.#begun && side === 'app' && rest[0] === 0x16 && rest[1] === 3) {
        this.opaque('TLS', rest, side);
        return;
      }
      this.#begun = true;
      const length = this.frameLength(rest, side);
      if (length === undefined || length > rest.length) {
        direction.needed = length ?? 0;
        break;
      }
      at += length;
      const frame = rest.subarray(0, length);
      if (side === 'app') this.request(frame, nowMs);
      else this.answer(frame, nowMs);
    }
    if (at === bytes.length) return;
    if (this.#mode === 'guarding') direction.held.append(bytes.subarray(at));
    if (this.#mode === 'passing') this.#pass(side, bytes.subarray(at));
  }

  #pass(side: Side, bytes: Uint8Array): void {
    for (const [one, direction] of Object.entries(this.#sides)) {
      if (direction.held.length === 0) continue;
      if (one === 'app') this.out.toService(direction.held.take());
      else this.out.toApp(direction.held.take());
    }
    if (side === 'app') this.out.toService(bytes);
    else this.out.toApp(bytes);
  }

  #unparseable(side: Side, why: string): void {
    const reason: Reason = {
      code: 'guard.floor.unparseable',
      sentence: `what flows cannot be followed as ${this.label}: the ${side === 'app' ? 'application' : 'service'} sent ${why}`,
      details: { protocol: this.label },
      next: `use a client and device that speak ${this.label}, or take the guard out of the contract`,
      rule: `guard:${this.kind}`,
    };
    if (side === 'app') {
      this.#lose(reason);
    } else {
      this.#mode = 'lost';
      this.out.serviceFault(reason, true);
    }
  }

  #lose(reason: Reason): void {
    this.#mode = 'lost';
    this.out.violation(reason, true);
  }

  /** What is written may be long; the record then has its digest and length in its place. */
  #bounded(facts: Asked['facts']): Asked['facts'] {
    if (facts === undefined) return undefined;
    const text = JSON.stringify(facts);
    return text.length <= maxFactsLength ? facts : { digest: this.context.digest(text), length: text.length };
  }

  #callOf(asked: Asked, decision: 'allow' | 'deny', rule: string, startedAtMs: number): GuardCall {
    const { operation, name, target } = asked;
    const facts = this.#bounded(asked.facts);
    return {
      protocol: this.kind,
      method: operation?.name ?? name,
      target: target.length > maxTargetLength ? `${target.slice(0, maxTargetLength)}…` : target,
      decision,
      rule,
      startedAtMs,
      arguments: facts,
    };
  }
}
