/**
 * The Modbus/TCP guard: every request is judged whole; what the contract does not allow is answered here with exception 01 (or 02 for a
 * register outside its ranges) and never goes on. Answers keep the order of their requests. Pure.
 *
 * Direction: closed. A frame that is none, a function nobody knows, data a function does not have: refused or a violation.
 */
import type { Reason } from '../../base/reason.ts';
import type { ModbusRules } from '../../base/engagement.ts';
import { Effects } from '../effects.ts';
import type { Guard, GuardCall, GuardContext, GuardEffect } from '../guard.ts';
import { exceptionTo, FrameReader, type ModbusFrame } from './frames.ts';
import { functions, illegalDataAddress, illegalFunction, type RegisterAccess } from './functions.ts';

/** Requests that wait for an answer; a client that sends more is cut off. Real ones have one to sixteen. */
const maxPending = 1_000;

/** A request without an answer for this long holds up the guard's own answers no more. */
const patienceMs = 3_000;

interface Pending {
  readonly transaction: number;
  readonly unit: number;
  readonly code: number;
  readonly call: GuardCall;
  /** The guard's own answer, waiting for its turn. */
  readonly own: Uint8Array | undefined;
}

interface Refused {
  readonly exception: number;
  readonly rule: string;
}

export class ModbusGuard implements Guard {
  readonly kind = 'modbus';
  readonly #rules: ModbusRules;
  readonly #context: GuardContext;
  readonly #out = new Effects();
  readonly #requests = new FrameReader();
  readonly #answers = new FrameReader();
  #pending: Pending[] = [];
  #dead = false;

  constructor(rules: ModbusRules, context: GuardContext) {
    this.#rules = rules;
    this.#context = context;
  }

