/**
 * The anchor: how long the journal was and where its head stood, kept outside the journal's directory and signed by the device's
 * identity. A journal that was cut or put back to an older copy is shorter than its anchor.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import * as v from 'valibot';

/** Signs checkpoints and the anchor; an identity's key. */
export interface AuditSigner {
  /** Lower-hex SHA-256 of the SPKI. */
  readonly keyId: string;
  readonly publicKeySpki: Uint8Array;
  /** DER signature with the key's usual hash (SHA-256 for P-256, SHA-384 for P-384). */
  sign(data: Uint8Array): Promise<Uint8Array>;
}

const signature = v.object({ keyId: v.string(), publicKey: v.string(), signature: v.string() });
export type Signature = v.InferOutput<typeof signature>;

const anchorSchema = v.object({
  version: v.literal(1),
  count: v.pipe(v.number(), v.integer(), v.minValue(0)),
  /** First record still kept; older ones were retired by retention. */
  firstSeq: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** `prev` of the first record still kept. */
  firstPrev: v.string(),
  head: v.string(),
  at: v.string(),
  /** Keys that ever signed here; a checkpoint by any other is foreign. */
  signers: v.array(v.string()),
  signed: v.optional(signature),
});
export type Anchor = v.InferOutput<typeof anchorSchema>;

/** Undefined where there is none; `damaged` where it is there and cannot be read. */
export function readAnchor(path: string): Anchor | 'damaged' | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const parsed = v.safeParse(anchorSchema, JSON.parse(text));
    return parsed.success ? parsed.output : 'damaged';
  } catch {
    return 'damaged';
  }
}

/** Replace the anchor atomically. Synced only where asked: at close and at checkpoints, not ten times a second. */
export function writeAnchor(path: string, anchor: Anchor, options: { readonly sync: boolean }): void {
  const temporary = `${path}.tmp`;
  const file = openSync(temporary, 'w', 0o600);
  try {
    writeSync(file, `${JSON.stringify(anchor)}\n`);
    if (options.sync) fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}

/** What is signed: head and count, bound to their purpose. */
export function signedBytes(purpose: 'checkpoint' | 'anchor', count: number, head: string): Uint8Array {
  return Buffer.from(`culvert-audit-${purpose}:1:${count}:${head}`);
}

/** Does the signature hold? (Whether its key is one of ours is another question.) */
export function verifySignature(signed: Signature, data: Uint8Array): boolean {
  try {
    const spki = Buffer.from(signed.publicKey, 'base64');
    if (keyIdOf(spki) !== signed.keyId) return false;
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    const hash = key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'sha384' : 'sha256';
    return verify(hash, data, key, Buffer.from(signed.signature, 'base64'));
  } catch {
    return false;
  }
}

/** A key's name here: lower-hex SHA-256 of its SPKI. */
export function keyIdOf(publicKeySpki: Uint8Array): string {
  return createHash('sha256').update(publicKeySpki).digest('hex');
}

/** Sign with an identity's key. */
export async function signWith(signer: AuditSigner, data: Uint8Array): Promise<Signature> {
  const bytes = await signer.sign(data);
  return {
    keyId: signer.keyId,
    publicKey: Buffer.from(signer.publicKeySpki).toString('base64'),
    signature: Buffer.from(bytes).toString('base64'),
  };
}
