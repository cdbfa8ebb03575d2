/**
 * Chunks of OPC UA's binary protocol over TCP. Pure. Source: OPC 10000-6 sections 6.7.2 (secure conversation) and 7.1.2 (connection protocol).
 */
import { ByteReader, demand } from '../floor/byte-reader.ts';

/** A larger chunk is held back by nobody; the default of the standard's stacks is 64 KiB. */
const maxChunkBytes = 1024 * 1024;

/** What a chunk is for. */
export type ChunkType = 'HEL' | 'ACK' | 'ERR' | 'RHE' | 'OPN' | 'MSG' | 'CLO';
/** By their three letters as one number: a text would be made for each chunk, twice. */
const chunkTypes: ReadonlyMap<number, ChunkType> = new Map(
  (['HEL', 'ACK', 'ERR', 'RHE', 'OPN', 'MSG', 'CLO'] as const).map((type) => [
    (type.charCodeAt(0) << 16) | (type.charCodeAt(1) << 8) | type.charCodeAt(2),
    type,
  ]),
);

function typeOf(bytes: Uint8Array): ChunkType | undefined {
  return chunkTypes.get(((bytes[0] ?? 0) << 16) | ((bytes[1] ?? 0) << 8) | (bytes[2] ?? 0));
}

const finals: Readonly<Record<number, Chunk['final'] | undefined>> = { 0x46: 'F', 0x43: 'C', 0x41: 'A' };

/** The length of the chunk that begins `bytes`; undefined while that cannot be told. Throws where none begins. */
export function chunkLength(bytes: Uint8Array): number | undefined {
  if (bytes.length < 8) return undefined;
  demand(typeOf(bytes) !== undefined, 'no OPC UA header');
  const length = u32(bytes, 4);
  demand(length >= 8 && length <= maxChunkBytes, `a chunk of ${length} bytes`);
  return length;
}

/** One chunk, its headers read. */
export interface Chunk {
  readonly type: ChunkType;
  /** `F`: the last of its message; `C`: more follow; `A`: the message is given up. */
  readonly final: 'F' | 'C' | 'A';
  readonly bytes: Uint8Array;
}

/** Reads a whole chunk. Throws where it is malformed. */
export function readChunk(bytes: Uint8Array): Chunk {
  const known = typeOf(bytes);
  const final = finals[bytes[3] ?? 0];
  demand(known !== undefined && final !== undefined, 'no OPC UA header');
  demand(final === 'F' || known === 'MSG', 'a message in pieces that has none');
  return { type: known, final, bytes };
}

/** What stands before the body of a chunk of a secure conversation without security. */
export interface Conversation {
  readonly channel: number;
  readonly token: number;
  /** Where the sequence number lies; the request id is behind it. */
  readonly sequenceAt: number;
  readonly requestId: number;
  readonly body: Uint8Array;
}

/** Reads the headers of the secure conversation, and what stands behind them. Throws where it is malformed. */
export function readConversation(chunk: Chunk): Conversation {
  const reader = new ByteReader(chunk.bytes, 8);
  const channel = reader.u32le();
  const token = chunk.type === 'OPN' ? 0 : reader.u32le();
  if (chunk.type === 'OPN') for (let field = 0; field < 3; field += 1) readByteString(reader);
  const sequenceAt = reader.at;
  reader.u32le();
  return { channel, token, sequenceAt, requestId: reader.u32le(), body: reader.rest() };
}

/** The URI an OPN chunk names its security policy by; certificates go with every policy but None. */
export function policyOf(chunk: Chunk): { readonly uri: string; readonly isPlain: boolean } {
  const reader = new ByteReader(chunk.bytes, 12);
  const uri = String.fromCharCode(...(readByteString(reader) ?? []));
  const certificate = readByteString(reader);
  const thumbprint = readByteString(reader);
  const isPlain = uri === nonePolicy && (certificate?.length ?? 0) === 0 && (thumbprint?.length ?? 0) === 0;
  return { uri, isPlain };
}

const nonePolicy = 'http://opcfoundation.org/UA/SecurityPolicy#None';

/** Length -1 stands for none. */
export function readByteString(reader: ByteReader): Uint8Array | undefined {
  const length = reader.i32le();
  return length === -1 ? undefined : reader.bytes(length);
}

/** The sequence number that a chunk has. */
export function sequenceOf(chunk: Uint8Array, sequenceAt: number): number {
  return u32(chunk, sequenceAt);
}

/** Four bytes of a header, the lowest first: a view for each would cost more than reading them. */
function u32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)) >>> 0
  );
}

/** The same chunk under another sequence number; the very same where it has that one. A copy: the bytes may share their memory with others. */
export function renumbered(chunk: Uint8Array, sequenceAt: number, sequence: number): Uint8Array {
  if (sequenceOf(chunk, sequenceAt) === sequence) return chunk;
  const bytes = new Uint8Array(chunk);
  new DataView(bytes.buffer).setUint32(sequenceAt, sequence, true);
  return bytes;
}

/** One chunk that holds a whole message. */
export function messageChunk(
  { channel, token, requestId }: Pick<Conversation, 'channel' | 'token' | 'requestId'>,
  body: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(24 + body.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x4d, 0x53, 0x47, 0x46]);
  view.setUint32(4, bytes.length, true);
  view.setUint32(8, channel, true);
  view.setUint32(12, token, true);
  view.setUint32(20, requestId, true);
  bytes.set(body, 24);
  return bytes;
}

/** Bad_SecurityPolicyRejected. */
export const policyRejected = 0x80550000;

/** The message that ends a connection with this status. */
export function errorChunk(status: number, sentence: string): Uint8Array {
  const text = new TextEncoder().encode(sentence);
  const bytes = new Uint8Array(16 + text.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x45, 0x52, 0x52, 0x46]);
  view.setUint32(4, bytes.length, true);
  view.setUint32(8, status, true);
  view.setInt32(12, text.length, true);
  bytes.set(text, 16);
  return bytes;
}

/** Sequence numbers grow by one with each chunk and begin anew behind the last kilobyte. OPC 10000-6 section 6.7.2.4. */
const lastSequence = 4_294_966_271;

/** Counts sequence numbers as the protocol wraps them. */
export class SequenceCounter {
  #last: number | undefined;

  /** The number after the last one; the first is the other side's own. */
  next(given: number): number {
    this.#last = this.#last === undefined ? given : this.#last >= lastSequence ? 1 : this.#last + 1;
    return this.#last;
  }
}
