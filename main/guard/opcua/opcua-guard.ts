/**
 * The OPC UA guard: every request is judged by service, node and value; what the contract does not allow is answered here with
 * Bad_UserAccessDenied, in the answer its service has, and the channel lives on under sequence numbers of the guard's own. Pure.
 *
 * With encryption nothing can be judged: such a channel is rejected with a sentence, or let through unread, as the contract says.
 */
import type { OpcuaRules } from '../../base/engagement/floor/rules.ts';
import { joinBytes } from '../bytes.ts';
import { demand } from '../floor/byte-reader.ts';
import { FloorGuard, maxOwnWaiting } from '../floor/floor-guard.ts';
import { SeenPlaces } from '../floor/seen-places.ts';
import type { GuardContext } from '../guard.ts';
import { readAnswerBody, refusalBody } from './answers.ts';
import {
  chunkLength,
  errorChunk,
  messageChunk,
  policyOf,
  policyRejected,
  readChunk,
  readConversation,
  renumbered,
  sequenceOf,
  SequenceCounter,
  type Chunk,
  type Conversation,
} from './chunks.ts';
import { readRequest, type UaRequest } from './requests.ts';

/** A message in pieces may grow to this. */
const maxMessageBytes = 16 * 1024 * 1024;
/** A piece counts as this much at least, or one message could have any number; stacks cut at 8 KiB and more. */
const leastChunkBytes = 1_024;
/** Messages of the application that are in pieces at a time. */
const maxPartial = 4;
/** Requests whose nodes are remembered until their answer. */
const maxRemembered = 128;

interface Partial {
  readonly chunks: { readonly chunk: Chunk; readonly conversation: Conversation }[];
  bytes: number;
}

export class OpcuaGuard extends FloorGuard {
  readonly kind = 'opcua';
  protected readonly label = 'OPC UA';
  readonly #objects: OpcuaRules['objects'];
  readonly #maySpeakUnread: boolean;
  readonly #toService = new SequenceCounter();
  readonly #toApp = new SequenceCounter();
  readonly #partial = new Map<number, Partial>();
  readonly #answerParts = new Map<number, Uint8Array[]>();
  /** Own answers that wait for the end of a message the server sends in pieces. */
  readonly #waiting: Uint8Array[] = [];
  readonly #asked = new Map<number, UaRequest>();
  readonly #seen = new SeenPlaces<unknown>();

  constructor(rules: OpcuaRules, context: GuardContext) {
    super(rules, context);
    this.#objects = rules.objects;
    this.#maySpeakUnread = rules.opaque === 'alert';
  }

  protected frameLength(bytes: Uint8Array): number | undefined {
    return chunkLength(bytes);
  }

