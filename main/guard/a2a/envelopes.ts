/**
 * Agora's envelopes: what agents say who do not speak A2A. Headers are read and written anew, payloads pass unread; types, numbers and sizes are
 * held to the contract, both ways. Pure.
 * Source: openziti/agora, docs/layer-2 (envelopes): version 0x01, header and payload lengths (4 bytes each, big endian), a header in JSON, an
 * opaque payload.
 */
import { defined } from '../../base/defined.ts';
import type { A2aRules } from '../../base/engagement.ts';
import { compileGlob, type Glob } from '../../base/glob.ts';
import type { Reason } from '../../base/reason.ts';
import type { ReasonCode } from '../../base/reason-codes.ts';
import { ByteCollector, joinBytes, utf8 } from '../bytes.ts';
import { Effects } from '../effects.ts';
import type { EngagementRefusal, Guard, GuardContext, GuardEffect } from '../guard.ts';
import { isOnlyNoted, notedIn } from '../judgement.ts';
import { isRecord, readJson } from '../json/strict-json.ts';
import { writeJson } from '../json/write-json.ts';

/** The only version there is. */
export const envelopeVersion = 0x01;
const headBytes = 9;
const maxHeaderBytes = 64 * 1024;
/** The platform's own ceiling. Source: openziti/agora, docs/layer-2. */
const defaultMaxBytes = 10 * 1024 * 1024;
const daySeconds = 86_400;

const textFields: ReadonlySet<string> = new Set([
  'envelope_id',
  'session_id',
  'sender_account_id',
  'sender_organization_id',
  'message_type',
  'timestamp',
  'content_type',
  'correlation_id',
]);

type Side = 'app' | 'service';

/** One direction: the frame that is coming. */
interface Coming {
  readonly held: ByteCollector;
  /** Of the payload, after its header went on. */
  payloadLeft: number;
  /** It was asked, and something may. */
  isCleared: boolean;
  /** The other end is asked whether anything may be said. */
  isAsking: boolean;
}

/** What an envelope is refused for, in Agora's words. */
interface Breach {
  readonly code: Extract<ReasonCode, `guard.a2a.${string}`>;
  readonly sentence: string;
  readonly rule: string;
}

