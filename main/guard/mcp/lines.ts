/**
 * MCP as newline-delimited JSON over a plain stream: what stdio servers speak once they are put on a port. Pure.
 * Source: MCP specification, "Transports", stdio: one message a line, no line breaks within.
 */
import type { Reason } from '../../base/reason.ts';
import { HeldBytes, textOf, utf8 } from '../bytes.ts';
import type { Effects } from '../effects.ts';
import { OpenCalls, readAnswer } from './answers.ts';
import type { McpCalls } from './calls.ts';
import { parseRpc, rpcError, rpcErrors, type RpcMessage } from './rpc.ts';

/** Requests without an answer at one time; beyond, new ones are refused. Implementation limit. */
const maxOpenCalls = 10_000;
const lf = 10;

export class McpLines {
  readonly #calls: McpCalls;
  readonly #out: Effects;
  readonly #open = new OpenCalls();
  #fromApp = new HeldBytes();
  #fromService = new HeldBytes();

  constructor(calls: McpCalls, out: Effects) {
    this.#calls = calls;
    this.#out = out;
  }

  heldBytes(): number {
    return this.#fromApp.length + this.#fromService.length;
  }

  fromApp(chunk: Uint8Array, nowMs: number): void {
    this.#fromApp = this.#split(this.#fromApp, chunk, (line) => this.#judgeLine(line, nowMs));
  }

  fromService(chunk: Uint8Array, nowMs: number): void {
    this.#fromService = this.#split(this.#fromService, chunk, (line) => this.#showLine(line, nowMs));
  }

  /** What was not ended by a line break was no message. Open calls end unanswered. */
  ended(nowMs: number): void {
    for (const open of this.#open.drain()) this.#calls.answered(open, undefined, nowMs);
  }

  #split(held: HeldBytes, chunk: Uint8Array, take: (line: readonly Uint8Array[]) => void): HeldBytes {
    let rest = held;
    let start = 0;
    for (let found = chunk.indexOf(lf); found >= 0; found = chunk.indexOf(lf, start)) {
      rest.push(chunk.subarray(start, found + 1));
      const line = rest;
      rest = new HeldBytes();
      start = found + 1;
      if (this.#tooLarge(line)) return rest;
      take(line.parts());
    }
    if (start < chunk.length) rest.push(start === 0 ? chunk : chunk.subarray(start));
    return this.#tooLarge(rest) ? new HeldBytes() : rest;
  }

  #tooLarge(line: HeldBytes): boolean {
    if (line.length <= this.#calls.maxMessageBytes) return false;
    const sentence = `a message is larger than ${this.#calls.maxMessageBytes} bytes`;
    this.#out.violation({ code: 'guard.mcp.too_large', sentence, rule: 'contract:mcp.maxMessageBytes' }, true);
    return true;
  }

  #judgeLine(line: readonly Uint8Array[], nowMs: number): void {
    const text = textOf(line);
    if (text?.trim() === '') return this.#pass('service', line);
    const rpc = text === undefined ? undefined : parseRpc(text);
    if (rpc === undefined || rpc.kind === 'fault') {
      const why = rpc?.why ?? 'a line that is not UTF-8';
      this.#calls.unreadable('message', why, nowMs);
      this.#answer(rpcError(null, rpc?.code ?? rpcErrors.parse, why, { by: 'culvert' }));
      return;
    }
    const errors: Record<string, unknown>[] = [];
    const passed: RpcMessage[] = [];
    for (const message of rpc.messages) {
      if (message.kind !== 'request') continue;
      if (this.#open.has(message.id) || this.#open.size >= maxOpenCalls) {
        errors.push(rpcError(message.id, rpcErrors.invalidRequest, 'This id waits for an answer already'));
        continue;
      }
      const verdict = this.#calls.judge(message, rpc.plain, nowMs);
      if (verdict.kind === 'pass') {
        this.#open.add(message.id, verdict.open);
        passed.push(message);
      } else {
        errors.push(rpcError(message.id, verdict.refusal.code, verdict.refusal.message, verdict.refusal.data));
      }
    }
    if (errors.length === 0) return this.#pass('service', line);
    // One refused call takes its batch with it.
    for (const message of passed) {
      if (message.kind !== 'request') continue;
      this.#open.take(message.id);
      errors.push(rpcError(message.id, rpcErrors.invalidRequest, 'Refused with another call of its batch'));
    }
    this.#answer(rpc.batch ? errors : errors[0]);
  }

  #showLine(line: readonly Uint8Array[], nowMs: number): void {
    const text = textOf(line);
    if (text?.trim() === '') return this.#pass('app', line);
    const reading = text === undefined ? undefined : readAnswer(text, this.#open, this.#calls, nowMs);
    if (reading?.kind === 'as-is') return this.#pass('app', line);
    if (reading?.kind === 'replaced') return this.#out.toApp(utf8(`${reading.text}\n`));
    const why = reading?.kind === 'fault' ? reading.why : 'a line that is not UTF-8';
    const reason: Reason = {
      code: 'guard.mcp.answer_unreadable',
      sentence: `the service sent ${why}`,
      rule: 'guard:mcp.parse',
    };
    this.#out.violation(reason, false);
  }

  #pass(to: 'service' | 'app', line: readonly Uint8Array[]): void {
    for (const part of line) {
      if (to === 'service') this.#out.toService(part);
      else this.#out.toApp(part);
    }
  }

  #answer(message: unknown): void {
    this.#out.toApp(utf8(`${JSON.stringify(message)}\n`));
  }
}
