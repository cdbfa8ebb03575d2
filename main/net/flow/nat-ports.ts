/**
 * The ends that intercepted TCP flows come from, as our listener sees them: addresses of the TUN's own range that no host has, each with its
 * ports. An end in use is never handed out twice, and one given back rests, for the listener's side of an old connection may linger.
 */
import type { Clock } from '../../base/clock.ts';

const firstPort = 1024;
const portsPerAddress = 65536 - firstPort;
/** Linux keeps a closed connection for 60 s in TIME_WAIT (include/net/tcp.h, TCP_TIMEWAIT_LEN). */
const restMs = 61_000;

/** One end, on loan. */
export interface NatEnd {
  readonly address: Uint8Array;
  readonly port: number;
}

/** The ends in use, and those free again. */
export class NatPorts {
  readonly #addresses: readonly Uint8Array[];
  readonly #clock: Clock;
  /** Ends never used yet start here. */
  #fresh = 0;
  /** Ends given back, as numbers, and when; oldest first from `#restingFrom`. Numbers, for a busy host has many. */
  #resting: number[] = [];
  #restingSinceMs: number[] = [];
  #restingFrom = 0;

  constructor(addresses: readonly Uint8Array[], clock: Clock) {
    this.#addresses = addresses;
    this.#clock = clock;
  }

  /** An end that nothing uses, or undefined where all are in use or resting. */
  take(): NatEnd | undefined {
    const number = this.#rested() ?? this.#fresh;
    // Addresses take turns, so that one that filled up early rests as a whole.
    const address = this.#addresses[number % this.#addresses.length];
    const port = firstPort + Math.floor(number / this.#addresses.length);
    if (address === undefined || port >= firstPort + portsPerAddress) return undefined;
    if (number === this.#fresh) this.#fresh += 1;
    return { address, port };
  }

  #rested(): number | undefined {
    const sinceMs = this.#restingSinceMs[this.#restingFrom];
    if (sinceMs === undefined || this.#clock.monotonic() - sinceMs < restMs) return undefined;
    const number = this.#resting[this.#restingFrom];
    this.#restingFrom += 1;
    if (this.#restingFrom > 4096) {
      this.#resting = this.#resting.slice(this.#restingFrom);
      this.#restingSinceMs = this.#restingSinceMs.slice(this.#restingFrom);
      this.#restingFrom = 0;
    }
    return number;
  }

  /** Give an end back, once. */
  give(end: NatEnd): void {
    const turn = this.#addresses.indexOf(end.address);
    this.#resting.push((end.port - firstPort) * this.#addresses.length + turn);
    this.#restingSinceMs.push(Math.floor(this.#clock.monotonic()));
  }
}