/** One session of envelopes. */
export class EnvelopeGuard implements Guard {
  readonly kind = 'a2a';
  readonly #rules: A2aRules;
  readonly #context: GuardContext;
  readonly #windowMs: number;
  readonly #types: readonly Glob[] | undefined;
  readonly #out = new Effects();
  readonly #coming: Readonly<Record<Side, Coming>> = {
    app: { held: new ByteCollector(), payloadLeft: 0, isCleared: false, isAsking: false },
    service: { held: new ByteCollector(), payloadLeft: 0, isCleared: false, isAsking: false },
  };
  #over = false;
  /** The rule that would have stopped the envelope that is judged. */
  #observed: string | undefined;
  #nowMs = 0;
  #wake: () => void = () => undefined;

  constructor(rules: A2aRules, context: GuardContext, windowMs: number | undefined) {
    this.#rules = rules;
    this.#context = context;
    this.#windowMs = windowMs ?? daySeconds * 1000;
    this.#types = rules.messageTypes?.map((pattern) => compileGlob(pattern));
  }

  fromApp(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    return this.#take('app', chunk, nowMs);
  }

  fromService(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    return this.#take('service', chunk, nowMs);
  }

  appEnded(): readonly GuardEffect[] {
    return this.#out.take();
  }

  serviceEnded(): readonly GuardEffect[] {
    return this.#out.take();
  }

  buffered(): number {
    return this.#coming.app.held.length + this.#coming.service.held.length;
  }

  onWake(wake: () => void): void {
    this.#wake = wake;
  }

  proceed(nowMs: number): readonly GuardEffect[] {
    return [...this.#take('app', new Uint8Array(), nowMs), ...this.#take('service', new Uint8Array(), nowMs)];
  }

  waiting(): 'bytes' | undefined {
    return this.#coming.app.isAsking ? 'bytes' : undefined;
  }

  holdsService(): boolean {
    return this.#coming.service.isAsking;
  }

  #take(side: Side, chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    this.#nowMs = nowMs;
    const coming = this.#coming[side];
    let rest = chunk;
    while (!this.#over) {
      if (coming.payloadLeft > 0 && coming.held.length === 0) {
        const part = rest.subarray(0, coming.payloadLeft);
        coming.payloadLeft -= part.length;
        this.#pass(side, part);
        rest = rest.subarray(part.length);
        if (coming.payloadLeft > 0) break;
      }
      coming.held.append(rest);
      if (coming.isAsking) break;
      const bytes = coming.held.take();
      const used = this.#frame(side, bytes);
      if (used === undefined) {
        coming.held.append(bytes);
        break;
      }
      rest = bytes.subarray(used);
      if (rest.length === 0 && coming.payloadLeft === 0) break;
    }
    return this.#out.take();
  }

  /** Judge what begins here; bytes used of it, or undefined where it is not all here yet. */
  #frame(side: Side, bytes: Uint8Array): number | undefined {
    if (bytes.length === 0) return undefined;
    if (bytes[0] !== envelopeVersion) return this.#breach(side, 'frame', breaches.version(bytes[0] ?? 0));
    if (bytes.length < headBytes) return undefined;
    const lengths = new DataView(bytes.buffer, bytes.byteOffset, headBytes);
    const [headerLength, payloadLength] = [lengths.getUint32(1), lengths.getUint32(5)];
    if (headerLength > maxHeaderBytes) return this.#breach(side, 'frame', breaches.header('it is too long'));
    const most = this.#rules.maxMessageBytes ?? defaultMaxBytes;
    if (payloadLength > most) return this.#breach(side, 'frame', breaches.large(most));
    const end = headBytes + headerLength;
    if (bytes.length < end) return undefined;
    const json = readJson([bytes.subarray(headBytes, end)]);
    const header = json.kind === 'fault' ? json.why : readHeader(json.value);
    if (typeof header === 'string') return this.#breach(side, 'frame', breaches.header(header));
    const passed = this.#judge(side, header.message_type);
    if (passed !== 'passed') return passed === 'asking' ? undefined : end;
    const written = utf8(writeJson(header));
    const head = new Uint8Array(headBytes);
    head[0] = envelopeVersion;
    const view = new DataView(head.buffer);
    view.setUint32(1, written.length);
    view.setUint32(5, payloadLength);
    this.#pass(side, joinBytes([head, written]));
    this.#coming[side].payloadLeft = payloadLength;
    return end;
  }

  #judge(side: Side, type: string): 'passed' | 'asking' | 'over' {
    this.#observed = undefined;
    const isForeign = this.#types !== undefined && !this.#types.some((glob) => glob.matches(type));
    if (isForeign && this.#stops(side, type, breaches.type(type))) return 'over';
    const { skills } = this.#rules;
    const namesNone = side === 'app' && skills !== undefined && !skills.includes('*');
    if (namesNone && this.#stops(side, type, breaches.skill())) return 'over';
    // Nor does an agent say anything to somebody who is not engaged.
    const coming = this.#coming[side];
    const engaged = coming.isCleared ? undefined : this.#context.engagement?.refusal();
    coming.isCleared = false;
    if (engaged instanceof Promise) return this.#ask(coming, engaged, type);
    if (engaged !== undefined) return this.#unengaged(engaged, type);
    return side === 'app' ? this.#asked(type) : this.#answered(type);
  }

  /** A breach ends what flows, unless the contract only observes. */
  #stops(side: Side, type: string, breach: Breach): boolean {
    if (!isOnlyNoted(breach.rule, this.#context)) {
      this.#breach(side, type, breach);
      return true;
    }
    this.#observed ??= breach.rule;
    return false;
  }

  /** The frame stays held until the other end has answered. */
  #ask(coming: Coming, asked: Promise<EngagementRefusal | undefined>, type: string): 'asking' {
    coming.isAsking = true;
    void asked.then((refused) => {
      coming.isAsking = false;
      coming.isCleared = refused === undefined;
      if (refused !== undefined) this.#unengaged(refused, type);
      this.#wake();
    });
    return 'asking';
  }

  #asked(type: string): 'passed' | 'over' {
    const { maxMessages } = this.#rules;
    const { ledger, budgetKey, ledgerKey } = this.#context;
    const key = `${budgetKey ?? ledgerKey}|a2a.messages`;
    const isUsed = maxMessages !== undefined && !ledger.take(key, 1, maxMessages, this.#windowMs, this.#nowMs);
    if (isUsed && this.#stops('app', type, breaches.count(maxMessages))) return 'over';
    const unsaid = this.#context.engagement?.said(true);
    if (unsaid !== undefined) return this.#unengaged(unsaid, type);
    this.#call(type, 'allow');
    return 'passed';
  }

  #answered(type: string): 'passed' | 'over' {
    const unsaid = this.#context.engagement?.said(false);
    return unsaid === undefined ? 'passed' : this.#unengaged(unsaid, type);
  }

  /** Envelopes have no answer that says no: what flows ends, with why in the record. */
  #unengaged({ rule, sentence, next }: EngagementRefusal, type: string): 'over' {
    this.#call(type, 'deny', rule);
    this.#over = true;
    this.#out.end({ code: 'guard.a2a.not_engaged', sentence, next, rule });
    return 'over';
  }

  #breach(side: Side, type: string, { code, sentence, rule }: Breach): number {
    this.#call(type, 'deny', rule);
    this.#over = true;
    const reason: Reason = { code, sentence, rule };
    if (side === 'app') this.#out.violation(reason, true);
    else this.#out.serviceFault(reason, true);
    return 0;
  }

  #call(target: string, decision: 'allow' | 'deny', rule?: string): void {
    const call = { protocol: 'a2a', method: 'envelope', target: target.slice(0, 512), decision } as const;
    const noted = decision === 'allow' ? notedIn(this.#observed) : defined({ rule });
    this.#out.call({ ...call, startedAtMs: this.#nowMs, ...noted });
  }

  #pass(side: Side, bytes: Uint8Array): void {
    if (side === 'app') this.#out.toService(bytes);
    else this.#out.toApp(bytes);
  }
}

