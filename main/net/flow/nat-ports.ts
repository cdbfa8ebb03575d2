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

export class NatPorts {
  readonly #addresses: readonly Uint8Array[];
  readonly #clock: Clock;
  /** Ends never used yet start here. */
  #fresh = 0;
  /** Given back, oldest first from `#restingFrom`. */
  #resting: { readonly end: NatEnd; readonly sinceMs: number }[] = [];
  #restingFrom = 0;

  constructor(addresses: readonly Uint8Array[], clock: Clock) {
    this.#addresses = addresses;
    this.#clock = clock;
  }

  /** An end that nothing uses, or undefined where all are in use or resting. */
  take(): NatEnd | undefined {
    const oldest = this.#resting[this.#restingFrom];
    if (oldest !== undefined && this.#clock.monotonic() - oldest.sinceMs >= restMs) {
      this.#restingFrom += 1;
      if (this.#restingFrom > 4096) {
        this.#resting = this.#resting.slice(this.#restingFrom);
        this.#restingFrom = 0;
      }
      return oldest.end;
    }
    // Addresses take turns, so that one that filled up early rests as a whole.
    const address = this.#addresses[this.#fresh % this.#addresses.length];
    const port = firstPort + Math.floor(this.#fresh / this.#addresses.length);
    if (address === undefined || port >= firstPort + portsPerAddress) return undefined;
    this.#fresh += 1;
    return { address, port };
  }

  /** Give an end back, once. */
  give(end: NatEnd): void {
    this.#resting.push({ end, sinceMs: this.#clock.monotonic() });
  }
}
