/** Runs bytes of both sides through a guard and keeps what came of it. */
import { createHash } from 'node:crypto';
import type { Guard, GuardCall, GuardContext, GuardEffect } from '../../main/guard/guard.ts';
import { createLedger } from '../../main/guard/ledger.ts';

export type Segment = readonly [from: 'app' | 'service', bytes: Uint8Array | string];

export interface Outcome {
  toService: Buffer;
  toApp: Buffer;
  calls: GuardCall[];
  violations: string[];
  notVisible: string[];
  /** Codes of what the service was found at fault for. */
  faults: string[];
  /** Codes of why the guard ended what flows. */
  ends: string[];
  /** What somebody should know before it is too late. */
  warnings: string[];
  /** Effects that passed bytes on. */
  passes: number;
}

export const sha256 = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex');

export function context(more: Partial<GuardContext> = {}): GuardContext {
  return { ledger: createLedger(), ledgerKey: 'laptop|claude|docs', digest: sha256, ...more };
}

export class GuardDriver {
  readonly guard: Guard;
  readonly outcome: Outcome = {
    toService: Buffer.alloc(0),
    toApp: Buffer.alloc(0),
    calls: [],
    violations: [],
    notVisible: [],
    faults: [],
    ends: [],
    warnings: [],
    passes: 0,
  };
  nowMs = 1_000;

  constructor(guard: Guard) {
    this.guard = guard;
    guard.onWake?.(() => this.#apply(guard.proceed?.(this.nowMs) ?? []));
  }

  app(bytes: Uint8Array | string): this {
    return this.#apply(this.guard.fromApp(bytesOf(bytes), this.nowMs));
  }

  service(bytes: Uint8Array | string): this {
    return this.#apply(this.guard.fromService(bytesOf(bytes), this.nowMs));
  }

  end(): Outcome {
    this.#apply(this.guard.appEnded(this.nowMs));
    this.#apply(this.guard.serviceEnded(this.nowMs));
    return this.outcome;
  }

  run(segments: readonly Segment[]): Outcome {
    for (const [from, bytes] of segments) {
      if (from === 'app') this.app(bytes);
      else this.service(bytes);
    }
    return this.end();
  }

  /** What came out since the last call, as text. */
  takeApp(): string {
    const text = this.outcome.toApp.toString('latin1');
    this.outcome.toApp = Buffer.alloc(0);
    return text;
  }

  takeService(): string {
    const text = this.outcome.toService.toString('latin1');
    this.outcome.toService = Buffer.alloc(0);
    return text;
  }

  #apply(effects: readonly GuardEffect[]): this {
    const outcome = this.outcome;
    for (const effect of effects) {
      if (effect.kind === 'to-service') outcome.toService = Buffer.concat([outcome.toService, effect.bytes]);
      if (effect.kind === 'to-app') outcome.toApp = Buffer.concat([outcome.toApp, effect.bytes]);
      if (effect.kind === 'to-service' || effect.kind === 'to-app') outcome.passes += 1;
      if (effect.kind === 'call') outcome.calls.push(effect.call);
      if (effect.kind === 'violation') outcome.violations.push(effect.reason.code);
      if (effect.kind === 'end') outcome.ends.push(effect.reason.code);
      if (effect.kind === 'warning') outcome.warnings.push(effect.reason.sentence);
      if (effect.kind === 'service-fault') outcome.faults.push(effect.reason.code);
      if (effect.kind === 'not-visible') outcome.notVisible.push(effect.direction);
    }
    return this;
  }
}

/** The same bytes in other pieces: cut at the given fractions. */
export function recut(segments: readonly Segment[], cuts: readonly number[]): readonly Segment[] {
  let next = 0;
  return segments.flatMap(([from, bytes]) => {
    const whole = bytesOf(bytes);
    const pieces: Segment[] = [];
    let at = 0;
    while (at < whole.length) {
      const cut = cuts.length === 0 ? whole.length : (cuts[next % cuts.length] ?? 1);
      next += 1;
      pieces.push([from, whole.slice(at, at + Math.max(1, cut))]);
      at += Math.max(1, cut);
    }
    return pieces;
  });
}

export function bytesOf(bytes: Uint8Array | string): Uint8Array {
  return typeof bytes === 'string' ? Uint8Array.from(Buffer.from(bytes, 'latin1')) : bytes;
}

export function post(body: string, headers: Readonly<Record<string, string>> = {}, path = '/mcp'): string {
  const lines = Object.entries({ 'Content-Type': 'application/json', ...headers }).map(([k, v]) => `${k}: ${v}\r\n`);
  return `POST ${path} HTTP/1.1\r\nHost: docs\r\n${lines.join('')}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

export function answer(body: string, headers: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries({ 'Content-Type': 'application/json', ...headers }).map(([k, v]) => `${k}: ${v}\r\n`);
  return `HTTP/1.1 200 OK\r\n${lines.join('')}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

export function chunked(parts: readonly string[], contentType = 'text/event-stream'): string {
  const body = parts.map((part) => `${Buffer.byteLength(part).toString(16)}\r\n${part}\r\n`).join('');
  return `HTTP/1.1 200 OK\r\nContent-Type: ${contentType}\r\nTransfer-Encoding: chunked\r\n\r\n${body}0\r\n\r\n`;
}

/** Payload of a chunked answer. */
export function dechunk(raw: string): string {
  let rest = raw.slice(raw.indexOf('\r\n\r\n') + 4);
  let payload = '';
  for (;;) {
    const lineEnd = rest.indexOf('\r\n');
    const size = Number.parseInt(rest.slice(0, lineEnd), 16);
    if (!(size > 0)) return payload;
    payload += rest.slice(lineEnd + 2, lineEnd + 2 + size);
    rest = rest.slice(lineEnd + 4 + size);
  }
}
