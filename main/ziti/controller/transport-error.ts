/** What stops a request before an answer: network, TLS, size. Node's and OpenSSL's words become our codes and sentences. */
import { TunnelerError } from '../../base/errors.ts';

/** Codes of our own, beside Node's. */
export const connectTimedOut = 'CONNECT_TIMED_OUT';

/** As {@link connectTimedOut}: the body grew beyond what is taken. */
export const answerTooLarge = 'ANSWER_TOO_LARGE';

/** Codes before any byte of a request left. Source: Node `dns`, `net`. */
const neverSent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  connectTimedOut,
]);

/** Names of OpenSSL's certificate verification results as Node gives them. Source: node `lib/tls`, doc/api/tls.md. */
const certificateCodes =
  /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_(CA|PURPOSE)|PATH_LENGTH|HOSTNAME_MISMATCH|ERR_TLS_CERT_ALTNAME)/;

/** A thrown network, TLS or HTTP error as a TunnelerError. */
export function transportError(origin: string, cause: unknown): TunnelerError {
  const code = codeOf(cause);
  const host = new URL(origin).host;
  const details = { origin, reason: code, ...(neverSent.has(code) || isTls(code) ? { sent: false } : {}) };
  if (code === 'CERT_NOT_YET_VALID') {
    return new TunnelerError(
      'ziti.controller.clock_skew',
      `the certificate of ${host} is not valid yet by this device's clock`,
      { cause, details: { ...details, next: "set this device's clock, then try again" } },
    );
  }
  if (certificateCodes.test(code)) {
    return new TunnelerError('ziti.controller.certificate', certificateSentence(code, host), {
      cause,
      details: { ...details, next: certificateNext(code) },
    });
  }
  if (/ALERT.*CERTIFICATE|ALERT_ACCESS_DENIED|ALERT_UNKNOWN_CA/.test(code)) {
    return new TunnelerError('ziti.controller.certificate', `${host} refused this device's certificate (${code})`, {
      cause,
      details: { ...details, next: 'renew the certificate or enrol this identity again' },
    });
  }
  if (code === answerTooLarge || code.startsWith('HPE_')) {
    return new TunnelerError('ziti.controller.malformed', `${host} sent an answer that is no HTTP of sane size`, {
      cause,
      details,
    });
  }
  return new TunnelerError('ziti.controller.unreachable', unreachableSentence(code, host), {
    cause,
    details: { ...details, next: 'check the network path, the name and the port, and that the controller is running' },
  });
}

/** True where the failed request surely had no effect. */
export function surelyUnsent(error: TunnelerError): boolean {
  return error.details['sent'] === false;
}

function isTls(code: string): boolean {
  return certificateCodes.test(code);
}

function codeOf(error: unknown): string {
  for (let at: unknown = error; at !== null && typeof at === 'object'; at = (at as { cause?: unknown }).cause) {
    const { code, errors } = at as { code?: unknown; errors?: unknown };
    if (typeof code === 'string' && code !== '') return code;
    // Several addresses tried: the first failure speaks for all.
    if (Array.isArray(errors) && errors.length > 0) return codeOf(errors[0]);
  }
  return 'UNKNOWN';
}

function certificateSentence(code: string, host: string): string {
  if (code.startsWith('ERR_TLS_CERT_ALTNAME') || code === 'HOSTNAME_MISMATCH') {
    return `the certificate of ${host} was issued for another name`;
  }
  if (code === 'CERT_HAS_EXPIRED') return `the certificate of ${host} has expired`;
  return `the certificate of ${host} is not signed by this network's authority (${code})`;
}

function certificateNext(code: string): string {
  if (code === 'CERT_HAS_EXPIRED')
    return "Check this device's clock; if it is right, the controller's certificate must be renewed.";
  return 'Make sure that this is the right controller; something between may be answering in its place.';
}

function unreachableSentence(code: string, host: string): string {
  if (code === 'ECONNREFUSED') return `nothing listens at ${host}`;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `the name of ${host} does not resolve`;
  if (code === connectTimedOut) return `${host} did not take the connection in time`;
  if (code === 'EPROTO' || code.startsWith('ERR_SSL'))
    return `${host} does not speak TLS as a controller does (${code})`;
  return `the connection to ${host} failed (${code})`;
}
