/** TLS over a connected socket, with a time limit and an abort signal. */
import { isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Clock } from '../base/clock.ts';
import { defined } from '../base/defined.ts';
import { TunnelerError } from '../base/errors.ts';
import type { TargetTls } from './hosting.ts';

/** The socket is the TLS one's from here on, and gone where this throws `sockets.failed`. Paused, half-open allowed. */
export function secure(
  socket: Socket,
  options: { readonly tls: TargetTls; readonly timeoutMs: number; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<TLSSocket> {
  const { serverName, caPem } = options.tls;
  return new Promise((resolve, reject) => {
    const secured = connectTls({
      socket,
      host: serverName,
      // RFC 6066 section 3: an address is no name to indicate.
      ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
      // What is put into requests is put into HTTP/1.1; nothing else may be agreed upon.
      ALPNProtocols: ['http/1.1'],
      ...defined({ ca: caPem }),
    });
    const settle = (): void => {
      timer[Symbol.dispose]();
      options.signal.removeEventListener('abort', onAbort);
      secured.off('error', onError);
      secured.off('secureConnect', onSecure);
    };
    const fail = (why: string): void => {
      settle();
      secured.on('error', () => undefined);
      secured.destroy();
      reject(new TunnelerError('sockets.failed', `TLS with ${serverName}: ${why}`));
    };
    const onError = (error: Error): void => fail(error.message);
    const onAbort = (): void => fail('given up');
    const onSecure = (): void => {
      settle();
      secured.pause();
      resolve(secured);
    };
    const timer = options.clock.after(options.timeoutMs, () => fail('no answer in time'));
    options.signal.addEventListener('abort', onAbort, { once: true });
    secured.once('error', onError);
    secured.once('secureConnect', onSecure);
  });
}
