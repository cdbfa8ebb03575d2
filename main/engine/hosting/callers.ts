/** Who dials what is hosted here: the router's word, a signature inside the stream, or nobody's. */
import { randomBytes, verify } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { HostedRequest } from '../../hosting/hosting.ts';
import { awaitProof, greet } from '../../peer/caller-question.ts';
import { callerText, helloField, markOf, type CallerProof, type HostWords } from '../../peer/words.ts';
import type { SessionCaller } from '../../session/sessions.ts';
import { subjectOf, type KnownChains } from '../identities/certificate-chain.ts';
import { hashFor } from '../identities/certificate-signer.ts';

/** A caller as rows and records show it. */
export interface HostedCaller extends SessionCaller {
  /** Name, id where a signature proves that alone, or what it calls itself where nothing is proven. */
  readonly shown: string;
}

/** The account that callers share whom nobody vouches for. */
const namelessAccount = 'nobody';

/** Who it is as far as the router says; undefined where it says nothing. */
export function routersWord({ caller, appData }: Pick<HostedRequest, 'appData' | 'caller'>): HostedCaller | undefined {
  if (!caller.asserted) return undefined;
  const shown = caller.name ?? caller.id ?? 'unknown';
  const asks = appData[helloField] !== undefined;
  return { account: caller.id ?? shown, name: shown, asserted: 'router', shown, asks };
}

/** Nobody says who it is: all such callers of a service are one. */
export function nameless({ caller }: Pick<HostedRequest, 'caller'>): HostedCaller {
  const shown = caller.name ?? caller.id ?? 'unknown';
  return { account: namelessAccount, name: shown, asserted: 'nobody', asks: false, shown };
}

/** The caller, and the stream from which the greeting was taken. */
export interface Met {
  readonly caller: HostedCaller;
  readonly remote: ByteStream;
  /** Tell the dialler how it is held, where it is Culvert; before anything else is written. */
  greet(words: HostWords): void;
}

/**
 * Learn who dials: a Culvert dialler nobody vouches for is asked. Others are left alone. Rejects where the connection ends before that is known.
 * `trustedPem`: the certificates of the identity's network.
 */
export async function meet(
  request: HostedRequest,
  remote: ByteStream,
  deps: { readonly clock: Clock; readonly chains: KnownChains; readonly trustedPem: () => string | undefined },
): Promise<Met> {
  const known = routersWord(request);
  const mark = markOf(request.appData[helloField]);
  if (mark === undefined) return { caller: known ?? nameless(request), remote, greet: () => undefined };
  if (known !== undefined) return { caller: known, remote, greet: (words) => greet(remote, mark, words) };
  const challenge = randomBytes(32).toString('hex');
  greet(remote, mark, { challenge });
  const { proof, stream } = await awaitProof(remote, challenge, deps.clock);
  const text = callerText(request.serviceId, request.circuitId, challenge);
  const network = { chains: deps.chains, trustedPem: deps.trustedPem() ?? '' };
  const id = proof === undefined ? undefined : provenId(proof, text, network, deps.clock.now());
  const say = (words: HostWords): void => greet(stream, mark, words);
  if (id === undefined) return { caller: nameless(request), remote: stream, greet: say };
  const { name } = request.caller;
  const shown = name === undefined ? id : `${name} (${id})`;
  const caller = { account: id, name: name ?? id, asserted: 'signature', shown, asks: true } as const;
  return { caller, remote: stream, greet: say };
}

/** The identity's id that a proof is good for: the subject of a certificate of this network, whose key signed. Undefined: none. */
export function provenId(
  proof: CallerProof,
  text: string,
  network: { readonly chains: KnownChains; readonly trustedPem: string },
  nowMs: number,
): string | undefined {
  try {
    const leaf = network.chains.leafOf(proof.chain, network.trustedPem, nowMs);
    const signature = Buffer.from(proof.signature, 'hex');
    if (leaf === undefined || !verify(hashFor(leaf.publicKey), Buffer.from(text), leaf.publicKey, signature))
      return undefined;
    return subjectOf(leaf);
  } catch {
    // Bytes of a stranger: whatever is wrong with them, they prove nothing.
    return undefined;
  }
}
