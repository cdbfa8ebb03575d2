/**
 * Trusting a controller for the first time: the certificate it shows is pinned, the token's signature proves that its key
 * issued the token, and only then its list of authorities (EST, RFC 7030 section 4.1) is taken over that pinned connection.
 */
import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, rootCertificates, type TLSSocket } from 'node:tls';
import { linkSignals, orAborted } from '../../base/abort.ts';
import { addressesOf, firstToConnect } from '../../sockets/address-race.ts';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { TunnelerError, isTunnelerError } from '../../base/errors.ts';
import { requireSuccess } from '../controller/answers.ts';
import { clockIsOff, clockSkew, controllerTime, explainTimeoutMs } from '../controller/controller-clock.ts';
import { connectTimedOut, transportError } from '../controller/transport-error.ts';
import type { OpenTransport } from '../controller/transport.ts';
import { clientApiPath, discoverVersion, type ControllerVersion } from '../controller/version.ts';
import { parseCertsOnly, sha1Fingerprint, toPem } from './certificates.ts';
import { verifyTokenSignature, type EnrolmentToken } from './token.ts';

const connectTimeoutMs = 10_000;

/** How the controller is reached, and by whose time tokens expire. */
export interface TrustDeps {
  readonly open: OpenTransport;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
}

/** What a controller proved, and what follows from it. */
export interface Trust {
  readonly origin: string;
  /** PEM bundle of the network's authorities. */
  readonly caPem: string;
  /** The certificate the controller showed; the authorities' list came over a connection pinned to it. */
  readonly leaf: X509Certificate;
  readonly version: ControllerVersion;
}

/**
 * Verify `token` against the controller it names. Throws `ziti.enroll.token_expired`, `.token_invalid` (tampered),
 * `.token_foreign` (a controller answers, but another than the issuer), `ziti.controller.certificate` (what answers is no
 * controller we could trust), `.unreachable` or `.clock_skew`.
 */
export async function trustByToken(token: EnrolmentToken, deps: TrustDeps): Promise<Trust> {
  if (token.expiresAt !== undefined && token.expiresAt <= deps.clock.now()) throw await explainExpiry(token, deps);
  const leaf = await showCertificate(token.issuer, deps.signal);
  const verdict = await verifyTokenSignature(token, leaf);
  if (verdict === 'tampered') {
    throw new TunnelerError(
      'ziti.enroll.token_invalid',
      'the token was changed after it was issued: its signature does not fit',
      {
        details: { controller: token.issuer, next: 'ask the administrator for a new token, over a channel you trust' },
      },
    );
  }
  if (verdict === 'foreign') throw await explainForeign(token, leaf, deps);
  return takeAuthorities(token.issuer, leaf, deps);
}

/**
 * Trust a controller by its URL alone: by the system's authorities where those vouch for it, else on first use, when the caller
 * has shown `fingerprint` to somebody who compared it.
 */
export async function trustByUrl(
  origin: string,
  deps: TrustDeps & { accept(leaf: { readonly sha256: string; readonly subject: string }): Promise<boolean> },
): Promise<Trust> {
  const leaf = await showCertificate(origin, deps.signal);
  if (!(await systemVouches(origin, deps))) {
    const accepted = await deps.accept({ sha256: leaf.fingerprint256, subject: leaf.subject.replaceAll('\n', ', ') });
    if (!accepted) {
      throw new TunnelerError(
        'ziti.controller.certificate',
        `no authority of this system vouches for the certificate of ${origin}: its SHA-256 fingerprint is ${leaf.fingerprint256}`,
        {
          details: {
            origin,
            sha256: leaf.fingerprint256,
            next: 'compare it with what the administrator says and give it with --fingerprint, or use a token',
          },
        },
      );
    }
  }
  return takeAuthorities(origin, leaf, deps);
}

