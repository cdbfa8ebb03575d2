/**
 * MCP as newline-delimited JSON over a plain stream: what stdio servers speak once they are put on a port. Pure.
 * Source: MCP specification, "Transports", stdio: one message a line, no line breaks within.
 *
 * A line ends with LF and nothing else. What goes on holds no other character that some reader takes for the end of a line.
 */
import type { Reason } from '../../base/reason.ts';
import { HeldBytes, textOf, utf8 } from '../bytes.ts';
import type { Effects } from '../effects.ts';
import type { HeldBudget, HeldClaim } from '../held-budget.ts';
import { ScannedJson, type ScannedReading } from '../data/scanned-json.ts';
import type { JsonDocument } from '../json/json-reader.ts';
import { singleLine } from '../json/json-strings.ts';
import { writeJson } from '../json/write-json.ts';
import { readAnswer } from './answers.ts';
import type { McpCalls, SettledVerdict, Written } from './calls.ts';
import { OpenCalls } from './open-calls.ts';
import { readRpc, rpcError, rpcErrors, type RpcMessage, type RpcRefusal, type RpcRequest } from './rpc.ts';

/** Requests without an answer at one time; beyond, new ones are refused. Implementation limit. */
const maxOpenCalls = 10_000;
const lf = 10;
const lineEnd: Uint8Array = Uint8Array.of(lf);

/** Who judges, and where effects go. */
export interface McpLinesDeps {
  readonly calls: McpCalls;
  readonly out: Effects;
  readonly held: HeldBudget | undefined;
  /** Something came of it outside of a call. */
  wake(): void;
}

/** A line of the application as it comes. */
interface AskedLine {
  readonly json: ScannedJson;
  bytes: number;
  claim: HeldClaim | undefined;
}

/** A line of the service as it comes. */
interface ToldLine {
  readonly raw: HeldBytes;
  readonly json: ScannedJson;
}

/** One connection, both ways. */
export class McpLines {
  readonly #deps: McpLinesDeps;
  readonly #calls: McpCalls;
  readonly #out: Effects;
  readonly #open = new OpenCalls();
  #asked: AskedLine;
  #told: ToldLine;
  /** Messages that are judged in slices or wait for approval. */
  #pending = 0;
  #ended = false;
  /** The line that comes is given up. */
  #discarding = false;

  constructor(deps: McpLinesDeps) {
    this.#deps = deps;
    this.#calls = deps.calls;
    this.#out = deps.out;
    this.#asked = this.#newLine();
    this.#told = this.#newTold();
  }

  heldBytes(): number {
    return this.#asked.bytes + this.#told.raw.length;
  }

  /** Calls wait that may still go on. */
  get waiting(): boolean {
    return this.#pending > 0;
  }

