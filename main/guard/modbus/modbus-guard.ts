/**
 * The Modbus/TCP guard: every request is judged whole; what the contract does not allow is answered here, at once and in the protocol's own
 * words, and never goes on. Pure.
 *
 * Direction: closed. A request has exactly the bytes of its function; a frame that is none is a violation, an answer that belongs to no
 * request is withheld. Over UDP each datagram is one frame; one that is not is dropped and recorded.
 */
import { defined } from '../../base/defined.ts';
import type { ModbusRules } from '../../base/engagement/modbus.ts';
import type { Reason } from '../../base/reason.ts';
import { answeredCall, type AllowedCall } from '../answered-call.ts';
import { Effects } from '../effects.ts';
import type { Guard, GuardContext, GuardEffect } from '../guard.ts';
import { exceptionTo, frameOfDatagram, FrameReader, isRtuFrame, readdressed, type ModbusFrame } from './frames.ts';
import { readRequest, registersAt, type ModbusRequest, type RegisterAccess } from './functions.ts';
import { judged, notedIn } from '../judgement.ts';
import { modbusObjections, targetOf } from './judge.ts';
import { OutstandingRequests, readAccess, valueBytes, type Outstanding } from './outstanding.ts';
import { SeenValues } from './seen-values.ts';

export class ModbusGuard implements Guard {
  readonly kind = 'modbus';
  readonly #rules: ModbusRules;
  readonly #context: GuardContext;
  readonly #out = new Effects();
  readonly #requests = new FrameReader();
  readonly #answers = new FrameReader();
  readonly #open = new OutstandingRequests();
  readonly #seen = new SeenValues();
  #withheld = false;
  #dead = false;

  constructor(rules: ModbusRules, context: GuardContext) {
    this.#rules = rules;
    this.#context = context;
  }