async function takeAuthorities(origin: string, leaf: X509Certificate, deps: TrustDeps): Promise<Trust> {
  await using pinned = deps.open(origin, { caPem: leaf.toString(), partialChain: true });
  try {
    const answer = await pinned.send({
      method: 'GET',
      path: `${clientApiPath}/.well-known/est/cacerts`,
      headers: { accept: 'application/pkcs7-mime' },
      ...defined({ signal: deps.signal }),
    });
    requireSuccess(answer, "fetching the network's authorities");
    const certificates = parseCertsOnly(Buffer.from(answer.text, 'base64'));
    if (certificates.length === 0) {
      throw new TunnelerError('ziti.controller.malformed', 'the controller names no authority of its network');
    }
    const caPem = certificates.map(toPem).join('');
    return { origin, caPem, leaf, version: await discoverVersion(pinned, deps.signal) };
  } catch (error) {
    if (isTunnelerError(error, 'ziti.controller.certificate') && (await clockIsOff(origin, deps))) {
      throw clockSkew(origin, error);
    }
    throw error;
  }
}

/** The certificate a server shows, unverified. Nothing is sent but the handshake. */
export async function showCertificate(origin: string, signal?: AbortSignal): Promise<X509Certificate> {
  const { hostname, port } = new URL(origin);
  const host = hostname.replace(/^\[|\]$/g, '');
  const begin = (address: string): TLSSocket =>
    connect({
      host: address,
      port: port === '' ? 443 : Number(port),
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
      ...(isIP(host) === 0 ? { servername: host } : {}),
    });
  const late = AbortSignal.timeout(connectTimeoutMs);
  const linked = linkSignals(signal, late);
  let socket: TLSSocket;
  try {
    socket = await firstToConnect(await orAborted(addressesOf(host), linked.signal), begin, { signal: linked.signal });
  } catch (error) {
    if (signal?.aborted === true)
      throw new TunnelerError('base.cancelled', 'enrolment was cancelled', { cause: error });
    throw transportError(origin, late.aborted ? { code: connectTimedOut } : error);
  } finally {
    linked[Symbol.dispose]();
  }
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      socket.destroy();
      const cancelled = signal?.aborted === true;
      reject(
        cancelled ? new TunnelerError('base.cancelled', 'enrolment was cancelled') : transportError(origin, error),
      );
    };
    const onAbort = (): void => fail(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.setTimeout(connectTimeoutMs, () => fail({ code: connectTimedOut }));
    socket.once('error', fail);
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate();
      signal?.removeEventListener('abort', onAbort);
      socket.destroy();
      if (certificate === undefined) fail({ code: 'ERR_SSL_NO_CERTIFICATE' });
      else resolve(certificate);
    });
  });
}

async function systemVouches(origin: string, deps: TrustDeps): Promise<boolean> {
  await using transport = deps.open(origin, { caPem: rootCertificates.join('\n') });
  try {
    await transport.send({ method: 'GET', path: `${clientApiPath}/version` });
    return true;
  } catch (error) {
    if (isTunnelerError(error, 'ziti.controller.certificate')) return false;
    throw error;
  }
}

async function explainForeign(token: EnrolmentToken, leaf: X509Certificate, deps: TrustDeps): Promise<TunnelerError> {
  const details = { controller: token.issuer, tokenKey: token.keyId ?? '', controllerKey: sha1Fingerprint(leaf) };
  await using transport = deps.open(token.issuer, { caPem: '', unverified: true });
  try {
    await discoverVersion(transport, deps.signal, explainTimeoutMs);
  } catch (cause) {
    return new TunnelerError(
      'ziti.controller.certificate',
      `what answers at ${token.issuer} is not the controller that issued this token, nor any controller`,
      {
        cause,
        details: { ...details, next: 'something may be answering in its place; check address and network path' },
      },
    );
  }
  return new TunnelerError('ziti.enroll.token_foreign', `the controller at ${token.issuer} did not issue this token`, {
    details: { ...details, next: 'ask the administrator of that controller for a token of its own' },
  });
}

async function explainExpiry(token: EnrolmentToken, deps: TrustDeps): Promise<TunnelerError> {
  const theirs = await controllerTime(token.issuer, deps.open);
  if (theirs !== undefined && token.expiresAt !== undefined && theirs < token.expiresAt)
    return clockSkew(token.issuer, undefined);
  return new TunnelerError('ziti.enroll.token_expired', 'the token has expired', {
    details: {
      expiredAt: new Date(token.expiresAt ?? 0).toISOString(),
      next: 'ask the administrator for a new token',
    },
  });
}
