/**
 * A new certificate for an identity that has one: extend, keep, verify. The old one works until the verification, so a crash at
 * any point leaves one that does. Source: ziti `controller/model/authenticator_manager.go`.
 */
import { TunnelerError } from '../../base/errors.ts';
import { extendedCertificateAnswer, readData, requireSuccess } from '../controller/answers.ts';
import type { ControllerClient } from '../controller/controller-client.ts';
import { certificateExpiry } from './certificates.ts';
import { createSigningRequest, type IdentityKey } from './signing-request.ts';

/** What a renewal brought: a chain PEM, leaf first, and authorities where they changed. */
export interface Renewal {
  readonly certPem: string;
  /** Authorities as the controller now names them; absent: unchanged. */
  readonly caPem?: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** How the caller keeps it; a step that rejects stops the renewal there. */
export interface RenewalSteps {
  /** Write the new certificate (and that its key is the new one) beside the old, durably. Both work from here on. */
  staged(renewal: Renewal): Promise<void>;
  /** The controller knows only the new one now: make it the one. */
  committed(): Promise<void>;
}

/** Whose certificate is extended, with which key, and how it is kept. */
export interface RenewalRequest {
  /** Signed in over TLS with the certificate in force: the controller compares. */
  readonly client: ControllerClient;
  readonly authenticatorId: string;
  /** Signs the request: the key in force, or a new one, already durable, when keys roll. */
  readonly key: IdentityKey;
  readonly commonName: string;
  readonly steps: RenewalSteps;
  readonly signal?: AbortSignal;
}

/** All three steps. Throws `identity.renewal_failed` (the old certificate stays in force) or what the steps throw. */
export async function renewCertificate(request: RenewalRequest): Promise<Renewal> {
  const { client, authenticatorId, signal } = request;
  const csrPem = await createSigningRequest(request.key, request.commonName);
  const path = `/current-identity/authenticators/${encodeURIComponent(authenticatorId)}`;
  let renewal: Renewal;
  try {
    const answer = await client.post(`${path}/extend`, { clientCertCsr: csrPem }, signal);
    const data = readData(answer, extendedCertificateAnswer, 'renewing the certificate');
    const caPem = data.ca === undefined || data.ca === '' ? {} : { caPem: data.ca };
    renewal = { certPem: data.clientCert, ...caPem, expiresAt: certificateExpiry(data.clientCert) };
  } catch (cause) {
    throw renewalFailed('the controller did not renew the certificate', cause);
  }
  await request.steps.staged(renewal);
  await verifyRenewal(client, authenticatorId, renewal.certPem, signal);
  await request.steps.committed();
  return renewal;
}

/**
 * The last step alone, for a staged certificate found after a crash; over TLS with the old one. Where the controller already
 * dropped the old certificate, signing in with the staged one proves that nothing was lost.
 */
export async function verifyRenewal(
  client: ControllerClient,
  authenticatorId: string,
  certPem: string,
  signal?: AbortSignal,
): Promise<void> {
  const path = `/current-identity/authenticators/${encodeURIComponent(authenticatorId)}/extend-verify`;
  try {
    requireSuccess(await client.post(path, { clientCert: certPem }, signal), 'confirming the new certificate');
  } catch (cause) {
    throw renewalFailed('the controller did not take the new certificate', cause);
  }
}

function renewalFailed(sentence: string, cause: unknown): TunnelerError {
  const why = cause instanceof TunnelerError ? { reason: cause.code, apiCode: cause.details['apiCode'] ?? '' } : {};
  return new TunnelerError(
    'identity.renewal_failed',
    `${sentence}: ${cause instanceof Error ? cause.message : String(cause)}`,
    {
      cause,
      details: { ...why, next: 'the certificate in force stays in use; it is tried again' },
    },
  );
}
