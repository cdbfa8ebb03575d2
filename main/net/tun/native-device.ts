/** The host's own TUN device, by way of the native addon. */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { loadNative } from 'node-tun';
import type { NativeTun } from 'node-tun';
import { TunnelerError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import type { PacketEnds } from '../packet/build.ts';
import type { TunDevice, TunSink } from './device.ts';

/** Packets that may wait for the JavaScript thread: a fifth of a second of UDP at 150 Mbit/s. */
const queueBytes = 4 * 1024 * 1024;

/** The interface as wanted. */
export interface NativeDeviceOptions {
  /** Wanted interface name; the platform may choose another. */
  readonly name: string;
  readonly mtu: number;
}

/** Whether a TUN device can be had here, and if not, why, in words. Changes nothing. */
export function canUseTun(): { readonly ok: true } | { readonly ok: false; readonly reason: string } {
  const loaded = loadNative();
  if (!loaded.ok) return { ok: false, reason: `${loaded.reason}; build it with a Rust toolchain: npm run build` };
  if (process.platform !== 'linux') return { ok: true };
  try {
    // Opening the file alone creates no interface.
    closeSync(openSync('/dev/net/tun', 'r+'));
  } catch (error) {
    return { ok: false, reason: `/dev/net/tun cannot be opened (${messageOf(error)})` };
  }
  return mayAdministerNetwork()
    ? { ok: true }
    : { ok: false, reason: 'creating a TUN device takes root or CAP_NET_ADMIN' };
}

/** CAP_NET_ADMIN, bit 12 of the effective set (capabilities(7), include/uapi/linux/capability.h). */
function mayAdministerNetwork(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> 12n) & 1n) === 1n;
}

/** Create the interface, down and without addresses. Throws `net.tun.unsupported`, `net.tun.permission` or `net.tun.failed`. */
export function openNativeDevice(options: NativeDeviceOptions): TunDevice {
  const loaded = loadNative();
  if (!loaded.ok) throw new TunnelerError('net.tun.unsupported', loaded.reason);
  // Called from the event loop, so never before this function has returned.
  const opened: { device?: NativeDevice } = {};
  const notify = (failure: string): void => opened.device?.notified(failure);
  let tun: NativeTun;
  try {
    tun = loaded.native.openTun({ ...options, queueBytes }, notify);
  } catch (error) {
    throw new TunnelerError(openErrorCode(error), `the TUN device could not be created: ${messageOf(error)}`, {
      cause: error,
      details: { name: options.name },
    });
  }
  opened.device = new NativeDevice(tun);
  return opened.device;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function openErrorCode(error: unknown): ErrorCode {
  const message = messageOf(error);
  if (message.startsWith('EPERM')) return 'net.tun.permission';
  return message.startsWith('ENOENT') ? 'net.tun.unsupported' : 'net.tun.failed';
}

class NativeDevice implements TunDevice {
  readonly name: string;
  readonly offloads: boolean;
  readonly #tun: NativeTun;
  #sink: TunSink | undefined;
  #closed = false;
  #failure: string | undefined;

  constructor(tun: NativeTun) {
    this.#tun = tun;
    this.name = tun.name;
    this.offloads = tun.offloads;
  }

  /** From the pump's thread: '' where packets wait, else why the device failed. */
  notified(failure: string): void {
    if (this.#closed) return;
    if (failure !== '') {
      this.#failure = failure;
      this.#sink?.failed(failure);
    } else this.#deliver();
  }

  start(sink: TunSink): void {
    if (this.#sink !== undefined) throw new TunnelerError('base.internal', 'a device is started once');
    this.#sink = sink;
    if (this.#failure !== undefined) sink.failed(this.#failure);
    else this.#deliver();
  }

  #deliver(): void {
    if (this.#sink === undefined) return;
    const batch = splitBatch(this.#tun.take());
    if (batch.length > 0) this.#sink.packets(batch);
  }

  write(packets: readonly Uint8Array[]): number {
    return this.#tun.write(packets);
  }

  addFlow(id: number, application: PacketEnds, listener: PacketEnds, isn: number): boolean {
    return this.#tun.addFlow(id, application, listener, isn);
  }

  retireFlow(id: number): void {
    this.#tun.retireFlow(id);
  }

  resetFlow(id: number): void {
    this.#tun.resetFlow(id);
  }

  sweep(): readonly number[] {
    return [...this.#tun.sweep()];
  }

  flowCount(): number {
    return this.#tun.flowCount();
  }

  stats(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#tun.stats().map(({ name, value }) => [name, value]));
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#tun.close();
    }
    return Promise.resolve();
  }
}

/**
 * Packets of a native batch, each behind its length (4 bytes, little-endian); views into it. Not Buffers, whose `slice` would not copy.
 */
function splitBatch(batch: Uint8Array): Uint8Array[] {
  const bytes = new Uint8Array(batch.buffer, batch.byteOffset, batch.byteLength);
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  const packets: Uint8Array[] = [];
  for (let at = 0; at + 4 <= bytes.length;) {
    const end = at + 4 + view.getUint32(at, true);
    packets.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return packets;
}
