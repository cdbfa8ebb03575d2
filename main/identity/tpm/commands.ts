/** The six TPM 2.0 commands a signing key needs, marshalled by hand. Source of every number: TCG TPM 2.0 Library, parts 2 and 3. */
import { TunnelerError } from '../../base/errors.ts';
import type { TpmTransport } from './transport.ts';

const tagNoSessions = 0x8001;
const tagSessions = 0x8002;
const commandCodes = {
  createPrimary: 0x131,
  startup: 0x144,
  create: 0x153,
  load: 0x157,
  sign: 0x15d,
  flush: 0x165,
} as const;
const handleOwner = 0x40000001;
const handleNull = 0x40000007;
/** TPM_RS_PW: authorisation by plain password. */
const sessionPassword = 0x40000009;
const tagHashCheck = 0x8024;
const algorithms = {
  aes: 0x0006,
  sha256: 0x000b,
  sha384: 0x000c,
  null: 0x0010,
  ecdsa: 0x0018,
  ecc: 0x0023,
  cfb: 0x0043,
} as const;

/** What a curve needs: its TPM id, its hash, the length of a coordinate. */
export const curves = {
  ES256: { id: 0x0003, hash: algorithms.sha256, coordinateBytes: 32 },
  ES384: { id: 0x0004, hash: algorithms.sha384, coordinateBytes: 48 },
} as const;
/** The signature algorithms asked of a TPM. */
export type TpmAlgorithm = keyof typeof curves;

/** TPMA_OBJECT bits. */
const fixedTpm = 1 << 1;
const fixedParent = 1 << 4;
const sensitiveDataOrigin = 1 << 5;
const userWithAuth = 1 << 6;
const noDictionaryAttackProtection = 1 << 10;
const restricted = 1 << 16;
const decrypt = 1 << 17;
const signing = 1 << 18;

/** Response codes that have a meaning for people. */
const responseInitialize = 0x100;
const responseLockout = 0x921;
/** The TPM was busy with itself (it writes down wrong PINs, say) and wants the command again. */
const responseRetry = 0x922;
const maxAttempts = 5;
/** Format-one codes keep the error in the low bits; handle, parameter and session numbers are masked away. */
const formatOneMask = 0x0bf;
const responseAuthFail = 0x08e;
const responseBadAuth = 0x0a2;
const responseIntegrity = 0x09f;

class Writer {
  readonly #parts: Buffer[] = [];
  u8(value: number): this {
    return this.#push(1, (buffer) => buffer.writeUInt8(value));
  }
  u16(value: number): this {
    return this.#push(2, (buffer) => buffer.writeUInt16BE(value));
  }
  u32(value: number): this {
    return this.#push(4, (buffer) => buffer.writeUInt32BE(value >>> 0));
  }
  raw(bytes: Uint8Array): this {
    this.#parts.push(Buffer.from(bytes));
    return this;
  }
  /** TPM2B: a length, then the bytes. */
  sized(bytes: Uint8Array): this {
    return this.u16(bytes.length).raw(bytes);
  }
  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
  #push(length: number, write: (buffer: Buffer) => void): this {
    const buffer = Buffer.alloc(length);
    write(buffer);
    this.#parts.push(buffer);
    return this;
  }
}

/** Reads a response; reading past its end is a malformed response, not a crash. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }
  u16(): number {
    return this.take(2).readUInt16BE();
  }
  u32(): number {
    return this.take(4).readUInt32BE();
  }
  sized(): Buffer {
    return this.take(this.u16());
  }
  take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length)
      throw new TunnelerError('identity.keystore_unavailable', 'the TPM answered with a cut-off message');
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }
}

/** A key the TPM made: private part wrapped by the TPM, public part, and its point. */
export interface TpmKeyBlobs {
  readonly wrappedPrivate: Buffer;
  readonly publicArea: Buffer;
}

/** The storage root key every other key hangs from, made anew from the owner's seed each time: the TCG template, ECC P-256. */
export async function createPrimary(tpm: TpmTransport): Promise<number> {
  const template = new Writer()
    .u16(algorithms.ecc)
    .u16(algorithms.sha256)
    .u32(
      fixedTpm | fixedParent | sensitiveDataOrigin | userWithAuth | noDictionaryAttackProtection | restricted | decrypt,
    )
    .sized(Buffer.alloc(0))
    .u16(algorithms.aes)
    .u16(128)
    .u16(algorithms.cfb)
    .u16(algorithms.null)
    .u16(curves.ES256.id)
    .u16(algorithms.null)
    .sized(Buffer.alloc(32))
    .sized(Buffer.alloc(32));
  const parameters = new Writer().sized(sensitive('')).sized(template.bytes()).sized(Buffer.alloc(0)).u32(0);
  return (await run(tpm, commandCodes.createPrimary, [handleOwner], '', parameters.bytes(), 1)).handle;
}