  fromApp(chunk: Uint8Array, nowMs: number): void {
    let start = 0;
    for (let found = chunk.indexOf(lf); found >= 0; found = chunk.indexOf(lf, start)) {
      if (!this.#read(chunk.subarray(start, found), nowMs)) return;
      start = found + 1;
      const line = this.#asked;
      this.#asked = this.#newLine();
      line.claim?.release();
      if (!this.#discarding && !line.json.blank) this.#judgeLine(line, nowMs);
      this.#discarding = false;
    }
    this.#read(chunk.subarray(start), nowMs);
  }

  fromService(chunk: Uint8Array, nowMs: number): void {
    let start = 0;
    for (let found = chunk.indexOf(lf); found >= 0; found = chunk.indexOf(lf, start)) {
      this.#hear(chunk.subarray(start, found));
      start = found + 1;
      const line = this.#told;
      this.#told = this.#newTold();
      if (this.#tooLarge(line.raw.length)) return;
      this.#showLine(line.raw.parts(), line.json.end(), nowMs);
    }
    if (start < chunk.length) this.#hear(chunk.subarray(start));
    if (this.#tooLarge(this.#told.raw.length)) this.#told = this.#newTold();
  }

  #hear(piece: Uint8Array): void {
    this.#told.raw.push(piece);
    this.#told.json.push(piece);
  }

  /** What was not ended by a line break was no message. Open calls end unanswered. */
  ended(nowMs: number): void {
    this.#ended = true;
    this.#asked.claim?.release();
    for (const open of this.#open.drain()) this.#calls.answered(open, undefined, nowMs);
  }

  /** A piece of the line that comes; false where the stream is lost with it. */
  #read(piece: Uint8Array, nowMs: number): boolean {
    if (piece.length === 0 || this.#discarding) return true;
    const line = this.#asked;
    line.bytes += piece.length;
    if (this.#tooLarge(line.bytes)) {
      line.claim?.release();
      this.#asked = this.#newLine();
      return false;
    }
    line.claim ??= this.#deps.held?.claim(() => this.#giveUp(nowMs), nowMs);
    if (line.claim?.grow(piece.length, nowMs) === false) this.#giveUp(nowMs);
    else line.json.push(piece);
    return true;
  }

  #giveUp(nowMs: number): void {
    this.#asked.claim?.release();
    this.#discarding = true;
    this.#refuse('a message that was held too long, or too many at once', rpcErrors.invalidRequest, nowMs);
    this.#deps.wake();
  }

  #tooLarge(bytes: number): boolean {
    if (bytes <= this.#calls.maxMessageBytes) return false;
    const sentence = `a message is larger than ${this.#calls.maxMessageBytes} bytes`;
    this.#out.violation({ code: 'guard.mcp.too_large', sentence, rule: 'contract:mcp.maxMessageBytes' }, true);
    return true;
  }

  #judgeLine(line: AskedLine, nowMs: number): void {
    const { json: read, found } = line.json.end();
    if (read.kind === 'fault') return this.#refuse(read.why, rpcErrors.parse, nowMs);
    const rpc = readRpc(read.value, true);
    if (rpc.kind === 'fault') return this.#refuse(rpc.why, rpc.code, nowMs);
    const written: Written = { plain: read.plain, bytes: line.bytes, values: read.values };
    const changed = this.#calls.data.toService(rpc.messages, found, nowMs);
    const json = changed ? { ...read, written: [utf8(writeJson(read.value))] } : read;
    if (!this.#calls.inSlices(written)) return this.#judgeMessages(json, rpc.messages, rpc.batch, written, nowMs);
    this.#later(this.#calls.prepare(rpc.messages, written), () =>
      this.#judgeMessages(json, rpc.messages, rpc.batch, written, nowMs),
    );
  }

  #judgeMessages(
    json: JsonDocument,
    messages: readonly RpcMessage[],
    batch: boolean,
    written: Written,
    nowMs: number,
  ): void {
    const verdicts = new Map<RpcRequest, SettledVerdict>();
    const asked: Promise<void>[] = [];
    const ids = new OpenCalls();
    for (const message of messages) {
      if (message.kind === 'notification') {
        const why = this.#calls.refusedNotification(message, nowMs);
        if (why !== undefined) return this.#answer(rpcError(null, rpcErrors.invalidRequest, why, { by: 'culvert' }));
      }
      if (message.kind !== 'request') continue;
      if (this.#open.has(message.id) || ids.has(message.id) || this.#open.size >= maxOpenCalls) {
        verdicts.set(message, { kind: 'refuse', refusal: idInUse });
        continue;
      }
      ids.add(message.id, { method: message.method, call: undefined });
      const verdict = this.#calls.judge(message, written, nowMs);
      if (verdict.kind === 'ask') {
        // The id counts as in use while somebody is asked.
        this.#open.add(message.id, { method: message.method, call: undefined });
        asked.push(
          verdict.settled.then((settled) => {
            this.#open.take(message.id);
            verdicts.set(message, settled);
          }),
        );
      } else verdicts.set(message, verdict);
    }
    if (asked.length === 0) return this.#conclude(json, batch, verdicts);
    this.#later(Promise.all(asked), () => this.#conclude(json, batch, verdicts));
  }

  #conclude(json: JsonDocument, batch: boolean, verdicts: ReadonlyMap<RpcRequest, SettledVerdict>): void {
    if (this.#ended) return;
    const all = [...verdicts];
    if (all.some(([, verdict]) => verdict.kind === 'refuse')) {
      // One refused call takes its batch with it.
      const errors = all.map(([request, verdict]) => {
        const { code, message, data } = verdict.kind === 'refuse' ? verdict.refusal : withItsBatch;
        return rpcError(request.id, code, message, data);
      });
      return this.#answer(batch ? errors : errors[0]);
    }
    for (const [request, verdict] of all) if (verdict.kind === 'pass') this.#open.add(request.id, verdict.open);
    for (const part of json.written) this.#out.toService(part);
    this.#out.toService(lineEnd);
  }

  #later(work: Promise<unknown>, then: () => void): void {
    this.#pending += 1;
    void work.then(() => {
      this.#pending -= 1;
      then();
      this.#deps.wake();
    });
  }

  #showLine(line: readonly Uint8Array[], read: ScannedReading, nowMs: number): void {
    const text = textOf(line);
    if (text?.trim() === '') return;
    const reading = readAnswer(read, this.#open, this.#calls, nowMs);
    if (reading.kind === 'nothing') return;
    if (reading.kind !== 'fault' && text !== undefined) {
      const shown = singleLine(reading.kind === 'edited' ? reading.edit(text) : text);
      if (shown === text) for (const part of line) this.#out.toApp(part);
      else this.#out.toApp(utf8(shown));
      return this.#out.toApp(lineEnd);
    }
    const reason: Reason = {
      code: 'guard.mcp.answer_unreadable',
      sentence: `the service sent ${reading.kind === 'fault' ? reading.why : 'a line that is not UTF-8'}`,
      rule: 'guard:mcp.parse',
    };
    this.#out.serviceFault(reason, false);
  }

  #refuse(why: string, code: number, nowMs: number): void {
    this.#calls.unreadable('message', why, nowMs);
    this.#answer(rpcError(null, code, why, { by: 'culvert' }));
  }

  #newLine(): AskedLine {
    return { json: new ScannedJson(this.#calls.data.scan()), bytes: 0, claim: undefined };
  }

  #newTold(): ToldLine {
    return { raw: new HeldBytes(), json: new ScannedJson(this.#calls.data.scan(), { places: true }) };
  }

  #answer(message: unknown): void {
    this.#out.toApp(utf8(`${JSON.stringify(message)}\n`));
  }
}

const idInUse: RpcRefusal = {
  code: rpcErrors.invalidRequest,
  message: 'This id waits for an answer already',
  data: { by: 'culvert' },
};

const withItsBatch: RpcRefusal = {
  code: rpcErrors.invalidRequest,
  message: 'Refused with another call of its batch',
  data: { by: 'culvert' },
};