  fromApp(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    if (!this.#dead) {
      this.#requests.push(
        chunk,
        (frame) => this.#request(frame, nowMs),
        (why) => this.#lose(`the application sent ${why}`),
      );
    }
    return this.#out.take();
  }

  fromService(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    if (!this.#dead) {
      this.#answers.push(
        chunk,
        (frame) => this.#answer(frame, nowMs),
        (why) => this.#lose(`the service sent ${why}`),
      );
    }
    return this.#out.take();
  }

  appEnded(): readonly GuardEffect[] {
    return this.#out.take();
  }

  serviceEnded(): readonly GuardEffect[] {
    for (const pending of this.#pending.splice(0)) if (pending.own === undefined) this.#out.call(pending.call);
    return this.#out.take();
  }

  buffered(): number {
    return this.#requests.heldBytes + this.#answers.heldBytes;
  }

  #request(frame: ModbusFrame, nowMs: number): void {
    if (this.#dead) return;
    if (this.#pending.length >= maxPending) {
      this.#lose(`the application sent ${maxPending} requests without waiting for an answer`);
      return;
    }
    const known = functions[frame.code];
    const accesses = known?.accesses(frame.data);
    const refused = this.#refusal(frame, accesses);
    const call: GuardCall = {
      protocol: 'modbus',
      method: known?.name ?? `function-${frame.code}`,
      target: targetOf(frame, accesses),
      decision: refused === undefined ? 'allow' : 'deny',
      startedAtMs: nowMs,
      rule: refused?.rule ?? 'contract:modbus.allow',
    };
    const { transaction, unit, code } = frame;
    if (refused === undefined) {
      this.#pending.push({ transaction, unit, code, call, own: undefined });
      this.#out.toService(frame.bytes);
      return;
    }
    this.#out.call(call);
    this.#pending.push({ transaction, unit, code, call, own: exceptionTo(frame, refused.exception) });
    this.#serveTurn(nowMs);
  }

  #refusal(frame: ModbusFrame, accesses: readonly RegisterAccess[] | undefined): Refused | undefined {
    const { allow, units, ranges } = this.#rules;
    const known = functions[frame.code];
    const forbidden = (rule: string): Refused => ({ exception: illegalFunction, rule });
    if (known === undefined) return forbidden('guard:modbus.function');
    if (accesses === undefined) return forbidden('guard:modbus.data');
    if (units !== undefined && !units.includes(frame.unit)) return forbidden('contract:modbus.units');
    if (!allowsFunction(allow, frame.code, known.class)) return forbidden('contract:modbus.allow');
    if (ranges !== undefined) {
      // What touches no register a range could name cannot be held to one.
      if (accesses.length === 0) return forbidden('contract:modbus.ranges');
      const within = accesses.every((access) =>
        ranges.some(
          (range) =>
            (range.table === undefined || range.table === access.table) &&
            access.from >= range.from &&
            access.to <= range.to,
        ),
      );
      if (!within) return { exception: illegalDataAddress, rule: 'contract:modbus.ranges' };
    }
    return this.#localRefusal(frame, accesses);
  }

  #localRefusal(frame: ModbusFrame, accesses: readonly RegisterAccess[]): Refused | undefined {
    for (const access of accesses) {
      if (access.access !== 'write' || (access.table !== 'coils' && access.table !== 'holding')) continue;
      const reason = this.#context.authorize?.({
        action: 'writeRegister',
        target: targetOf(frame, [access]),
        unit: frame.unit,
        table: access.table,
        from: access.from,
        to: access.to,
      });
      if (reason !== undefined) return { exception: illegalFunction, rule: reason.rule ?? reason.code };
    }
    return undefined;
  }

  #answer(frame: ModbusFrame, nowMs: number): void {
    if (this.#dead) return;
    // Servers may answer pipelined requests in any order; the transaction says which one is meant.
    const index = this.#pending.findIndex(
      (pending) =>
        pending.own === undefined &&
        pending.transaction === frame.transaction &&
        pending.unit === frame.unit &&
        pending.code === (frame.code & 0x7f),
    );
    const [answered] = index < 0 ? [] : this.#pending.splice(index, 1);
    if (answered === undefined) {
      this.#lose('the service answered what nobody asked');
      return;
    }
    this.#out.toApp(frame.bytes);
    this.#out.call({
      ...answered.call,
      durationMs: nowMs - answered.call.startedAtMs,
      failed: (frame.code & 0x80) !== 0,
    });
    this.#serveTurn(nowMs);
  }

  /** An own answer goes out once every request before it has had its answer, or was left without one for long. */
  #serveTurn(nowMs: number): void {
    const left: Pending[] = [];
    let waits = false;
    for (const pending of this.#pending) {
      if (pending.own === undefined) waits ||= nowMs - pending.call.startedAtMs < patienceMs;
      if (pending.own === undefined || waits) left.push(pending);
      else this.#out.toApp(pending.own);
    }
    this.#pending = left;
  }

  #lose(why: string): void {
    this.#dead = true;
    const reason: Reason = {
      code: 'guard.modbus.unparseable',
      sentence: `what flows cannot be followed as Modbus/TCP: ${why}`,
      next: 'Use a client and device that speak Modbus/TCP, or take the guard out of the contract',
      rule: 'guard:modbus',
    };
    this.#out.violation(reason, true);
  }
}

function allowsFunction(allow: ModbusRules['allow'], code: number, kind: 'read' | 'write' | 'other'): boolean {
  if (allow === 'read') return kind === 'read';
  // Diagnostics can restart a device: they pass only where a contract names their code.
  if (allow === 'write') return kind !== 'other';
  return allow.includes(code);
}

/** `unit 1 holding 40–41`. */
function targetOf(frame: ModbusFrame, accesses: readonly RegisterAccess[] | undefined): string {
  const places = (accesses ?? []).map(({ table, from, to }) => `${table} ${from}${to === from ? '' : `–${to}`}`);
  return [`unit ${frame.unit}`, ...places].join(' ');
}
