/**
 * End-to-end encryption of one connection: X25519 key exchange, then a secretstream each way.
 * Source: libsodium crypto_kx and crypto_secretstream_xchacha20poly1305; openziti/secretstream: stream.go, kx/*.go.
 */
import sodium from 'sodium-native';
import { TunnelerError } from '../../base/errors.ts';
import type { ListenerKeys } from './edge-router.ts';

/** Length of a public key. A peer that offers another length wants another method, which no router of ours negotiates. */
export const publicKeyBytes = sodium.crypto_kx_PUBLICKEYBYTES;

/** Length of the message that opens each direction. */
export const streamHeaderBytes = sodium.crypto_secretstream_xchacha20poly1305_HEADERBYTES;

/** What encryption adds to each message: one tag byte and the authenticator. */
export const sealOverheadBytes = sodium.crypto_secretstream_xchacha20poly1305_ABYTES;

// Never PUSH, REKEY or FINAL: the Go implementation has no rekeying (openziti/secretstream: stream.go).
const messageTag = sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE;

/** A fresh X25519 pair, for a listener or for one dial. */
export function newListenerKeys(): ListenerKeys {
  const publicKey = new Uint8Array(publicKeyBytes);
  const secretKey = new Uint8Array(sodium.crypto_kx_SECRETKEYBYTES);
  sodium.crypto_kx_keypair(publicKey, secretKey);
  return { publicKey, secretKey };
}

/** Keys of one connection, by direction. */
export interface SessionKeys {
  readonly receive: Uint8Array;
  readonly send: Uint8Array;
}

/** Derive both directions' keys. The dialler is always the key exchange's client. Throws `ziti.dial.encryption_missing` on a bad key. */
export function deriveSessionKeys(role: 'dialler' | 'host', own: ListenerKeys, peerKey: Uint8Array): SessionKeys {
  if (peerKey.length !== publicKeyBytes) {
    throw new TunnelerError(
      'ziti.dial.encryption_missing',
      `the other side's key has ${peerKey.length} bytes, not ${publicKeyBytes}: it uses an encryption Culvert does not speak`,
    );
  }
  const receive = new Uint8Array(sodium.crypto_kx_SESSIONKEYBYTES);
  const send = new Uint8Array(sodium.crypto_kx_SESSIONKEYBYTES);
  try {
    if (role === 'dialler') {
      sodium.crypto_kx_client_session_keys(receive, send, own.publicKey, own.secretKey, peerKey);
    } else {
      sodium.crypto_kx_server_session_keys(receive, send, own.publicKey, own.secretKey, peerKey);
    }
  } catch (cause) {
    throw new TunnelerError('ziti.dial.encryption_missing', "the other side's key is not usable", { cause });
  }
  return { receive, send };
}

/** Seals one direction's messages, in order. */
export class Sealer {
  #header: Uint8Array | undefined;
  readonly #state = new Uint8Array(sodium.crypto_secretstream_xchacha20poly1305_STATEBYTES);

  constructor(key: Uint8Array) {
    const header = new Uint8Array(streamHeaderBytes);
    sodium.crypto_secretstream_xchacha20poly1305_init_push(this.#state, header, key);
    this.#header = header;
  }

  /** To be sent first, alone, as a message of its own; handed over once and not kept. */
  takeHeader(): Uint8Array {
    const header = this.#header;
    if (header === undefined) throw new TunnelerError('base.internal', 'an encrypted stream is opened once');
    this.#header = undefined;
    return header;
  }

  /** Seal `plain` into `target`, which is exactly `sealOverheadBytes` longer. */
  seal(target: Uint8Array, plain: Uint8Array): void {
    const written = sodium.crypto_secretstream_xchacha20poly1305_push(this.#state, target, plain, null, messageTag);
    // A binding that refuses its arguments in silence would leave stale memory to go on the wire.
    if (written !== target.length) throw new TunnelerError('base.internal', 'encryption wrote nothing');
  }
}

/** Where libsodium puts a message's tag; nobody looks at it. */
const openedTag = new Uint8Array(sodium.crypto_secretstream_xchacha20poly1305_TAGBYTES);

/** Opens one direction's messages, in order. */
export class Opener {
  readonly #state = new Uint8Array(sodium.crypto_secretstream_xchacha20poly1305_STATEBYTES);

  /** @param header the first message of the direction. Throws `ziti.stream.decrypt` where it is not one. */
  constructor(key: Uint8Array, header: Uint8Array) {
    if (header.length !== streamHeaderBytes) {
      throw new TunnelerError(
        'ziti.stream.decrypt',
        `the other side opened its encrypted stream with ${header.length} bytes, not ${streamHeaderBytes}`,
      );
    }
    sodium.crypto_secretstream_xchacha20poly1305_init_pull(this.#state, header, key);
  }

  /** The plain message, in memory of its own. Throws `ziti.stream.decrypt` where it was changed, lost or repeated on the way. */
  open(sealed: Uint8Array): Uint8Array {
    if (sealed.length < sealOverheadBytes)
      throw new TunnelerError('ziti.stream.decrypt', 'an encrypted message is cut short');
    const plain = Buffer.allocUnsafeSlow(sealed.length - sealOverheadBytes);
    try {
      sodium.crypto_secretstream_xchacha20poly1305_pull(this.#state, plain, openedTag, sealed, null);
    } catch (cause) {
      throw new TunnelerError('ziti.stream.decrypt', 'an encrypted message does not authenticate', { cause });
    }
    return plain;
  }
}
