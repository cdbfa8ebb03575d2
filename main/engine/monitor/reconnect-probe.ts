/**
 * Notices that controllers and routers can be reached again where the host's own addresses say nothing of it: the line was cut further away, or a
 * captive portal stood in between. A bare TCP connection every few seconds costs them next to nothing; what is heavy (TLS, sign-in) keeps its
 * long, growing pauses until one succeeds.
 */
import { isTunnelerError } from '../../base/errors.ts';
import { sleep, type Clock } from '../../base/clock.ts';
import { hostOf, portOf } from '../../base/router-address.ts';
import { connectTcp } from '../../sockets/connect-tcp.ts';

const lookMs = 3000;
const connectMs = 2500;
/** Where TCP gets through but what stands behind it is not what it should be: try the whole thing this often. */
const stubbornMs = 6000;

/** Troubles that end without TCP showing it: a portal answers in the other's place, or a balancer has nothing behind it. */
const behindTcp: ReadonlySet<string> = new Set([
  'ziti.controller.unreachable',
  'ziti.controller.certificate',
  'ziti.controller.malformed',
  'ziti.channel.unreachable',
  'ziti.channel.certificate',
]);

/** An identity at work, and what it cannot reach now: `https://host:port` or `tls:host:port`, with the error's code. */
export interface Unreached {
  readonly name: string;
  readonly places: readonly { readonly place: string; readonly code: string }[];
  /** It may be there again: try at once. Never rejects. */
  networkChanged(): Promise<void>;
}

/** What is out of reach, and how it is probed. */
export interface ComebackDeps {
  readonly clock: Clock;
  unreached(): readonly Unreached[];
  /** Does a TCP connection to `place` come about? Never rejects. */
  reaches(place: string): Promise<boolean>;
}

/** Watch until disposed. */
export function watchForComeback({ clock, unreached, reaches }: ComebackDeps): Disposable {
  const closing = new AbortController();
  const before = new Map<string, boolean>();
  const triedMs = new Map<string, number>();

  const look = async (): Promise<void> => {
    const troubled = unreached();
    const places = [...new Set(troubled.flatMap((identity) => identity.places.map(({ place }) => place)))];
    const now = new Map(await Promise.all(places.map(async (place) => [place, await reaches(place)] as const)));
    if (closing.signal.aborted) return;
    for (const { name, places: its, networkChanged } of troubled) {
      const nowMs = clock.monotonic();
      const due = nowMs - (triedMs.get(name) ?? Number.NEGATIVE_INFINITY) >= stubbornMs;
      const back = its.some(({ place, code }) => {
        return now.get(place) === true && (before.get(place) === false || (due && behindTcp.has(code)));
      });
      if (!back) continue;
      triedMs.set(name, nowMs);
      void networkChanged();
    }
    before.clear();
    for (const [place, answer] of now) before.set(place, answer);
  };

  const run = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      await sleep(clock, lookMs);
      if (!closing.signal.aborted) await look();
    }
  };
  void run();
  return { [Symbol.dispose]: () => closing.abort() };
}

/** The bare connection, closed at once. */
export function tcpReaches(clock: Clock): (place: string) => Promise<boolean> {
  return async (place) => {
    const host = hostOf(place);
    if (host === undefined) return false;
    try {
      const socket = await connectTcp({ host, port: portOf(place), timeoutMs: connectMs, clock });
      socket.on('error', () => undefined);
      socket.destroy();
      return true;
    } catch (error) {
      // Refused, unreachable or silent: all the same here.
      if (!isTunnelerError(error)) throw error;
      return false;
    }
  };
}