  fromApp(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    this.#expire(nowMs);
    if (this.#context.datagrams === true) {
      const frame = frameOfDatagram(chunk);
      if (frame === undefined) this.#drop(nowMs);
      else this.#request(frame, nowMs);
    } else {
      this.#requests.push(
        chunk,
        (frame) => this.#request(frame, nowMs),
        (why) => this.#lose(`the application sent ${why}`),
      );
    }
    return this.#out.take();
  }

  fromService(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    this.#expire(nowMs);
    if (this.#context.datagrams === true) {
      const frame = frameOfDatagram(chunk);
      if (frame === undefined) this.#withhold();
      else this.#answer(frame, nowMs);
    } else {
      this.#answers.push(
        chunk,
        (frame) => this.#answer(frame, nowMs),
        (why) => this.#fault(`what flows cannot be followed as Modbus/TCP: the service sent ${why}`, true),
      );
    }
    return this.#out.take();
  }

  appEnded(): readonly GuardEffect[] {
    return this.#out.take();
  }

  serviceEnded(): readonly GuardEffect[] {
    for (const request of this.#open.takeAll()) this.#out.call(request.call);
    return this.#out.take();
  }

  buffered(): number {
    return this.#requests.heldBytes + this.#answers.heldBytes;
  }

  #request(frame: ModbusFrame, nowMs: number): void {
    if (this.#dead) return;
    const { transaction, unit, code } = frame;
    const request = readRequest(code, frame.data);
    const objections = modbusObjections(this.#rules, this.#context, unit, request, nowMs);
    const { refused, observed } = judged(objections, this.#context);
    const call = {
      protocol: 'modbus',
      method: request.name,
      target: targetOf(unit, request.accesses),
      startedAtMs: nowMs,
      arguments: this.#factsOf(unit, request, nowMs),
    } as const;
    if (refused !== undefined) {
      this.#out.call({ ...call, decision: 'deny', rule: refused.rule });
      this.#out.toApp(exceptionTo(frame, refused.exception));
      return;
    }
    const { method, target, arguments: facts } = call;
    const plain: AllowedCall = {
      protocol: 'modbus',
      method,
      target,
      decision: 'allow',
      rule: 'contract:modbus.allow',
      startedAtMs: nowMs,
      arguments: facts,
    };
    const allowed = observed === undefined ? plain : { ...plain, ...notedIn(observed) };
    // Behind a serial gateway without a header of its own, these very bytes could be another request: under another number they are none.
    const sent = isRtuFrame(frame.bytes) ? transaction ^ 0x80 : transaction;
    const letGo = this.#open.add({ transaction, sent, unit, code, accesses: request.accesses, call: allowed });
    if (letGo !== undefined) this.#out.call({ ...letGo.call, failed: true });
    this.#out.toService(readdressed(frame, sent, unit));
  }

  /** What the record says beside the target: how many registers, which values, and what was there before. */
  #factsOf(
    unit: number,
    { accesses, masks }: ModbusRequest,
    nowMs: number,
  ): Readonly<Record<string, unknown>> | undefined {
    if (accesses.length === 0) return undefined;
    const facts = accesses.map((access) => {
      const old = access.access === 'write' ? this.#seen.before(unit, access, nowMs) : undefined;
      const place = { access: access.access, table: access.table, address: access.from };
      const count = access.to - access.from + 1;
      return access.access === 'read'
        ? { ...place, count }
        : { ...place, count, ...defined({ values: access.values, masks, old }) };
    });
    return { unit, registers: facts };
  }

  #answer(frame: ModbusFrame, nowMs: number): void {
    if (this.#dead) return;
    const request = this.#open.answeredBy(frame);
    if (request === undefined) {
      this.#withhold();
      return;
    }
    const failed = (frame.code & 0x80) !== 0;
    const values = failed ? undefined : valuesOf(request, frame);
    const read = readAccess(request);
    if (values !== undefined && read !== undefined) this.#seen.see(frame.unit, read, values, nowMs);
    if (!failed) this.#remember(request, nowMs);
    this.#out.toApp(readdressed(frame, request.transaction, request.unit));
    const { call } = request;
    const noted = values !== undefined && this.#context.recordValues === true;
    const facts = noted ? { ...(call.arguments as object), read: values } : call.arguments;
    this.#out.call(answeredCall(call, nowMs - call.startedAtMs, failed, facts));
  }

  /** What a device has taken is what its registers hold now. */
  #remember(request: Outstanding, nowMs: number): void {
    for (const access of request.accesses) {
      if (access.values !== undefined) this.#seen.see(request.unit, access, access.values, nowMs);
    }
  }

  #expire(nowMs: number): void {
    for (const request of this.#open.expired(nowMs)) this.#out.call({ ...request.call, failed: true });
  }

  /** An answer that belongs to no request does not reach the application; told once. */
  #withhold(): void {
    if (this.#withheld) return;
    this.#withheld = true;
    this.#fault('the service answered what nobody asked; it was withheld', false);
  }

  #fault(sentence: string, lost: boolean): void {
    this.#dead ||= lost;
    const code = lost ? 'guard.modbus.unparseable' : 'guard.modbus.answer';
    this.#out.serviceFault({ code, sentence, rule: 'guard:modbus' }, lost);
  }

  #drop(nowMs: number): void {
    this.#out.call({
      protocol: 'modbus',
      method: 'request',
      target: 'a datagram that is no Modbus frame',
      decision: 'deny',
      rule: 'guard:modbus.request',
      startedAtMs: nowMs,
    });
  }

  #lose(why: string): void {
    this.#dead = true;
    const reason: Reason = {
      code: 'guard.modbus.unparseable',
      sentence: `what flows cannot be followed as Modbus/TCP: ${why}`,
      next: 'use a client and device that speak Modbus/TCP, or take the guard out of the contract',
      rule: 'guard:modbus',
    };
    this.#out.violation(reason, true);
  }
}

function valuesOf(request: Outstanding, frame: ModbusFrame): readonly number[] | undefined {
  const read: RegisterAccess | undefined = readAccess(request);
  if (read === undefined) return undefined;
  const bytes = valueBytes(read);
  if (frame.data.byteLength !== 1 + bytes || frame.data.getUint8(0) !== bytes) return undefined;
  return registersAt(frame.data, 1, read.table, read.to - read.from + 1);
}
