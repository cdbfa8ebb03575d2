/**
 * HTTPS to a controller with a key that stays in hardware: the addon's TLS asks the key for the handshake's signature. One connection a
 * request; it is for signing in and renewing, a few requests a day.
 */
import { loadNative, type ExchangeAnswer, type Native } from 'node-tun';
import { TunnelerError, toTunnelerError } from '../base/errors.ts';
import { openHttpsTransport, type HttpTransport, type OpenTransport } from '../ziti/ziti.ts';

const defaultTimeoutMs = 15_000;
const maxBodyBytes = 32 * 1024 * 1024;

type HttpRequest = Parameters<HttpTransport['send']>[0];

/** As the SDK's own, but credentials with a signer go over the addon. Throws `identity.keystore_unavailable` without it. */
export const openHardwareTransport: OpenTransport = (origin, credential) => {
  const { signer, certPem } = credential;
  if (signer === undefined) return openHttpsTransport(origin, credential);
  const found = loadNative();
  if (!found.ok) {
    throw new TunnelerError('identity.keystore_unavailable', `hardware keys need the native addon: ${found.reason}`);
  }
  const { native } = found;
  const { algorithm } = signer;
  if (certPem === undefined || algorithm === 'RS256') {
    throw new TunnelerError('base.unsupported', 'hardware keys sign in with an EC key and its certificate');
  }
  const url = new URL(origin);
  let closed = false;
  return {
    origin,
    async send(request) {
      if (closed) throw new TunnelerError('base.closed', 'the connection to the controller was closed');
      request.signal?.throwIfAborted();
      const refused: { error?: unknown } = {};
      const exchange = native.httpsExchange(
        {
          host: url.hostname.replace(/^\[|\]$/g, ''),
          port: Number(url.port || 443),
          trustPem: credential.caPem,
          chainPem: certPem,
          algorithm,
          request: encodeRequest(url, request),
          timeoutMs: request.timeoutMs ?? defaultTimeoutMs,
          maxBodyBytes,
        },
        ({ ticket, message }) => answerTicket(native, ticket, signer.sign(message), refused),
      );
      try {
        return toAnswer(await exchange);
      } catch (error) {
        throw exchangeError(url.host, error, refused.error);
      }
    },
    [Symbol.asyncDispose]() {
      closed = true;
      return Promise.resolve();
    },
  };
};

function answerTicket(
  native: Native,
  ticket: number,
  signature: Promise<Uint8Array>,
  refused: { error?: unknown },
): void {
  signature.then(
    (bytes) => native.provideSignature(ticket, bytes),
    (error: unknown) => {
      refused.error = error;
      native.provideSignature(ticket, null);
    },
  );
}

/** Header values come from us, but a line break in one must never become a header of its own. */
function encodeRequest(url: URL, request: HttpRequest): Uint8Array {
  const body = Buffer.from(request.body ?? '');
  const lines = [`${request.method} ${request.path} HTTP/1.1`, `Host: ${url.host}`, 'Connection: close'];
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    for (const one of typeof value === 'string' ? [value] : value) lines.push(`${name}: ${one}`);
  }
  if (request.method !== 'GET' || body.length > 0) lines.push(`Content-Length: ${body.length}`);
  if (lines.some((line) => /[\r\n]/.test(line))) throw new TunnelerError('base.invalid', 'a header holds a line break');
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]);
}

function toAnswer({ status, headers, body }: ExchangeAnswer) {
  const first = new Map<string, string>();
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] ?? '';
    if (!first.has(name)) first.set(name, headers[i + 1] ?? '');
  }
  return { status, header: (name: string) => first.get(name), text: Buffer.from(body).toString('utf8') };
}

function exchangeError(host: string, error: unknown, refusal: unknown): TunnelerError {
  // What the key itself said is worth more than that the handshake failed for it.
  if (refusal !== undefined) return toTunnelerError(refusal, 'identity.keystore_unavailable');
  const [, code = '', text = ''] = /^([A-Z]+): (.*)$/s.exec((error as Error).message) ?? [];
  if (code === 'CERTIFICATE') {
    const skew = /NotValidYet/.test(text);
    return new TunnelerError(
      skew ? 'ziti.controller.clock_skew' : 'ziti.controller.certificate',
      skew
        ? `the certificate of ${host} is not valid yet by this device's clock`
        : `the certificate of ${host} is not trusted (${text})`,
      { cause: error, details: { sent: false, reason: text } },
    );
  }
  return new TunnelerError(
    'ziti.controller.unreachable',
    `${host} cannot be reached (${text || (error as Error).message})`,
    {
      cause: error,
      details: code === 'UNREACHABLE' ? { sent: false } : {},
    },
  );
}
