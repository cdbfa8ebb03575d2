/**
 * The encrypted form in which a software key lies on the disk: XChaCha20-Poly1305 under a key that is either derived from a
 * passphrase (Argon2id, RFC 9106) or kept elsewhere (the user's keychain).
 */
import sodium from 'sodium-native';
import * as v from 'valibot';
import { TunnelerError } from '../base/errors.ts';
import type { KeyUnlock } from './identities.ts';

/** Argon2id cost: libsodium's MODERATE would take 256 MiB, too much for a small edge box; this is its INTERACTIVE, three passes. */
const opsLimit = 3;
const memLimitBytes = 64 * 1024 * 1024;

const base64Bytes = v.pipe(
  v.string(),
  v.base64(),
  v.transform((text) => Buffer.from(text, 'base64')),
);

const envelopeSchema = v.variant('kdf', [
  v.object({
    version: v.literal(1),
    kdf: v.literal('argon2id'),
    opsLimit: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64)),
    memLimitBytes: v.pipe(v.number(), v.integer(), v.minValue(8192), v.maxValue(4 * 1024 ** 3)),
    salt: base64Bytes,
    nonce: base64Bytes,
    ciphertext: base64Bytes,
  }),
  v.object({ version: v.literal(1), kdf: v.literal('wrapping-key'), nonce: base64Bytes, ciphertext: base64Bytes }),
]);

/** Bytes of a wrapping key. */
export const wrappingKeyBytes: number = sodium.crypto_aead_xchacha20poly1305_ietf_KEYBYTES;

/** Seal `secret` under the wrapping key or, without one, the passphrase. Throws `identity.passphrase_missing`. */
export async function sealEnvelope(secret: Uint8Array, unlock: KeyUnlock, context: string): Promise<string> {
  const nonce = Buffer.alloc(sodium.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
  sodium.randombytes_buf(nonce);
  const head =
    unlock.wrappingKey === undefined
      ? { version: 1, kdf: 'argon2id', opsLimit, memLimitBytes, salt: newSalt().toString('base64') }
      : { version: 1, kdf: 'wrapping-key' };
  const key =
    head.salt === undefined || head.opsLimit === undefined || head.memLimitBytes === undefined
      ? requireWrappingKey(unlock)
      : await deriveKey(unlock, Buffer.from(head.salt, 'base64'), head.opsLimit, head.memLimitBytes);
  const plain = Buffer.from(secret);
  const ciphertext = Buffer.alloc(plain.length + sodium.crypto_aead_xchacha20poly1305_ietf_ABYTES);
  sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(ciphertext, plain, Buffer.from(context), null, nonce, key);
  sodium.sodium_memzero(plain);
  sodium.sodium_memzero(key);
  return `${JSON.stringify({ ...head, nonce: nonce.toString('base64'), ciphertext: ciphertext.toString('base64') })}\n`;
}

/**
 * Open an envelope made for the same `context`. Throws `identity.corrupt` (not an envelope), `identity.passphrase_missing`,
 * `identity.passphrase_wrong` (wrong passphrase or wrapping key, or a changed file: the cipher cannot tell them apart).
 */
export async function openEnvelope(text: string, unlock: KeyUnlock, context: string): Promise<Buffer> {
  const envelope = parseEnvelope(text, context);
  const overheadBytes = sodium.crypto_aead_xchacha20poly1305_ietf_ABYTES;
  if (
    envelope.nonce.length !== sodium.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES ||
    envelope.ciphertext.length < overheadBytes ||
    (envelope.kdf === 'argon2id' && envelope.salt.length !== sodium.crypto_pwhash_SALTBYTES)
  ) {
    throw corrupt(context);
  }
  const key =
    envelope.kdf === 'argon2id'
      ? await deriveKey(unlock, envelope.salt, envelope.opsLimit, envelope.memLimitBytes)
      : requireWrappingKey(unlock);
  const plain = Buffer.alloc(envelope.ciphertext.length - overheadBytes);
  try {
    sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
      plain,
      null,
      envelope.ciphertext,
      Buffer.from(context),
      envelope.nonce,
      key,
    );
  } catch (error) {
    const what = envelope.kdf === 'argon2id' ? 'passphrase' : 'wrapping key';
    throw new TunnelerError('identity.passphrase_wrong', `the ${what} does not open the key "${context}"`, {
      cause: error,
    });
  } finally {
    sodium.sodium_memzero(key);
  }
  return plain;
}

function parseEnvelope(text: string, context: string): v.InferOutput<typeof envelopeSchema> {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    throw corrupt(context, error);
  }
  const parsed = v.safeParse(envelopeSchema, raw);
  if (!parsed.success) throw corrupt(context);
  return parsed.output;
}

function corrupt(context: string, cause?: unknown): TunnelerError {
  return new TunnelerError('identity.corrupt', `the key file "${context}" is damaged; restore it or enrol anew`, {
    cause,
  });
}

function newSalt(): Buffer {
  const salt = Buffer.alloc(sodium.crypto_pwhash_SALTBYTES);
  sodium.randombytes_buf(salt);
  return salt;
}

async function deriveKey(unlock: KeyUnlock, salt: Buffer, ops: number, memBytes: number): Promise<Buffer> {
  if (unlock.passphrase === undefined || unlock.passphrase === '') {
    throw new TunnelerError(
      'identity.passphrase_missing',
      'the key is under a passphrase and none was given: use the systemd credential culvert-passphrase, --passphrase-fd, or culvert identity unlock',
    );
  }
  const key = Buffer.alloc(wrappingKeyBytes);
  const passphrase = Buffer.from(unlock.passphrase, 'utf8');
  await new Promise<void>((resolve, reject) => {
    sodium.crypto_pwhash_async(key, passphrase, salt, ops, memBytes, sodium.crypto_pwhash_ALG_ARGON2ID13, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
  sodium.sodium_memzero(passphrase);
  return key;
}

/** A copy, since callers wipe what they get. */
function requireWrappingKey(unlock: KeyUnlock): Buffer {
  if (unlock.wrappingKey === undefined) {
    throw new TunnelerError(
      'identity.keystore_locked',
      'the key is wrapped by a keychain that has not handed its key over',
      {
        details: { next: 'sign in to the desktop, or run: culvert identity unlock NAME' },
      },
    );
  }
  if (unlock.wrappingKey.length !== wrappingKeyBytes) {
    throw new TunnelerError('identity.passphrase_wrong', 'the wrapping key has the wrong length');
  }
  return Buffer.from(unlock.wrappingKey);
}
