/** The TLS connection beneath a channel. */
import { isIP, type OnReadOpts } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { orAborted } from '../../base/abort.ts';
import type { Clock } from '../../base/clock.ts';
import { TunnelerError } from '../../base/errors.ts';
import { addressesOf, firstToConnect } from '../../sockets/address-race.ts';

/** Router listeners register this protocol and none at all (openziti/ziti: router/xgress_edge/factory.go); any other ends the handshake. */
const edgeProtocol = 'ziti-edge';

/** A TLS record's worth: the socket hands over at most that much at a time. */
const readBufferBytes = 64 * 1024;

const keepAliveMs = 15_000;

/** PEM, all three: client chain leaf first, its private key, and the authorities a router may be signed by. */
export interface TlsCredentials {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** Where a router listens; `host` may be a name or an address of either family, without brackets. */
export interface TlsTarget {
  readonly host: string;
  readonly port: number;
}

/** Host and port of `tls://host:port` (older routers: `tls:host:port`). Throws `ziti.channel.unreachable` where it is neither. */
export function parseRouterAddress(address: string): TlsTarget {
  const match = /^tls:(?:\/\/)?(?:\[([^\]]+)\]|([^:[\]/]+)):(\d{1,5})\/?$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || !(port >= 1 && port <= 65535)) {
    throw new TunnelerError(
      'ziti.channel.unreachable',
      `router address "${address}" is not of the form tls://HOST:PORT`,
    );
  }
  return { host, port };
}

/** Where a socket's bytes go; set by whoever takes it over. */
export interface Reader {
  take(bytes: Uint8Array): void;
}

/**
 * A socket that has just connected, its handshake under way, by the first of the router's addresses that answers. `reader` gets each read in
 * one buffer that is used again for the next: it must take what it needs before it returns. The caller owns the socket from then on and must
 * listen for `error` at once. Rejects with the first address's error, or the signal's reason.
 */
export async function connectTls(
  target: TlsTarget,
  tls: TlsCredentials,
  reader: Reader,
  { signal, clock }: { readonly signal: AbortSignal; readonly clock: Clock },
): Promise<TLSSocket> {
  const addresses = await orAborted(addressesOf(target.host), signal);
  return firstToConnect(addresses, (address) => beginTls(target, address, tls, reader), { signal, clock });
}

function beginTls(target: TlsTarget, address: string, tls: TlsCredentials, reader: Reader): TLSSocket {
  // The option is documented for tls.connect (nodejs: doc/api/tls.md) and missing only from its types.
  const reads: { readonly onread: OnReadOpts } = {
    onread: {
      buffer: Buffer.allocUnsafeSlow(readBufferBytes),
      callback: (bytesRead, bytes) => {
        reader.take(bytes.subarray(0, bytesRead));
        return true;
      },
    },
  };
  const socket = connect({
    host: address,
    port: target.port,
    cert: tls.cert,
    key: tls.key,
    ca: tls.ca,
    minVersion: 'TLSv1.2',
    ALPNProtocols: [edgeProtocol],
    // RFC 6066: no literal addresses in server_name; the certificate's IP names are checked all the same.
    ...(isIP(target.host) === 0 ? { servername: target.host } : {}),
    ...reads,
  });
  socket.setNoDelay(true);
  socket.setKeepAlive(true, keepAliveMs);
  return socket;
}

/** What a socket error means before the channel is up. `where` names the router. */
export function connectError(error: Error, where: string): TunnelerError {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const options = { cause: error, details: { reason: error.message, code } };
  if (isCertificateCode(code)) {
    return new TunnelerError(
      'ziti.channel.certificate',
      `router ${where}: its certificate is not to be trusted`,
      options,
    );
  }
  // Alerts come as ERR_SSL_…_ALERT_…: the router looked at our certificate, or its absence, and hung up.
  if (code.startsWith('ERR_SSL_') && code.includes('ALERT')) {
    return new TunnelerError('ziti.channel.rejected', `router ${where} refused our certificate`, options);
  }
  return new TunnelerError('ziti.channel.unreachable', `router ${where} cannot be reached: ${error.message}`, options);
}

/** OpenSSL's verification results as Node names them, and Node's own check of names. */
function isCertificateCode(code: string): boolean {
  return (
    code === 'ERR_TLS_CERT_ALTNAME_INVALID' ||
    /^(UNABLE_TO_|CERT_|CRL_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH|HOSTNAME_MISMATCH|ERROR_IN_CERT)/.test(
      code,
    )
  );
}
