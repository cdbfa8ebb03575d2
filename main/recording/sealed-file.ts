/**
 * A recording on the disk: sealed for the device's recording key, which only reading needs. Each chunk is encrypted under the file's own key and
 * bound to its place, so that none can be changed, moved or taken out unseen; the last says that it is.
 *
 * Layout: magic, length and sealed file key, then chunks of length (4) and XChaCha20-Poly1305 ciphertext. Inside: entries of kind (1), length
 * (4) and bytes.
 */
import sodium from 'sodium-native';
import { TunnelerError } from '../base/errors.ts';

const magic = Buffer.from('CULVREC1');
/** What an entry holds. */
export const entryKinds = { packets: 1, call: 2 } as const;

/** One thing that was recorded. */
export interface Entry {
  readonly kind: number;
  readonly bytes: Uint8Array;
}

/** Seals entries chunk by chunk; the caller writes what it returns, in order. */
export class ChunkSealer {
  readonly #key = Buffer.alloc(sodium.crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
  readonly #context: string;
  #index = 0;

  constructor(context: string) {
    this.#context = context;
    sodium.randombytes_buf(this.#key);
  }

  /** What the file begins with. */
  head(publicKey: Uint8Array): Uint8Array {
    const sealed = Buffer.alloc(this.#key.length + sodium.crypto_box_SEALBYTES);
    sodium.crypto_box_seal(sealed, this.#key, publicKey);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(sealed.length);
    return Buffer.concat([magic, length, sealed]);
  }

  chunk(entries: readonly Entry[], isLast: boolean): Uint8Array {
    const plain = Buffer.concat(entries.flatMap(({ kind, bytes }) => [entryHead(kind, bytes.length), bytes]));
    const out = Buffer.alloc(4 + plain.length + sodium.crypto_aead_xchacha20poly1305_ietf_ABYTES);
    out.writeUInt32BE(out.length - 4);
    const context = contextOf(this.#context, this.#index, isLast);
    const sealed = out.subarray(4);
    sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, plain, context, null, nonceOf(this.#index), this.#key);
    this.#index += 1;
    if (isLast) sodium.sodium_memzero(this.#key);
    return out;
  }
}

/** All entries of a recording. `isWhole`: its end is there. Throws `recording.unreadable` where a chunk was altered or the key is another. */
export function readSealed(
  file: Buffer,
  context: string,
  keys: { readonly publicKey: Uint8Array; readonly secretKey: Uint8Array },
): { readonly entries: readonly Entry[]; readonly isWhole: boolean } {
  const sealedBytes = file.length < magic.length + 2 ? 0 : file.readUInt16BE(magic.length);
  let at = magic.length + 2 + sealedBytes;
  const key = Buffer.alloc(sodium.crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
  const sealed = file.subarray(magic.length + 2, at);
  const isOurs =
    file.subarray(0, magic.length).equals(magic) &&
    sealedBytes === key.length + sodium.crypto_box_SEALBYTES &&
    sodium.crypto_box_seal_open(key, sealed, keys.publicKey, keys.secretKey);
  if (!isOurs) throw unreadable('it was not sealed for this device');
  const entries: Entry[] = [];
  let isWhole = false;
  for (let index = 0; at + 4 <= file.length && !isWhole; index += 1) {
    const end = at + 4 + file.readUInt32BE(at);
    // An engine that was killed leaves half a chunk; what stands before it is whole.
    if (end > file.length) break;
    const opened = openChunk(file.subarray(at + 4, end), context, index, key);
    entries.push(...entriesOf(opened.plain));
    isWhole = opened.isLast;
    at = end;
  }
  sodium.sodium_memzero(key);
  if (isWhole && at !== file.length) throw unreadable('something stands behind its end');
  return { entries, isWhole };
}

function openChunk(sealed: Buffer, context: string, index: number, key: Buffer): { plain: Buffer; isLast: boolean } {
  for (const isLast of [false, true]) {
    const plain = Buffer.alloc(Math.max(0, sealed.length - sodium.crypto_aead_xchacha20poly1305_ietf_ABYTES));
    try {
      const bound = contextOf(context, index, isLast);
      sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(plain, null, sealed, bound, nonceOf(index), key);
      return { plain, isLast };
    } catch {
      // It was sealed as the other kind, or altered.
    }
  }
  throw unreadable(`its part ${index + 1} was altered`);
}

function entriesOf(plain: Buffer): Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at + 5 <= plain.length;) {
    const end = at + 5 + plain.readUInt32BE(at + 1);
    entries.push({ kind: plain[at] ?? 0, bytes: plain.subarray(at + 5, end) });
    at = end;
  }
  return entries;
}

function entryHead(kind: number, length: number): Buffer {
  const head = Buffer.alloc(5);
  head[0] = kind;
  head.writeUInt32BE(length, 1);
  return head;
}

function contextOf(context: string, index: number, isLast: boolean): Buffer {
  return Buffer.from(`recording ${context} ${index}${isLast ? ' end' : ''}`);
}

/** Each file has a key of its own, so a counter is never used twice. */
function nonceOf(index: number): Buffer {
  const nonce = Buffer.alloc(sodium.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
  nonce.writeUInt32BE(index);
  return nonce;
}

function unreadable(why: string): TunnelerError {
  return new TunnelerError('recording.unreadable', `the recording cannot be read: ${why}`);
}
