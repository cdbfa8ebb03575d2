/**
 * Posture for routers (OIDC sessions): protobuf `PostureResponses`, written by hand since it is only ever written.
 * Source: sdk-golang `pb/edge_client_pb/edge_client.proto`; quirks: ziti `router/posture`.
 */
import type { PostureFacts } from '../model.ts';
import { bytesField, joined, listedTextField, textField, timestampField, varintField } from '../wire/protobuf.ts';

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
    responses.push(bytesField(field.macs, joined(bothForms(facts.macAddresses).map((mac) => textField(1, mac)))));
  }
  if (facts.os !== undefined) {
    const { type, version, build } = facts.os;
    const body = joined([textField(1, type), textField(2, strictVersion(version)), textField(3, build)]);
    responses.push(bytesField(field.os, body));
  }
  if (facts.domain !== undefined) responses.push(bytesField(field.domain, textField(1, facts.domain)));
  if (facts.wokenAt !== undefined) responses.push(bytesField(field.woken, timestampField(1, facts.wokenAt)));
  if (facts.unlockedAt !== undefined) responses.push(bytesField(field.unlocked, timestampField(1, facts.unlockedAt)));
  if (totpToken !== undefined) {
    const answer = bytesField(field.totpToken, textField(1, totpToken));
    responses.push(answer, answer);
  }
  if (facts.processes !== undefined) responses.push(processList(facts.processes));
  return joined(responses.map((response) => bytesField(1, response)));
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
    bytesField(
      1,
      joined([
        textField(1, process.path),
        varintField(2, process.isRunning ? 1 : 0),
        textField(3, (process.hash ?? '').toLowerCase()),
        ...[...(process.signerFingerprints ?? []), ''].map((print) => listedTextField(4, print.toLowerCase())),
      ]),
    ),
  );
  return bytesField(field.processList, joined(entries));
}
