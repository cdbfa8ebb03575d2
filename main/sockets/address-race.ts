/**
 * A connection to a name, by the first of its addresses that answers (RFC 8305): attempts begin one after the other in short order, and none is
 * given up for being slow. Node's own way gives each address a quarter of a second and no more, which a satellite's line never meets.
 */
import { lookup as systemLookup } from 'node:dns/promises';
import { isIP, type Socket } from 'node:net';
import { systemClock, type Clock } from '../base/clock.ts';

/** Connection Attempt Delay, RFC 8305 section 5. */
const attemptDelayMs = 250;

/** Every address of a name, in the order the system prefers. May reject as `dns.lookup` does. */
export type LookUp = (host: string, family: number) => Promise<readonly { address: string; family: number }[]>;

const lookUp: LookUp = (host, family) => systemLookup(host, { all: true, family, order: 'verbatim' });

/** Addresses of a name, families taking turns (RFC 8305 section 4), the system's first choice first; an address is its own. */
export async function addressesOf(host: string, family = 0, resolve: LookUp = lookUp): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  const found = await resolve(host, family);
  const first = found[0]?.family;
  const preferred = found.filter((entry) => entry.family === first).map(({ address }) => address);
  const others = found.filter((entry) => entry.family !== first).map(({ address }) => address);
  const turns = Array.from({ length: Math.max(preferred.length, others.length) }, (_, index) => [
    ...preferred.slice(index, index + 1),
    ...others.slice(index, index + 1),
  ]);
  return [...new Set(turns.flat())];
}

/**
 * The first of `addresses` to which a socket that `begin` makes connects; the others are destroyed. Rejects with the first attempt's error
 * once every attempt has failed, or with the signal's reason. The winner has emitted `connect` a moment ago, and is the caller's; it must be
 * given an `error` listener before anything is awaited.
 */
export function firstToConnect<S extends Socket>(
  addresses: readonly string[],
  begin: (address: string) => S,
  { signal, clock = systemClock }: { readonly signal?: AbortSignal | undefined; readonly clock?: Clock } = {},
): Promise<S> {
  return new Promise((resolve, reject) => {
    const waiting = [...addresses];
    const trying = new Set<S>();
    let firstError: unknown;
    let timer: Disposable | undefined;
    const over = (): void => {
      timer?.[Symbol.dispose]();
      signal?.removeEventListener('abort', onAbort);
      waiting.length = 0;
      for (const socket of trying) discard(socket);
      trying.clear();
    };
    const onAbort = (): void => {
      over();
      reject(signal?.reason as Error);
    };
    const failed = (error: unknown): void => {
      firstError ??= error;
      if (waiting.length > 0) next();
      else if (trying.size === 0) {
        over();
        reject(firstError);
      }
    };
    const next = (): void => {
      timer?.[Symbol.dispose]();
      const address = waiting.shift();
      if (address === undefined) return;
      if (waiting.length > 0) timer = clock.after(attemptDelayMs, next);
      let socket: S;
      try {
        socket = begin(address);
      } catch (error) {
        failed(error);
        return;
      }
      trying.add(socket);
      const onError = (error: Error): void => {
        if (!trying.delete(socket)) return;
        discard(socket);
        failed(error);
      };
      socket.once('error', onError);
      socket.once('connect', () => {
        if (!trying.delete(socket)) return;
        socket.off('error', onError);
        over();
        resolve(socket);
      });
    };
    if (signal?.aborted === true) {
      onAbort();
      return;
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    if (addresses.length === 0) failed(new Error('the name has no address'));
    else next();
  });
}

function discard(socket: Socket): void {
  // Late errors of a socket that nobody holds any more are of no interest to anyone.
  socket.on('error', () => undefined);
  socket.destroy();
}
