/**
 * Signatures on agents' cards: made by the identity that offers the agent, checked against the certificates of the network. In A2A's own form,
 * so that clients of other makers can check them too.
 * Sources: A2A specification 1.0.0, "Agent Card Signing"; RFC 7515 (JWS, flattened); RFC 7518 section 3.4 (ECDSA as R and S).
 */
import { createHash, verify, X509Certificate, type KeyObject } from 'node:crypto';
import { offeredAs, signedText, type Card } from '../../agora/card.ts';
import { isRecord } from '../../guard/json/strict-json.ts';
import { certificatesOf, subjectOf, trustedLeaf } from '../identities/certificate-chain.ts';
import { hashFor, type CertificateSigner } from '../identities/certificate-signer.ts';

/** Who signs: the chain of its certificate, leaf first, and its key. */
export interface CardSigner {
  readonly certPem: string;
  readonly signer: CertificateSigner;
}

/** Who signed a card, or why nobody can be said to have. */
export type CardCheck =
  /** `by`: the identity's name at the controller as its certificate has it. */
  | { readonly kind: 'signed'; readonly by: string }
  | { readonly kind: 'invalid'; readonly why: string }
  /** It says nothing of being offered. */
  | { readonly kind: 'none' };

/** The card with the signature of the identity that offers it. */
export async function signCard(card: Card, { certPem, signer }: CardSigner): Promise<Card> {
  const chain = certificatesOf(certPem);
  const [leaf] = chain;
  if (leaf === undefined) return card;
  const head = {
    alg: algorithmOf(leaf.publicKey),
    typ: 'JOSE',
    kid: createHash('sha256').update(leaf.raw).digest('hex'),
    x5c: chain.map(({ raw }) => raw.toString('base64')),
  };
  const protectedHead = base64url(JSON.stringify(head));
  const { signature } = await signer.prove(`${protectedHead}.${base64url(signedText(card))}`);
  const bytes = Buffer.from(signature, 'hex');
  const signed = head.alg.startsWith('ES') ? joinedNumbers(bytes, head.alg === 'ES384' ? 48 : 32) : bytes;
  return { ...card, signatures: [{ protected: protectedHead, signature: signed.toString('base64url') }] };
}

/**
 * Is it a card for this service, signed by an identity of the network whose certificates are given (PEM)? Of two networks with a service of that
 * name neither may sign for the other, and a card does not tell which it came from: then nobody is taken at their word.
 */
export function checkCard(card: Card, service: string, networks: readonly string[], nowMs: number): CardCheck {
  const offered = offeredAs(card);
  if (offered === undefined) return { kind: 'none' };
  if (offered !== service) return { kind: 'invalid', why: 'it is the card of another service' };
  const [trustedPem = '', ...others] = networks;
  if (others.length > 0) return { kind: 'invalid', why: `${networks.length} networks have a service of this name` };
  const signatures = Array.isArray(card.signatures) ? (card.signatures as readonly unknown[]) : [];
  const text = base64url(signedText(card));
  for (const one of signatures) {
    const leaf = signedBy(one, text, trustedPem, nowMs);
    if (leaf !== undefined) return { kind: 'signed', by: leaf };
  }
  return { kind: 'invalid', why: 'no identity of this network signed it' };
}

function signedBy(one: unknown, text: string, trustedPem: string, nowMs: number): string | undefined {
  if (!isRecord(one) || typeof one.protected !== 'string' || typeof one.signature !== 'string') return undefined;
  try {
    const head: unknown = JSON.parse(Buffer.from(one.protected, 'base64url').toString());
    if (!isRecord(head) || !Array.isArray(head.x5c)) return undefined;
    const chain = head.x5c.map((der) => new X509Certificate(Buffer.from(String(der), 'base64')));
    const leaf = trustedLeaf(chain, trustedPem, nowMs);
    if (leaf === undefined || head.alg !== algorithmOf(leaf.publicKey)) return undefined;
    const data = Buffer.from(`${one.protected}.${text}`);
    const key = { key: leaf.publicKey, dsaEncoding: 'ieee-p1363' as const };
    return verify(hashFor(leaf.publicKey), data, key, Buffer.from(one.signature, 'base64url'))
      ? subjectOf(leaf)
      : undefined;
  } catch {
    // Bytes of a stranger: whatever is wrong with them, they prove nothing.
    return undefined;
  }
}

/** As JOSE names what goes with the key. */
function algorithmOf(key: KeyObject): string {
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  return hashFor(key) === 'sha384' ? 'ES384' : 'ES256';
}

/** Of an ECDSA signature in DER (two INTEGERs in a SEQUENCE): both numbers side by side, `size` bytes each. */
function joinedNumbers(der: Buffer, size: number): Buffer {
  const joined = Buffer.alloc(size * 2);
  let at = (der[1] ?? 0) > 0x80 ? 3 : 2;
  for (const end of [size, size * 2]) {
    const length = der[at + 1] ?? 0;
    const number = der.subarray(at + 2, at + 2 + length);
    const digits = number.subarray(Math.max(0, number.length - size));
    digits.copy(joined, end - digits.length);
    at += 2 + length;
  }
  return joined;
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}
