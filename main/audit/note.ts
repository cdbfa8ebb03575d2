/**
 * Signed notes: a text, and below it a line for each key that signed it.
 * Source: c2sp.org/signed-note; cosignatures c2sp.org/tlog-cosignature.
 */
import { createHash, createPublicKey, verify, type KeyObject } from 'node:crypto';

/** Signature types of c2sp.org/signed-note. */
const ed25519Type = 0x01;
const cosignatureType = 0x04;
/** Largest note read: text and sixteen signatures are far smaller. */
const maxNoteBytes = 64 * 1024;
const keyIdBytes = 4;
const timestampBytes = 8;

/** A key that signs notes, by the name it goes by in them. */
export interface NoteKey {
  readonly name: string;
  readonly publicKeySpki: Uint8Array;
}

/** Signs as {@link NoteKey}; the key itself stays where it is kept. */
export interface NoteSigner extends NoteKey {
  /** Ed25519 as it is; ECDSA as DER over SHA-256. */
  sign(data: Uint8Array): Promise<Uint8Array>;
}

interface SignatureLine {
  readonly name: string;
  readonly keyId: Buffer;
  readonly signature: Buffer;
}

/** A note taken apart. `text` ends with a newline. */
export interface ParsedNote {
  readonly text: string;
  readonly signatures: readonly SignatureLine[];
}

/** Undefined for what is no signed note. */
export function parseNote(note: string): ParsedNote | undefined {
  if (note.length > maxNoteBytes) return undefined;
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n')) return undefined;
  const text = note.slice(0, split + 1);
  const signatures: SignatureLine[] = [];
  for (const line of note.slice(split + 2, -1).split('\n')) {
    const [, name, encoded] = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/u.exec(line) ?? [];
    if (name === undefined || encoded === undefined) return undefined;
    const bytes = Buffer.from(encoded, 'base64');
    if (bytes.length <= keyIdBytes) return undefined;
    signatures.push({ name, keyId: bytes.subarray(0, keyIdBytes), signature: bytes.subarray(keyIdBytes) });
  }
  return signatures.length === 0 ? undefined : { text, signatures };
}

/** The text, signed. It must end with a newline. */
export async function signNote(text: string, signer: NoteSigner): Promise<string> {
  const signature = await signer.sign(Buffer.from(text));
  return `${text}\n${signatureLine(signer.name, signingKeyId(signer), signature)}`;
}

/** Did this key sign the note? */
export function isSignedBy(note: ParsedNote, key: NoteKey): boolean {
  const keyId = signingKeyId(key);
  return note.signatures.some(
    (line) => line.name === key.name && line.keyId.equals(keyId) && holds(key.publicKeySpki, note.text, line.signature),
  );
}

/** The note with a cosignature more: that its head was seen by `signer`, an Ed25519 key, at `atMs`. */
export async function cosignNote(note: string, signer: NoteSigner, atMs: number): Promise<string> {
  const parsed = parseNote(note);
  if (parsed === undefined) throw new Error('what is to be cosigned is no signed note');
  const seconds = BigInt(Math.floor(atMs / 1000));
  const signature = await signer.sign(Buffer.from(cosignedText(parsed.text, seconds)));
  const timestamp = Buffer.alloc(timestampBytes);
  timestamp.writeBigUInt64BE(seconds);
  return note + signatureLine(signer.name, cosigningKeyId(signer), Buffer.concat([timestamp, signature]));
}

/** When this key cosigned the note, in milliseconds; undefined where it did not. */
export function cosignedAt(note: ParsedNote, key: NoteKey): number | undefined {
  const keyId = cosigningKeyId(key);
  for (const line of note.signatures) {
    if (line.name !== key.name || !line.keyId.equals(keyId) || line.signature.length <= timestampBytes) continue;
    const seconds = line.signature.readBigUInt64BE(0);
    const signature = line.signature.subarray(timestampBytes);
    if (holds(key.publicKeySpki, cosignedText(note.text, seconds), signature)) return Number(seconds) * 1000;
  }
  return undefined;
}

/** A key's name in our own files: lower-hex SHA-256 of its SPKI. */
export function keyNameOf(publicKeySpki: Uint8Array): string {
  return createHash('sha256').update(publicKeySpki).digest('hex');
}

/** Does `signature` stand for `data`? Ed25519, RSA and ECDSA keys; P-384 hashes with SHA-384, all others with SHA-256. */
export function verifyBytes(publicKeySpki: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  try {
    const key = keyOf(publicKeySpki);
    return verify(hashFor(key), data, key, signature);
  } catch {
    // A key or signature that cannot be read proves nothing.
    return false;
  }
}

/** The hash a key signs with; null where the algorithm has its own. */
export function hashFor(key: KeyObject): 'sha256' | 'sha384' | null {
  if (key.asymmetricKeyType === 'ed25519') return null;
  return key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'sha384' : 'sha256';
}

function holds(publicKeySpki: Uint8Array, text: string, signature: Uint8Array): boolean {
  return verifyBytes(publicKeySpki, Buffer.from(text), signature);
}

function keyOf(publicKeySpki: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.from(publicKeySpki), format: 'der', type: 'spki' });
}

function cosignedText(text: string, seconds: bigint): string {
  return `cosignature/v1\ntime ${seconds}\n${text}`;
}

/** Ed25519: over name, type and key; ECDSA (type 0x02): over the SPKI alone. */
function signingKeyId({ name, publicKeySpki }: NoteKey): Buffer {
  const raw = rawEd25519(publicKeySpki);
  if (raw === undefined) return createHash('sha256').update(publicKeySpki).digest().subarray(0, keyIdBytes);
  return typedKeyId(name, ed25519Type, raw);
}

function cosigningKeyId({ name, publicKeySpki }: NoteKey): Buffer {
  return typedKeyId(name, cosignatureType, rawEd25519(publicKeySpki) ?? Buffer.from(publicKeySpki));
}

function typedKeyId(name: string, type: number, key: Uint8Array): Buffer {
  return createHash('sha256')
    .update(`${name}\n`)
    .update(Buffer.from([type]))
    .update(key)
    .digest()
    .subarray(0, keyIdBytes);
}

/** The 32 bytes of an Ed25519 key, which end its SPKI (RFC 8410 section 4); undefined for other keys. */
function rawEd25519(publicKeySpki: Uint8Array): Buffer | undefined {
  const prefix = Buffer.from('302a300506032b6570032100', 'hex');
  const spki = Buffer.from(publicKeySpki);
  if (spki.length !== prefix.length + 32 || !spki.subarray(0, prefix.length).equals(prefix)) return undefined;
  return spki.subarray(prefix.length);
}

function signatureLine(name: string, keyId: Uint8Array, signature: Uint8Array): string {
  return `— ${name} ${Buffer.concat([keyId, signature]).toString('base64')}\n`;
}
