/**
 * The keys a device signed its journal with, an epoch each, and which identities vouched for them. Kept beside the journal in
 * `audit-signers.json`; every line of it proves itself, so it needs no signature of its own.
 */
import { join } from 'node:path';
import * as v from 'valibot';
import { readIfThereSync } from '../files/read-if-there.ts';
import { keyNameOf, verifyBytes } from './note.ts';

/** Where the keys' file stands under a state directory. */
export const auditSignersPath = (stateDirectory: string): string => join(stateDirectory, 'audit-signers.json');

const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const base64 = v.pipe(v.string(), v.base64());

const certificate = v.object({
  /** Name of the identity here, when it vouched. */
  identity: v.string(),
  /** SPKI of the identity's key, and its signature over {@link certifiedText}. */
  publicKey: base64,
  signature: base64,
});
/** An identity's word for a signing key. */
export type SignerCertificate = v.InferOutput<typeof certificate>;

const key = v.object({
  epoch: v.pipe(v.number(), v.integer(), v.minValue(1)),
  publicKey: base64,
  /** Where the private key is kept. */
  keystore: v.picklist(['file', 'keychain', 'tpm', 'pkcs11']),
  reference: v.string(),
  madeAt: v.string(),
  /** The key of the epoch before, and the last head it signed. */
  previous: v.optional(v.object({ key: hash, count: v.number(), head: v.string() })),
  certificates: v.array(certificate),
});
/** One epoch's key, and who vouches for it. */
export type SignerKey = v.InferOutput<typeof key>;

const file = v.object({
  version: v.literal(1),
  /** The journal's name in checkpoints; stays when keys change. */
  origin: v.pipe(v.string(), v.regex(/^[A-Za-z0-9./_-]{1,128}$/)),
  /** Oldest epoch first; the last is the one in use. */
  keys: v.pipe(v.array(key), v.minLength(1)),
});
/** All keys, oldest first. */
export type SignersFile = v.InferOutput<typeof file>;

/** Undefined where no key was ever made; `damaged` where the file is there and cannot be read. */
export function readSigners(stateDirectory: string): SignersFile | 'damaged' | undefined {
  const text = readIfThereSync(auditSignersPath(stateDirectory));
  if (text === undefined) return undefined;
  try {
    return parseSigners(JSON.parse(text)) ?? 'damaged';
  } catch {
    return 'damaged';
  }
}

/** Undefined for anything else. */
export function parseSigners(raw: unknown): SignersFile | undefined {
  const parsed = v.safeParse(file, raw);
  return parsed.success ? parsed.output : undefined;
}

/** A journal's name for good: after the first key that signed it. */
export function originOf(firstPublicKeySpki: Uint8Array): string {
  return `culvert.audit/${keyNameOf(firstPublicKeySpki).slice(0, 32)}`;
}

/** What an identity's key signs when it vouches for a device's key. */
export function certifiedText(origin: string, epoch: number, publicKeySpki: Uint8Array): string {
  return `culvert audit signer\n${origin}\n${epoch}\n${keyNameOf(publicKeySpki)}\n`;
}

/** Does the identity's signature stand? (Whether the identity is one of ours is another question.) */
export function isCertified(origin: string, { epoch, publicKey }: SignerKey, by: SignerCertificate): boolean {
  const text = certifiedText(origin, epoch, Buffer.from(publicKey, 'base64'));
  return verifyBytes(Buffer.from(by.publicKey, 'base64'), Buffer.from(text), Buffer.from(by.signature, 'base64'));
}
