/** A TUN device without a kernel: tests stand where the host's stack would, on {@link MemoryDevice.fromHost} and `toHost`. */
import { TunnelerError } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import type { PacketEnds } from '../packet/build.ts';
import { protocolTcp, viewIp, viewTcp } from '../packet/view.ts';
import type { Malformed } from '../packet/view.ts';
import type { TunDevice, TunSink } from './device.ts';
import { FlowRewriter } from './flow-rewriter.ts';

/** Packets that wait for `start`; more are dropped, as the native queue would. */
const queuePackets = 1024;

const droppedCounter: Readonly<Record<Malformed, string>> = {
  truncated: 'droppedTruncated',
  version: 'droppedVersion',
  'header-length': 'droppedHeader',
  fragment: 'droppedFragment',
};

export class MemoryDevice implements TunDevice {
  readonly name: string;
  readonly offloads = false;
  readonly #clock: Clock;
  readonly #toHost: (packet: Uint8Array) => void;
  readonly #rewriter = new FlowRewriter();
  readonly #counters: Record<string, number> = {};
  #waiting: Uint8Array[] = [];
  #sink: TunSink | undefined;
  #closed = false;

  /** @param toHost what the host's stack would be handed; owns the packet. */
  constructor(clock: Clock, toHost: (packet: Uint8Array) => void, name = 'memory0') {
    this.#clock = clock;
    this.#toHost = toHost;
    this.name = name;
  }

  /** The host's stack sends a packet into the device, which owns it from here on. Ignored after close. */
  fromHost(packet: Uint8Array): void {
    if (this.#closed) return;
    this.#count('read');
    const ip = viewIp(packet);
    if (typeof ip === 'string') return this.#count(droppedCounter[ip]);
    if (ip.protocol === protocolTcp) {
      const tcp = viewTcp(packet, ip);
      if (typeof tcp === 'string') return this.#count(droppedCounter[tcp]);
      if (this.#rewriter.pass(packet, ip, tcp, this.#clock.monotonic())) {
        this.#count('rewritten');
        return this.#toHost(packet);
      }
    }
    if (this.#sink !== undefined) {
      this.#count('raised');
      this.#sink.packets([packet]);
    } else if (this.#waiting.length < queuePackets) this.#waiting.push(packet);
    else this.#count('droppedQueue');
  }

  /** The interface is taken away, as an administrator would. */
  fail(reason: string): void {
    if (!this.#closed) this.#sink?.failed(reason);
  }

  start(sink: TunSink): void {
    if (this.#sink !== undefined) throw new TunnelerError('base.internal', 'a device is started once');
    this.#sink = sink;
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length === 0) return;
    this.#count('raised', waiting.length);
    sink.packets(waiting);
  }

  write(packets: readonly Uint8Array[]): number {
    if (this.#closed) return 0;
    for (const packet of packets) this.#toHost(packet.slice());
    this.#count('written', packets.length);
    return packets.length;
  }

  addFlow(id: number, application: PacketEnds, listener: PacketEnds, isn: number): boolean {
    return !this.#closed && this.#rewriter.add(id, application, listener, isn, this.#clock.monotonic());
  }

  retireFlow(id: number): void {
    this.#rewriter.retire(id, this.#clock.monotonic());
  }

  resetFlow(id: number): void {
    this.write(this.#rewriter.reset(id));
  }

  sweep(): readonly number[] {
    const { ended, packets } = this.#rewriter.sweep(this.#clock.monotonic());
    this.write(packets);
    return ended;
  }

  flowCount(): number {
    return this.#rewriter.size;
  }

  stats(): Readonly<Record<string, number>> {
    return { ...this.#counters };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.write(this.#rewriter.resetAll());
    this.#closed = true;
    return Promise.resolve();
  }

  #count(name: string, by = 1): void {
    this.#counters[name] = (this.#counters[name] ?? 0) + by;
  }
}
