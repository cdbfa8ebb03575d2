/**
 * Posture for routers (OIDC sessions): protobuf `PostureResponses`, written by hand since it is only ever written.
 * Source: sdk-golang `pb/edge_client_pb/edge_client.proto`; quirks: ziti `router/posture`.
 */
import type { PostureFacts } from '../model.ts';

const text = new TextEncoder();

/** Field numbers of PostureResponse. */
const field = { macs: 1, os: 2, processList: 3, domain: 4, woken: 5, unlocked: 6, totpToken: 8 } as const;

/**
 * Everything known, as one message: a router takes up each message on its own, in no order, and judges anew after each. All processes go
 * in one response: the router replaces its list with each. A router with a stored list takes the first answer of MFA for an emptied
 * list, so that goes twice, and the list after it.
 */
export function encodePosture(facts: PostureFacts, totpToken?: string): Uint8Array {
  const responses: Uint8Array[] = [];
  if (facts.macAddresses !== undefined) {
    responses.push(nested(field.macs, concat(bothForms(facts.macAddresses).map((mac) => textField(1, mac)))));
  }
  if (facts.os !== undefined) {
    const { type, version, build } = facts.os;
    const body = concat([textField(1, type), textField(2, strictVersion(version)), textField(3, build)]);
    responses.push(nested(field.os, body));
  }
  if (facts.domain !== undefined) responses.push(nested(field.domain, textField(1, facts.domain)));
  if (facts.wokenAt !== undefined) responses.push(nested(field.woken, timestamp(facts.wokenAt)));
  if (facts.unlockedAt !== undefined) responses.push(nested(field.unlocked, timestamp(facts.unlockedAt)));
  if (totpToken !== undefined) {
    const answer = nested(field.totpToken, textField(1, totpToken));
    responses.push(answer, answer);
  }
  if (facts.processes !== undefined) responses.push(processList(facts.processes));
  return concat(responses.map((response) => nested(1, response)));
}

/**
 * Three numbers without leading zeros, as the router's parser (blang/semver) wants; what follows them is dropped. Ubuntu's
 * "22.04.3" becomes "22.4.3".
 */
export function strictVersion(version: string): string {
  const numbers = version.match(/\d+/g) ?? [];
  return [0, 1, 2].map((index) => String(Number(numbers[index] ?? 0))).join('.');
}

/** Routers compare text: with colons and bare, lower case. */
function bothForms(macs: readonly string[]): string[] {
  return macs.flatMap((mac) => {
    const bare = mac.toLowerCase().replace(/[^0-9a-f]/g, '');
    return [(bare.match(/../g) ?? []).join(':'), bare];
  });
}

/**
 * A check for one program without a signer reaches routers as a check for the signer "" (ziti `controller/sync_strats`,
 * newPostureCheck), so every program is said to have that one too; it meets no check that names a signer.
 */
function processList(processes: NonNullable<PostureFacts['processes']>): Uint8Array {
  const entries = processes.map((process) =>
    nested(
      1,
      concat([
        textField(1, process.path),
        process.isRunning ? Uint8Array.of(2 << 3, 1) : new Uint8Array(0),
        textField(3, (process.hash ?? '').toLowerCase()),
        ...[...(process.signerFingerprints ?? []), ''].map((print) => nested(4, text.encode(print.toLowerCase()))),
      ]),
    ),
  );
  return nested(field.processList, concat(entries));
}

/** Timestamp inside a message of one field: seconds (1) and nanoseconds (2). */
function timestamp(atMs: number): Uint8Array {
  const seconds = Math.floor(atMs / 1000);
  const nanoseconds = Math.round((atMs - seconds * 1000) * 1e6);
  return nested(1, concat([Uint8Array.of(1 << 3), varint(seconds), Uint8Array.of(2 << 3), varint(nanoseconds)]));
}

function textField(number: number, value: string): Uint8Array {
  return value === '' ? new Uint8Array(0) : nested(number, text.encode(value));
}

/** Length-delimited field (wire type 2). */
function nested(number: number, body: Uint8Array): Uint8Array {
  return concat([Uint8Array.of((number << 3) | 2), varint(body.length), body]);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt(value);
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
