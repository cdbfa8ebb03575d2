/** Posture told over the channel: protobuf `PostureResponses` (openziti/sdk-golang: pb/edge_client_pb/edge_client.proto). */
import type { PostureFacts, ReportedProcess } from '../posture.ts';

/** What one message told. A one-time-password token still has to be verified. */
export interface PostureMessage {
  readonly facts: Pick<PostureFacts, 'os' | 'domain' | 'macAddresses' | 'processes'>;
  readonly woken: boolean;
  readonly unlocked: boolean;
  readonly totpToken: string | undefined;
}

interface Field {
  readonly number: number;
  readonly varint: number;
  readonly bytes: Uint8Array;
}

/** Read a message; undefined where it is not well-formed. */
export function readPostureMessage(body: Uint8Array): PostureMessage | undefined {
  const responses = readFields(body);
  if (responses === undefined) return undefined;
  const facts: { -readonly [K in keyof PostureMessage['facts']]: PostureMessage['facts'][K] } = {};
  let woken = false;
  let unlocked = false;
  let totpToken: string | undefined;
  for (const response of responses.filter((field) => field.number === 1)) {
    for (const field of readFields(response.bytes) ?? []) {
      const inner = readFields(field.bytes) ?? [];
      if (field.number === 1) facts.macAddresses = texts(inner, 1);
      if (field.number === 2) facts.os = { type: text(inner, 1), version: text(inner, 2) };
      // A list replaces the one before it; routers do the same.
      if (field.number === 3) facts.processes = inner.filter((entry) => entry.number === 1).map(processOf);
      if (field.number === 4) facts.domain = text(inner, 1);
      if (field.number === 5) woken = true;
      if (field.number === 6) unlocked = true;
      if (field.number === 8) totpToken = text(inner, 1);
    }
  }
  return { facts, woken, unlocked, totpToken };
}

function processOf(field: Field): ReportedProcess {
  const inner = readFields(field.bytes) ?? [];
  return {
    path: text(inner, 1),
    isRunning: inner.some((entry) => entry.number === 2 && entry.varint === 1),
    hash: text(inner, 3),
    signerFingerprints: texts(inner, 4),
  };
}

function text(fields: readonly Field[], number: number): string {
  return texts(fields, number).at(-1) ?? '';
}

function texts(fields: readonly Field[], number: number): string[] {
  return fields.filter((field) => field.number === number).map((field) => Buffer.from(field.bytes).toString('utf8'));
}

/** Fields of one message: varints and length-delimited ones kept, fixed ones skipped (protobuf encoding). */
function readFields(bytes: Uint8Array): Field[] | undefined {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 64; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) return NaN;
      value += (byte & 0x7f) * 2 ** shift;
      if ((byte & 0x80) === 0) return value;
    }
    return NaN;
  };
  while (at < bytes.length) {
    const key = varint();
    const number = Math.floor(key / 8);
    const wireType = key % 8;
    if (wireType === 0) {
      fields.push({ number, varint: varint(), bytes: new Uint8Array(0) });
    } else if (wireType === 2) {
      const length = varint();
      if (!(length <= bytes.length - at)) return undefined;
      fields.push({ number, varint: 0, bytes: bytes.subarray(at, at + length) });
      at += length;
    } else if (wireType === 1 || wireType === 5) {
      at += wireType === 1 ? 8 : 4;
    } else {
      return undefined;
    }
    if (Number.isNaN(at) || at > bytes.length) return undefined;
  }
  return fields;
}
