/**
 * A TUN device as the rest of `net` sees it: packets the kernel hands us come in batches, ours go back, and TCP flows that were added are
 * rewritten by the device itself and never come up.
 *
 * `test/conformance/tun-device.ts` holds every implementation to this contract.
 */
import type { PacketEnds } from '../packet/build.ts';

/** Told what comes from a device. */
export interface TunSink {
  /** Packets no flow claims, oldest first, whole and with finished checksums. The sink owns the memory. */
  packets(batch: readonly Uint8Array[]): void;
  /** The device can no longer be used (its interface was removed, say). Called at most once. */
  failed(reason: string): void;
}

/** A device and its flow table; disposing removes the interface. */
export interface TunDevice extends AsyncDisposable {
  /** The interface's name as the system shows it. */
  readonly name: string;
  /** True where a packet may be larger than the MTU. */
  readonly offloads: boolean;
  /** Begin delivery to the one sink; what came before waits, bounded. Once only. */
  start(sink: TunSink): void;
  /** Hand whole packets to the host's stack; how many it took. The memory stays the caller's. After close: 0. */
  write(packets: readonly Uint8Array[]): number;
  /**
   * Rewrite this TCP flow from now on. `application` is how its packets leave the application, `listener` how they are to arrive at our
   * listener. A SYN passes only with sequence number `isn`; another one comes up. False where the id or either pair is taken.
   */
  addFlow(id: number, application: PacketEnds, listener: PacketEnds, isn: number): boolean;
  /** The flow's socket is closed: the closing handshake still passes, then the flow is forgotten. Unknown ids are ignored. */
  retireFlow(id: number): void;
  /** Forget the flow now and reset both its sides. Unknown ids are ignored. */
  resetFlow(id: number): void;
  /** Ids of retired flows that ended since the last call. */
  sweep(): readonly number[];
  flowCount(): number;
  /** Counters by name since it was opened, what was dropped by reason among them. */
  stats(): Readonly<Record<string, number>>;
  /** Reset every flow on both sides, remove the interface. Idempotent. */
  [Symbol.asyncDispose](): Promise<void>;
}
