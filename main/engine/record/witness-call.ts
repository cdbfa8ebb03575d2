/** A device's side of the line to its witness: who it is, proved, before anything else. */
import type { NoteSigner } from '../../audit/note.ts';
import { readSigners } from '../../audit/signers.ts';
import { parseWitnessAnswer, type WitnessAnswer } from '../../audit/witnessed.ts';
import type { Clock } from '../../base/clock.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import { RecordLink } from './record-link.ts';
import { proofText, publicSigners, readToDevice, type ToDevice } from './record-protocol.ts';
import { holdToKey } from './witness-peer.ts';

/** Who the device is, and how it reaches its witness. */
export interface WitnessCallDeps {
  readonly stateDirectory: string;
  readonly service: string;
  readonly clock: Clock;
  /** Dial the service as an identity that may. Throws `ziti.*`. */
  readonly dial: (service: string, signal: AbortSignal) => Promise<ByteStream>;
  /** Signs the journal; undefined while nothing opens the key. */
  readonly signer: () => Promise<NoteSigner | undefined>;
  /** PEM chains of the identities here. */
  readonly certificates: () => readonly string[];
}

/** A line on which the witness has asked for proof. */
export interface WitnessLine {
  readonly link: RecordLink;
  readonly challenge: Extract<ToDevice, { type: 'challenge' }>;
}

/** Dial, and prove to be the device whose keys are told. Throws `audit.not_signed`, `audit.witness_changed`, `ziti.*`. */
export async function callWitness(
  purpose: 'send' | 'ask',
  deps: WitnessCallDeps,
  signal: AbortSignal,
): Promise<WitnessLine> {
  const { stateDirectory, service, clock } = deps;
  const signer = await deps.signer();
  const signers = readSigners(stateDirectory);
  if (signers === undefined || signers === 'damaged' || signer === undefined) {
    throw new TunnelerError('audit.not_signed', 'the journal is not signed here, so no witness can know it', {
      details: { next: 'enrol an identity, or unlock one: culvert identity unlock NAME' },
    });
  }
  const link = new RecordLink(await deps.dial(service, signal));
  try {
    const at = new Date(clock.now()).toISOString();
    const certificates = deps.certificates();
    await link.send({ type: 'hello', version: 1, purpose, signers: publicSigners(signers), certificates, at });
    const challenge = await hear(link, 'challenge');
    await holdToKey(stateDirectory, service, challenge.witness);
    const text = proofText(challenge.nonce, signers.origin, challenge.witness.publicKey);
    const signature = Buffer.from(await signer.sign(Buffer.from(text))).toString('base64');
    await link.send({ type: 'proof', signature });
    return { link, challenge };
  } catch (error) {
    link.reset();
    throw error;
  }
}

/** Ask what the witness saw of this device. Throws as {@link callWitness}. */
export async function askWitness(deps: WitnessCallDeps, signal: AbortSignal): Promise<WitnessAnswer> {
  const { link, challenge } = await callWitness('ask', deps, signal);
  try {
    const answer = parseWitnessAnswer((await hear(link, 'answer')).answer);
    if (answer?.witness.publicKey !== challenge.witness.publicKey) {
      throw new TunnelerError('base.invalid', "the witness's answer cannot be read");
    }
    return answer;
  } finally {
    link.close();
  }
}

async function hear<T extends ToDevice['type']>(link: RecordLink, type: T): Promise<Extract<ToDevice, { type: T }>> {
  const line = await link.next();
  if (line === undefined) throw new TunnelerError('base.closed', 'the witness hung up');
  const message = readToDevice(line);
  if (message.type === 'conflict')
    throw new TunnelerError('audit.witness_refused', `the witness says: ${message.reason}`);
  if (message.type !== type)
    throw new TunnelerError('base.invalid', `the witness said ${message.type} instead of ${type}`);
  return message as Extract<ToDevice, { type: T }>;
}
