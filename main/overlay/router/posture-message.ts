/** Posture told over the channel: protobuf `PostureResponses` (openziti/sdk-golang: pb/edge_client_pb/edge_client.proto). */
import { protobufText, readProtobuf, type ProtobufField } from '../../ziti/wire/protobuf.ts';
import type { PostureFacts, ReportedProcess } from '../posture.ts';

/** What one message told. A one-time-password token still has to be verified. */
export interface PostureMessage {
  readonly facts: Pick<PostureFacts, 'os' | 'domain' | 'macAddresses' | 'processes'>;
  readonly woken: boolean;
  readonly unlocked: boolean;
  readonly totpToken: string | undefined;
}

/** Read a message; undefined where it is not well-formed. */
export function readPostureMessage(body: Uint8Array): PostureMessage | undefined {
  const responses = readProtobuf(body);
  if (responses === undefined) return undefined;
  const facts: { -readonly [K in keyof PostureMessage['facts']]: PostureMessage['facts'][K] } = {};
  let woken = false;
  let unlocked = false;
  let totpToken: string | undefined;
  for (const response of responses.filter((field) => field.number === 1)) {
    for (const field of readProtobuf(response.bytes) ?? []) {
      const inner = readProtobuf(field.bytes) ?? [];
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

function processOf(field: ProtobufField): ReportedProcess {
  const inner = readProtobuf(field.bytes) ?? [];
  return {
    path: text(inner, 1),
    isRunning: inner.some((entry) => entry.number === 2 && entry.value === 1),
    hash: text(inner, 3),
    signerFingerprints: texts(inner, 4),
  };
}

function text(fields: readonly ProtobufField[], number: number): string {
  return texts(fields, number).at(-1) ?? '';
}

function texts(fields: readonly ProtobufField[], number: number): string[] {
  return fields.filter((field) => field.number === number).map(protobufText);
}
