/** Opening a TCP connection with a time limit, a chosen source address and an abort signal. */
import { connect, isIP } from 'node:net';
import type { Socket, TcpNetConnectOpts } from 'node:net';
import { TunnelerError } from '../base/errors.ts';
import type { Clock } from '../base/clock.ts';
import { linkSignals, orAborted } from '../base/abort.ts';
import { addressesOf, firstToConnect } from './address-race.ts';
import { socketError } from './socket-error.ts';
import { formatHostPort } from '../base/ip.ts';

/** Where to, from where, and for how long to try. */
export interface ConnectTcpOptions {
  /** Name or address. A name is resolved by the system, and the first of its addresses that answers is taken (RFC 8305). */
  readonly host: string;
  readonly port: number;
  readonly localAddress?: string;
  /** 0 or absent: the system chooses. */
  readonly localPort?: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
}

/**
 * A connected socket, paused, half-open allowed; the caller's from here on. Throws `sockets.refused`, `sockets.unreachable`,
 * `sockets.failed`, `base.timeout` or `base.cancelled`; nothing is left open then.
 */
export async function connectTcp(options: ConnectTcpOptions): Promise<Socket> {
  const { host, port, signal, clock, timeoutMs, localAddress, localPort = 0 } = options;
  const target = formatHostPort(host, port);
  const givenUp = (): boolean => signal?.aborted === true;
  if (givenUp()) throw cancelled(target);
  const late = new AbortController();
  const timer = clock.after(timeoutMs, () => late.abort());
  const linked = linkSignals(signal, late.signal);
  const family = localAddress === undefined ? 0 : isIP(localAddress);
  const begin = (address: string): Socket =>
    connect({
      host: address,
      port,
      allowHalfOpen: true,
      noDelay: true,
      ...(family === 0 ? {} : { localAddress, family }),
      ...(localPort === 0 ? {} : { localPort }),
    } as TcpNetConnectOpts);
  try {
    const addresses = await orAborted(addressesOf(host, family), linked.signal);
    const socket = await firstToConnect(addresses, begin, { signal: linked.signal, clock });
    socket.pause();
    return socket;
  } catch (error) {
    if (givenUp()) throw cancelled(target);
    if (late.signal.aborted) {
      throw new TunnelerError('base.timeout', `connect ${target}: no answer within ${timeoutMs} ms`);
    }
    throw socketError(error, `connect ${target}`);
  } finally {
    timer[Symbol.dispose]();
    linked[Symbol.dispose]();
  }
}

function cancelled(target: string): TunnelerError {
  return new TunnelerError('base.cancelled', `connect ${target}: given up`);
}
