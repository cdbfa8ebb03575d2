/** The local end of a hosted dial: TCP straight or by an HTTP proxy, TLS over it where asked, or UDP, from the source address asked for. */
import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { defined } from '../base/defined.ts';
import { TunnelerError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { ByteStream } from '../base/stream.ts';
import type { Askers } from '../sockets/ask-everybody.ts';
import { connectTcp } from '../sockets/connect-tcp.ts';
import { connectUdp } from '../sockets/connect-udp.ts';
import { tcpStream } from '../sockets/tcp-stream.ts';
import { askedBy } from './broadcast-address.ts';
import { finderOf } from './finders.ts';
import type { FtpControl } from './ftp/active-data.ts';
import type { DialTarget } from './dial-target.ts';
import type { TargetTls } from './hosting.ts';
import { secure } from './secure-target.ts';
import { formatHostPort } from '../base/ip.ts';

/** Source: IANA service names, tftp. */
const tftpPort = 69;

/** Where to connect to, how, and for how long to try. */
export interface ConnectTargetOptions {
  readonly target: DialTarget;
  readonly proxy: { readonly host: string; readonly port: number } | undefined;
  /** The host speaks TLS with the target, whatever the dialer speaks with the host. */
  readonly tls?: TargetTls;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Where the target is everybody. */
  readonly askers: Pick<Askers, 'ask'>;
  /** Of an FTP server: put over the connection to it. */
  readonly ftp?: FtpControl;
  readonly signal: AbortSignal;
}

/** Connected, or `hosting.connect_failed` with a sentence fit for the dialer. Nothing is left open then. */
export async function connectTarget(options: ConnectTargetOptions): Promise<ByteStream> {
  const { target, proxy } = options;
  try {
    if (target.protocol === 'udp') {
      // An HTTP proxy carries no datagrams, and going past it would break the config's intent.
      if (proxy !== undefined || options.tls !== undefined) {
        const what = proxy === undefined ? 'carries no TLS' : 'cannot go out by the HTTP proxy this service is set to';
        throw new TunnelerError('base.unsupported', `UDP ${what}`);
      }
      const finder = finderOf(target.port);
      const isAsked = askedBy(target.host);
      if (finder !== undefined && isAsked !== undefined) {
        const { answersTo, question, answer } = finder;
        return await options.askers.ask({
          address: target.host,
          port: target.port,
          ...defined({ localPort: answersTo }),
          question,
          // All who search share the port that answers come to, and the service is for this network's machines.
          answer: (datagram, from) => (isAsked(from.address) ? answer(datagram, from) : undefined),
          dropped: (datagrams) => options.log.warn('hosting.questions_dropped', { port: target.port, datagrams }),
        });
      }
      return await connectUdp({
        host: target.host,
        port: target.port,
        ...source(target),
        signal: options.signal,
        answersFromNewPort: target.port === tftpPort,
      });
    }
    const deadlineMs = options.clock.monotonic() + options.timeoutMs;
    const leftMs = (): number => Math.max(0, deadlineMs - options.clock.monotonic());
    let socket = await open(options, proxy ?? target, source(target));
    if (proxy !== undefined) socket = await tunnel(socket, target, options, leftMs());
    const { tls, clock, signal } = options;
    if (tls !== undefined) socket = await secure(socket, { tls, timeoutMs: leftMs(), clock, signal });
    return options.ftp === undefined ? tcpStream(socket) : options.ftp.over(socket);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    const details = error instanceof TunnelerError ? { ...error.details, cause: error.code } : {};
    throw new TunnelerError('hosting.connect_failed', said, { cause: error, details });
  }
}

function source(target: DialTarget): { localAddress?: string; localPort?: number } {
  return defined({ localAddress: target.source?.host, localPort: target.source?.port });
}

function open(
  options: ConnectTargetOptions,
  to: { readonly host: string; readonly port: number },
  from: { localAddress?: string; localPort?: number },
): Promise<Socket> {
  const { clock, signal, timeoutMs } = options;
  return connectTcp({ host: to.host, port: to.port, ...from, timeoutMs, clock, signal });
}

/** Longest answer head of a proxy that is read. */
const maxHeadBytes = 16 * 1024;

/** CONNECT, RFC 9110 section 9.3.6. The socket comes back paused, with bytes behind the answer put back. */
function tunnel(socket: Socket, target: DialTarget, options: ConnectTargetOptions, timeoutMs: number): Promise<Socket> {
  const authority = formatHostPort(target.host, target.port);
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const settle = (): void => {
      timer[Symbol.dispose]();
      options.signal.removeEventListener('abort', onAbort);
      socket.off('data', onData);
      socket.off('end', onEnd);
      socket.off('error', onError);
      socket.pause();
    };
    const fail = (sentence: string): void => {
      settle();
      socket.on('error', () => undefined);
      socket.destroy();
      reject(new TunnelerError('sockets.failed', `HTTP proxy for ${authority}: ${sentence}`));
    };
    const onData = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) {
        if (head.length > maxHeadBytes) fail('its answer is too long');
        return;
      }
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(head.subarray(0, end).toString('latin1'))?.[1];
      if (status?.startsWith('2') !== true) {
        fail(status === undefined ? 'it does not answer in HTTP' : `it answers with status ${status}`);
        return;
      }
      settle();
      if (head.length > end + 4) socket.unshift(head.subarray(end + 4));
      resolve(socket);
    };
    const onEnd = (): void => fail('it closed the connection');
    const onError = (error: Error): void => fail(error.message);
    const onAbort = (): void => fail('given up');
    const timer = options.clock.after(timeoutMs, () => fail('no answer in time'));
    options.signal.addEventListener('abort', onAbort, { once: true });
    socket.on('data', onData);
    socket.on('end', onEnd);
    socket.on('error', onError);
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    socket.resume();
  });
}