  protected request(frame: Uint8Array, nowMs: number): void {
    const chunk = readChunk(frame);
    if (chunk.type === 'HEL') {
      this.out.toService(frame);
      return;
    }
    demand(chunk.type === 'OPN' || chunk.type === 'MSG' || chunk.type === 'CLO', `a ${chunk.type} chunk`);
    if (chunk.type === 'OPN' && this.#isOpaque(chunk, nowMs)) return;
    const conversation = readConversation(chunk);
    if (chunk.type === 'MSG') this.#message(chunk, conversation, nowMs);
    else this.#forward(chunk, conversation);
  }

  protected answer(frame: Uint8Array, nowMs: number): void {
    const chunk = readChunk(frame);
    if (chunk.type === 'ACK' || chunk.type === 'ERR') {
      this.out.toApp(frame);
      return;
    }
    demand(chunk.type === 'OPN' || chunk.type === 'MSG', `a ${chunk.type} chunk`);
    const conversation = readConversation(chunk);
    const { sequenceAt, requestId, body } = conversation;
    this.out.toApp(renumbered(frame, sequenceAt, this.#toApp.next(sequenceOf(frame, sequenceAt))));
    if (chunk.type === 'MSG') this.#answered(chunk, requestId, body, nowMs);
    if (this.#answerParts.size === 0) for (const own of this.#waiting.splice(0)) this.#sendOwn(own);
  }

  /** True where the channel is not to be followed: it was rejected, or passes unread. */
  #isOpaque(chunk: Chunk, nowMs: number): boolean {
    const { uri, isPlain } = policyOf(chunk);
    if (isPlain) return false;
    const dialect = `OPC UA with the security policy ${uri.split('#').at(-1) ?? uri}`;
    if (this.#maySpeakUnread) {
      this.opaque(dialect, chunk.bytes, 'app');
      return true;
    }
    this.refused(
      { operation: undefined, name: 'OpenSecureChannel', target: uri, within: undefined },
      'contract:opcua.opaque',
      nowMs,
    );
    this.out.notVisible('closed');
    this.out.toApp(
      errorChunk(policyRejected, `${dialect} cannot be read here, and the contract asks for it: use the policy None`),
    );
    this.silence();
    return true;
  }

  #message(chunk: Chunk, conversation: Conversation, nowMs: number): void {
    const { requestId } = conversation;
    const partial = this.#partial.get(requestId) ?? { chunks: [], bytes: 0 };
    // A message given up was never sent on.
    if (chunk.final === 'A') {
      this.#partial.delete(requestId);
      return;
    }
    partial.chunks.push({ chunk, conversation });
    partial.bytes += Math.max(conversation.body.length, leastChunkBytes);
    demand(partial.bytes <= maxMessageBytes, 'a message without an end');
    if (chunk.final === 'C') {
      this.#partial.set(requestId, partial);
      demand(this.#partial.size <= maxPartial, 'too many messages in pieces');
      return;
    }
    this.#partial.delete(requestId);
    const request = readRequest(joinBytes(partial.chunks.map((one) => one.conversation.body)), this.#objects);
    demand(request !== undefined, 'a message without a request');
    this.#judge(request, partial, conversation, nowMs);
  }

  #judge(request: UaRequest, partial: Partial, conversation: Conversation, nowMs: number): void {
    const { requestId } = conversation;
    const rule = this.refusalOf(request);
    const asked = this.#withOld(request, nowMs);
    if (rule !== undefined) {
      this.refused(asked, rule, nowMs);
      const own = messageChunk(conversation, refusalBody(request, nowMs));
      if (this.#answerParts.size === 0) this.#sendOwn(own);
      else this.#waiting.push(own);
      demand(this.#waiting.length <= maxOwnWaiting, 'ever more requests amid an answer');
      return;
    }
    this.#asked.set(requestId, request);
    const [first] = this.#asked.keys();
    if (this.#asked.size > maxRemembered && first !== undefined) this.#asked.delete(first);
    // What a publish brings is the server's own; only its asking is a call.
    this.allowed(request.operation?.name === 'Publish' ? undefined : requestId, asked, nowMs);
    for (const one of partial.chunks) this.#forward(one.chunk, one.conversation);
  }

  #withOld(request: UaRequest, nowMs: number): UaRequest {
    if (request.type !== 673 || request.facts === undefined) return request;
    const old = request.nodes.map((node) => this.#seen.before(node, nowMs) ?? null);
    return old.every((one) => one === null) ? request : { ...request, facts: { ...request.facts, old } };
  }

  #forward(chunk: Chunk, { sequenceAt }: Conversation): void {
    const { bytes } = chunk;
    this.out.toService(renumbered(bytes, sequenceAt, this.#toService.next(sequenceOf(bytes, sequenceAt))));
  }

  #sendOwn(chunk: Uint8Array): void {
    this.out.toApp(renumbered(chunk, 16, this.#toApp.next(1)));
  }

  #answered(chunk: Chunk, requestId: number, body: Uint8Array, nowMs: number): void {
    const parts = this.#answerParts.get(requestId) ?? [];
    parts.push(body);
    if (chunk.final === 'C') {
      this.#answerParts.set(requestId, parts.slice(0, 1));
      return;
    }
    this.#answerParts.delete(requestId);
    const request = this.#asked.get(requestId);
    this.#asked.delete(requestId);
    const [whole] = parts;
    const answer = whole === undefined || chunk.final === 'A' ? undefined : readAnswerBody(whole);
    if (request?.type === 631) {
      for (const [index, value] of (answer?.values ?? []).entries()) {
        const node = request.nodes[index];
        if (node !== undefined && value.status < 0x40000000) this.#seen.see(node, value.value, nowMs);
      }
    }
    const values = this.context.recordValues === true ? answer?.values?.map(({ value }) => value) : undefined;
    const failed = answer?.failed ?? chunk.final === 'A';
    this.answered(requestId, nowMs, failed, values === undefined ? undefined : { read: values });
    if (request?.type !== 673 || failed) return;
    const written = request.facts?.['values'];
    if (!Array.isArray(written)) return;
    for (const [index, node] of request.nodes.entries()) this.#seen.see(node, written[index], nowMs);
  }
}
