/**
 * What devices and whoever keeps their records say, a JSON object a line. The device begins with `hello`, proves with its signing key that it
 * is who it says, and from then on sends checkpoints or whole records; those travel as the very lines of the journal.
 */
import * as v from 'valibot';
import { TunnelerError } from '../../base/errors.ts';
import type { SignersFile } from '../../audit/signers.ts';

const head = v.object({ count: v.pipe(v.number(), v.integer(), v.minValue(0)), head: v.string() });
/** Where a journal stands: how many records, and the last one's hash. */
export type RecordHead = v.InferOutput<typeof head>;

const fromDevice = v.variant('type', [
  v.object({
    type: v.literal('hello'),
    version: v.literal(1),
    purpose: v.picklist(['send', 'ask']),
    /** The device's signing keys, without where they are kept. */
    signers: v.unknown(),
    /** Certificates (PEM chains) of the identities that vouch for them. */
    certificates: v.array(v.pipe(v.string(), v.maxLength(65_536))),
    /** The device's own clock. */
    at: v.string(),
  }),
  v.object({ type: v.literal('proof'), signature: v.pipe(v.string(), v.base64()) }),
  /** Where the journal stands, as against what the other side has. */
  v.object({ type: v.literal('stands'), agrees: v.boolean(), end: head }),
  v.object({ type: v.literal('head'), note: v.string() }),
  v.object({ type: v.literal('alive'), at: v.string() }),
  v.object({ type: v.literal('ack'), order: v.string(), at: v.string(), outcome: v.string() }),
]);
/** What a device says. */
export type FromDevice = v.InferOutput<typeof fromDevice>;

const toDevice = v.variant('type', [
  v.object({
    type: v.literal('challenge'),
    nonce: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
    witness: v.object({ name: v.string(), publicKey: v.pipe(v.string(), v.base64()) }),
    /** Checkpoints alone, or every record. */
    wants: v.picklist(['heads', 'records']),
  }),
  /** What is kept of this device; the device answers with `stands`. */
  v.object({ type: v.literal('known'), last: head }),
  v.object({ type: v.literal('cosigned'), note: v.string() }),
  v.object({ type: v.literal('conflict'), reason: v.string() }),
  v.object({ type: v.literal('answer'), answer: v.unknown() }),
  v.object({
    type: v.literal('order'),
    order: v.string(),
    text: v.string(),
    signature: v.pipe(v.string(), v.base64()),
  }),
]);
/** What its witness or collector says. */
export type ToDevice = v.InferOutput<typeof toDevice>;

/** Throws `base.invalid`. */
export function readFromDevice(line: string): FromDevice {
  return read(fromDevice, line);
}

/** Throws `base.invalid`. */
export function readToDevice(line: string): ToDevice {
  return read(toDevice, line);
}

/** A line of the journal rather than a message. */
export function isRecordLine(line: string): boolean {
  return line.startsWith('{"seq":');
}

/** What a device signs to prove that the key is its own, for this connection and this side alone. */
export function proofText(nonce: string, origin: string, witnessKey: string): string {
  return `culvert audit device\n${nonce}\n${origin}\n${witnessKey}\n`;
}

/** Signing keys as they may be told: where a key is kept is nobody else's business. */
export function publicSigners(file: SignersFile): SignersFile {
  return { ...file, keys: file.keys.map((key) => ({ ...key, reference: '' })) };
}

function read<S extends v.GenericSchema>(schema: S, line: string): v.InferOutput<S> {
  let raw: unknown;
  try {
    raw = JSON.parse(line);
  } catch (error) {
    throw new TunnelerError('base.invalid', "what came over the record's line is no JSON", { cause: error });
  }
  const parsed = v.safeParse(schema, raw);
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  const path = v.getDotPath(issue) ?? 'message';
  throw new TunnelerError('base.invalid', `the record's line: ${path}: ${issue.message}`);
}