interface Header {
  readonly message_type: string;
  readonly [field: string]: unknown;
}

/** In words, what of it cannot be read. */
function readHeader(value: unknown): Header | string {
  if (!isRecord(value)) return 'it is no object';
  const odd = Object.entries(value).find(([name, field]) =>
    name === 'schema_version' ? typeof field !== 'number' : !textFields.has(name) || typeof field !== 'string',
  );
  if (odd !== undefined) return `the field "${odd[0].slice(0, 64)}"`;
  const { message_type: type } = value;
  return typeof type !== 'string' || type === '' ? 'it names no type' : { ...value, message_type: type };
}

const breaches = {
  version: (version: number): Breach => ({
    code: 'guard.a2a.frame_version',
    sentence: `an envelope of version ${version}, which nobody here reads`,
    rule: 'guard:a2a.envelope',
  }),
  header: (why: string): Breach => ({
    code: 'guard.a2a.frame_header',
    sentence: `the header of an envelope cannot be read: ${why}`,
    rule: 'guard:a2a.envelope',
  }),
  large: (most: number): Breach => ({
    code: 'guard.a2a.too_large',
    sentence: `an envelope is larger than ${most} bytes`,
    rule: 'contract:a2a.maxMessageBytes',
  }),
  type: (type: string): Breach => ({
    code: 'guard.a2a.type_disallowed',
    sentence: `the contract lets no envelopes of type ${type.slice(0, 128)} through`,
    rule: 'contract:a2a.messageTypes',
  }),
  skill: (): Breach => ({
    code: 'guard.a2a.type_disallowed',
    sentence: 'the contract allows some skills alone, and an envelope names none',
    rule: 'contract:a2a.skills',
  }),
  count: (most: number): Breach => ({
    code: 'guard.a2a.count_used',
    sentence: `the contract's ${most} messages are used`,
    rule: 'contract:a2a.maxMessages',
  }),
};
