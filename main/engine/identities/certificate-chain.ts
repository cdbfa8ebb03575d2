/** Chains of an identity's certificate, and whether they lead to a network's own certificates. */
import { createHash, X509Certificate } from 'node:crypto';

/** More than any chain of a network has. */
const maxChain = 8;
/** Callers of a busy host; the one known for longest is forgotten. */
const maxKnown = 512;

/** When certificates are good, milliseconds of the wall clock. */
interface Span {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Chains that were found to be good: whoever dials comes again with the same one, and reading and checking it costs more than all else of a dial. */
export class KnownChains {
  readonly #known = new Map<string, { readonly leaf: X509Certificate; readonly span: Span }>();

  /** As {@link trustedLeaf}, of a PEM text. Throws what Node throws on one that is none. */
  leafOf(chainPem: string, trustedPem: string, nowMs: number): X509Certificate | undefined {
    const key = createHash('sha256').update(trustedPem).update('\0').update(chainPem).digest('base64');
    const known = this.#known.get(key);
    if (known !== undefined && isWithin(known.span, nowMs)) return known.leaf;
    const chain = certificatesOf(chainPem);
    const span = spanOfTrust(chain, trustedPem, nowMs);
    const [leaf] = chain;
    if (leaf === undefined || span === undefined) return undefined;
    this.#known.delete(key);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size < maxKnown) break;
      this.#known.delete(oldest);
    }
    this.#known.set(key, { leaf, span });
    return leaf;
  }
}

/** The certificate of an identity of this network; undefined where the chain (leaf first) leads to none of its own. */
export function trustedLeaf(
  chain: readonly X509Certificate[],
  trustedPem: string,
  nowMs: number,
): X509Certificate | undefined {
  return spanOfTrust(chain, trustedPem, nowMs) === undefined ? undefined : chain[0];
}

/** The common name: the identity's id. */
export function subjectOf(leaf: X509Certificate): string | undefined {
  return /(?:^|\n)CN=(.+)(?:\n|$)/.exec(leaf.subject)?.[1];
}

/** Each certificate of a PEM text, in order. Throws what Node throws on one that is none. */
export function certificatesOf(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

/**
 * From the leaf upwards, each issued by the next, until one that the network's own certificates issued: how long all of them are good, or undefined
 * where there is no such way now.
 */
function spanOfTrust(chain: readonly X509Certificate[], trustedPem: string, nowMs: number): Span | undefined {
  const [leaf] = chain;
  if (leaf === undefined || leaf.ca || chain.length > maxChain) return undefined;
  const trusted = certificatesOf(trustedPem);
  let issuers = chain.slice(1);
  let current: X509Certificate | undefined = leaf;
  let span: Span = { fromMs: -Infinity, untilMs: Infinity };
  while (current !== undefined) {
    const below: X509Certificate = current;
    span = within(span, spanOf(below));
    if (!isWithin(span, nowMs)) return undefined;
    const anchor = trusted.find((one) => isWithin(spanOf(one), nowMs) && issued(one, below));
    if (anchor !== undefined) return within(span, spanOf(anchor));
    current = issuers.find((candidate) => issued(candidate, below));
    issuers = issuers.filter((candidate) => candidate !== current);
  }
  return undefined;
}

function issued(issuer: X509Certificate, below: X509Certificate): boolean {
  return issuer.ca && below.checkIssued(issuer) && below.verify(issuer.publicKey);
}

function spanOf(certificate: X509Certificate): Span {
  return { fromMs: Date.parse(certificate.validFrom), untilMs: Date.parse(certificate.validTo) };
}

function within(one: Span, other: Span): Span {
  return { fromMs: Math.max(one.fromMs, other.fromMs), untilMs: Math.min(one.untilMs, other.untilMs) };
}

function isWithin({ fromMs, untilMs }: Span, nowMs: number): boolean {
  return fromMs <= nowMs && nowMs <= untilMs;
}