/** A signing key under `parent` that never leaves the TPM; `auth` (a PIN) may be empty. */
export async function createSigningKey(
  tpm: TpmTransport,
  parent: number,
  algorithm: TpmAlgorithm,
  auth: string,
): Promise<TpmKeyBlobs> {
  const { id, hash } = curves[algorithm];
  // Without a PIN there is nothing to guess: the lockout that guards PINs would only lock the box out.
  const protection = auth === '' ? noDictionaryAttackProtection : 0;
  const template = new Writer()
    .u16(algorithms.ecc)
    .u16(algorithms.sha256)
    .u32(fixedTpm | fixedParent | sensitiveDataOrigin | userWithAuth | signing | protection)
    .sized(Buffer.alloc(0))
    .u16(algorithms.null)
    .u16(algorithms.ecdsa)
    .u16(hash)
    .u16(id)
    .u16(algorithms.null)
    .sized(Buffer.alloc(0))
    .sized(Buffer.alloc(0));
  const parameters = new Writer().sized(sensitive(auth)).sized(template.bytes()).sized(Buffer.alloc(0)).u32(0);
  const { body } = await run(tpm, commandCodes.create, [parent], '', parameters.bytes(), 0);
  return { wrappedPrivate: Buffer.from(body.sized()), publicArea: Buffer.from(body.sized()) };
}

/** Load a key's blobs under `parent`; the handle must be flushed. */
export async function loadKey(tpm: TpmTransport, parent: number, blobs: TpmKeyBlobs): Promise<number> {
  const parameters = new Writer().sized(blobs.wrappedPrivate).sized(blobs.publicArea);
  return (await run(tpm, commandCodes.load, [parent], '', parameters.bytes(), 1)).handle;
}

/** Sign a digest of the key's hash; r and s, each of a coordinate's length. */
export async function signDigest(
  tpm: TpmTransport,
  key: number,
  algorithm: TpmAlgorithm,
  auth: string,
  digest: Uint8Array,
): Promise<{ readonly r: Buffer; readonly s: Buffer }> {
  const parameters = new Writer()
    .sized(digest)
    .u16(algorithms.ecdsa)
    .u16(curves[algorithm].hash)
    .u16(tagHashCheck)
    .u32(handleNull)
    .sized(Buffer.alloc(0));
  const { body } = await run(tpm, commandCodes.sign, [key], auth, parameters.bytes(), 0);
  body.u16();
  body.u16();
  return { r: Buffer.from(body.sized()), s: Buffer.from(body.sized()) };
}

/** Frees a transient object (TPM2_FlushContext). */
export async function flush(tpm: TpmTransport, handle: number): Promise<void> {
  await transmit(tpm, tagNoSessions, commandCodes.flush, new Writer().u32(handle).bytes());
}

/** x and y of a TPMT_PUBLIC of ours. */
export function publicPoint(publicArea: Buffer): { readonly x: Buffer; readonly y: Buffer } {
  const reader = new Reader(publicArea);
  reader.take(8);
  reader.sized();
  // symmetric (null), scheme and its hash, curve, kdf (null)
  reader.take(2 + 4 + 2 + 2);
  return { x: Buffer.from(reader.sized()), y: Buffer.from(reader.sized()) };
}

function sensitive(auth: string): Buffer {
  return new Writer().sized(Buffer.from(auth, 'utf8')).sized(Buffer.alloc(0)).bytes();
}

async function run(
  tpm: TpmTransport,
  code: number,
  handles: readonly number[],
  auth: string,
  parameters: Uint8Array,
  handlesOut: 0 | 1,
): Promise<{ handle: number; body: Reader }> {
  const authorisation = new Writer().u32(sessionPassword).u16(0).u8(0).sized(Buffer.from(auth, 'utf8')).bytes();
  const command = new Writer();
  for (const handle of handles) command.u32(handle);
  command.u32(authorisation.length).raw(authorisation).raw(parameters);
  const reader = await transmit(tpm, tagSessions, code, command.bytes());
  const handle = handlesOut === 1 ? reader.u32() : 0;
  reader.u32();
  return { handle, body: reader };
}

async function transmit(tpm: TpmTransport, tag: number, code: number, body: Uint8Array): Promise<Reader> {
  const command = new Writer()
    .u16(tag)
    .u32(10 + body.length)
    .u32(code)
    .raw(body)
    .bytes();
  for (let attempt = 1; ; attempt += 1) {
    const response = new Reader(await tpm.transmit(command));
    response.take(6);
    const result = response.u32();
    if (result === 0) return response;
    if (attempt >= maxAttempts) throw tpmError(result);
    if (result === responseInitialize && code !== commandCodes.startup) {
      // A simulator that nobody started yet; firmware does this on real hardware. TPM_SU_CLEAR = 0.
      await transmit(tpm, tagNoSessions, commandCodes.startup, new Writer().u16(0).bytes());
    } else if (result !== responseRetry) {
      throw tpmError(result);
    }
  }
}

function tpmError(code: number): TunnelerError {
  const details = { tpmCode: `0x${code.toString(16)}` };
  const masked = code & formatOneMask;
  if (code === responseLockout) {
    return new TunnelerError('identity.tpm_lockout', 'the TPM is in lockout after too many wrong PINs', {
      details: {
        ...details,
        next: 'wait for its recovery time, or clear it with tpm2_dictionarylockout --clear-lockout',
      },
    });
  }
  if (masked === responseAuthFail || masked === responseBadAuth) {
    return new TunnelerError('identity.passphrase_wrong', 'the TPM does not take this PIN', { details });
  }
  if (masked === responseIntegrity) {
    return new TunnelerError('identity.corrupt', 'the key was made by another TPM, or this one was cleared', {
      details: { ...details, next: 'enrol this device anew: a TPM key cannot be brought back' },
    });
  }
  return new TunnelerError('identity.keystore_unavailable', `the TPM refused (code ${details.tpmCode})`, {
    details: { ...details, next: 'run tpm2_selftest, and see tpm2_rc_decode for the code' },
  });
}
