/** Whoever keeps what devices send: answers their dials, countersigns, tells of what is odd, and hands the desk's orders on. */
import { randomUUID } from 'node:crypto';
import type { FleetDeviceView } from '../../api/record-views.ts';
import type { NoteSigner } from '../../audit/note.ts';
import type { Clock } from '../../base/clock.ts';
import { toTunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { HostedAnswer } from '../../hosting/hosting.ts';
import { duplexEnd } from '../../sockets/duplex-end.ts';
import { streamOfDuplex } from '../record/duplex-stream.ts';
import { RecordLink } from '../record/record-link.ts';
import { DeviceConnection } from './device-connection.ts';
import type { FleetAlert, FleetAlertKind, FleetHit, FleetOrder, FleetQuery, FleetStore } from './fleet-store.ts';

/** Where records are kept, what they are countersigned with, and who is told of what is odd. */
export interface CollectorDeps {
  readonly store: FleetStore;
  /** Opened when the first device calls. */
  readonly key: () => Promise<NoteSigner>;
  readonly wants: 'heads' | 'records';
  readonly service: string;
  readonly caPem: () => string;
  readonly clock: Clock;
  readonly log: Log;
  /** A device not heard of for so long is an alert. */
  readonly silentAfterMs: number;
  /** Records received longer ago are let go of; absent: kept. */
  readonly retainMs?: number;
  /** Records were kept: whoever reads them on need not poll. */
  readonly kept?: () => void;
  /** Told to the people in front of this engine too. */
  readonly alerted: (alert: Omit<FleetAlert, 'id'>) => void;
}

/** An order, and which devices have carried it out. */
export interface FleetOrderState extends Omit<FleetOrder, 'text' | 'signature'> {
  readonly devices: readonly {
    readonly device: string;
    readonly state: 'acknowledged' | 'waiting';
    readonly outcome?: string;
    /** From the order to the device's acknowledgement as it arrived here. */
    readonly afterMs?: number;
  }[];
}

/** How often silence and age are looked at. */
const lookPeriodMs = 5000;

/** Serves every device that dials, until disposed. */
export class Collector implements AsyncDisposable {
  readonly #deps: CollectorDeps;
  readonly #connections = new Map<string, DeviceConnection>();
  readonly #running = new Map<DeviceConnection, Promise<void>>();
  readonly #silent = new Set<string>();
  readonly #startedMs: number;
  readonly #timer: Disposable;
  /** When an order went out, by the monotonic clock. */
  readonly #orderedAt = new Map<string, number>();
  readonly #afterMs = new Map<string, number>();
  #key: Promise<NoteSigner> | undefined;

  constructor(deps: CollectorDeps) {
    this.#deps = deps;
    this.#startedMs = deps.clock.now();
    this.#timer = deps.clock.every(lookPeriodMs, () => {
      this.#look().catch((error: unknown) => deps.log.warn('collect.look_failed', { error: toTunnelerError(error) }));
    });
  }

  /** The local end of a device's dial. */
  readonly answer: HostedAnswer['open'] = async (request) => {
    const key = await this.#signingKey();
    const { duplex, stream } = duplexEnd();
    const connection = new DeviceConnection(new RecordLink(streamOfDuplex(duplex)), request.caller, {
      ...this.#deps,
      key,
      raise: (device, kind, text) => this.#raise(device.name, device.origin, kind, text),
      joined: (joined) => this.#joined(joined),
      acked: (by, { order, at, outcome }) => this.#acked(by.origin, order, at, outcome),
    });
    const run = connection.run().finally(() => {
      this.#running.delete(connection);
      if (this.#connections.get(connection.origin) === connection) this.#connections.delete(connection.origin);
    });
    this.#running.set(connection, run);
    return stream;
  };

  async devices(): Promise<readonly FleetDeviceView[]> {
    const newest = new Map((await this.#deps.store.devices()).map((device) => [device.origin, device]));
    return [...newest.values()].map((device) => ({
      name: device.name,
      origin: device.origin,
      asserted: device.asserted,
      state: this.#connections.has(device.origin) ? 'connected' : this.#silent.has(device.origin) ? 'silent' : 'away',
      records: device.count,
      head: device.head,
      branches: device.branch,
      epoch: device.signers.keys.at(-1)?.epoch ?? 1,
      firstSeenAt: new Date(device.firstSeenMs).toISOString(),
      lastSeenAt: new Date(device.lastSeenMs).toISOString(),
      clockOffsetMs: device.clockOffsetMs,
    }));
  }

  search(query: FleetQuery): Promise<readonly FleetHit[]> {
    return this.#deps.store.search(query);
  }

  alerts(limit: number): Promise<readonly FleetAlert[]> {
    return this.#deps.store.alerts(limit);
  }

  /** Order every device to cut a subject off, or to let go of it; who is away gets it when it comes back. */
  async order(action: FleetOrder['action'], subject: string, cause: string): Promise<FleetOrderState> {
    const { store, clock } = this.#deps;
    const key = await this.#signingKey();
    const id = randomUUID();
    const at = new Date(clock.now()).toISOString();
    const text = orderText({ id, at, action, subject, cause });
    const signature = Buffer.from(await key.sign(Buffer.from(text))).toString('base64');
    const order: FleetOrder = { id, at, action, subject, cause, text, signature };
    await store.addOrder(order);
    this.#orderedAt.set(id, clock.monotonic());
    for (const connection of this.#connections.values()) connection.order(order);
    return this.#stateOf(order);
  }

  async orders(): Promise<readonly FleetOrderState[]> {
    return Promise.all((await this.#deps.store.orders()).map((order) => this.#stateOf(order)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer[Symbol.dispose]();
    for (const connection of this.#running.keys()) connection.end();
    await Promise.all(this.#running.values());
    await this.#deps.store[Symbol.asyncDispose]();
  }

  #signingKey(): Promise<NoteSigner> {
    const opened = (this.#key ??= this.#deps.key());
    opened.catch(() => (this.#key = undefined));
    return opened;
  }

  #joined(connection: DeviceConnection): void {
    const { origin, name } = connection;
    this.#connections.get(origin)?.end();
    this.#connections.set(origin, connection);
    if (this.#silent.delete(origin)) void this.#raise(name, origin, 'back', 'it is heard of again');
    this.#missed(connection).catch((error: unknown) => {
      this.#deps.log.warn('collect.orders_wait', { device: name, error: toTunnelerError(error) });
    });
  }

  /** Orders that came while it was away. */
  async #missed(connection: DeviceConnection): Promise<void> {
    const { store } = this.#deps;
    const done = new Set(
      (await store.acks()).filter(({ device }) => device === connection.origin).map(({ order }) => order),
    );
    for (const order of await store.orders()) if (!done.has(order.id)) connection.order(order);
  }

  async #acked(device: string, order: string, at: string, outcome: string): Promise<void> {
    const { store, clock } = this.#deps;
    const orderedAt = this.#orderedAt.get(order);
    if (orderedAt !== undefined) this.#afterMs.set(`${order} ${device}`, clock.monotonic() - orderedAt);
    await store.addAck({ order, device, at, receivedAtMs: clock.now(), outcome });
  }

  async #stateOf({ id, at, action, subject, cause }: FleetOrder): Promise<FleetOrderState> {
    const { store } = this.#deps;
    const acks = new Map((await store.acks()).filter(({ order }) => order === id).map((ack) => [ack.device, ack]));
    const devices = (await this.devices()).map(({ name, origin }) => {
      const ack = acks.get(origin);
      if (ack === undefined) return { device: name, state: 'waiting' as const };
      const afterMs = this.#afterMs.get(`${id} ${origin}`) ?? ack.receivedAtMs - Date.parse(at);
      return { device: name, state: 'acknowledged' as const, outcome: ack.outcome, afterMs };
    });
    return { id, at, action, subject, cause, devices };
  }

  async #look(): Promise<void> {
    const { store, clock, silentAfterMs, retainMs } = this.#deps;
    if (retainMs !== undefined) await store.retire(clock.now() - retainMs);
    const newest = new Map((await store.devices()).map((device) => [device.origin, device]));
    for (const { origin, name, lastSeenMs } of newest.values()) {
      if (this.#connections.has(origin) || this.#silent.has(origin)) continue;
      const silentMs = clock.now() - Math.max(lastSeenMs, this.#startedMs);
      if (silentMs < silentAfterMs) continue;
      this.#silent.add(origin);
      await this.#raise(name, origin, 'silent', `nothing was heard of it for ${Math.round(silentMs / 1000)} seconds`);
    }
  }

  async #raise(device: string, origin: string, kind: FleetAlertKind, text: string): Promise<void> {
    const { store, clock, log, alerted } = this.#deps;
    const alert = { at: new Date(clock.now()).toISOString(), device, origin, kind, text };
    log.warn('collect.alert', { device, kind, text });
    alerted(alert);
    await store.addAlert(alert);
  }
}

/** What the desk signs: one order, whole. */
export function orderText(order: Omit<FleetOrder, 'text' | 'signature'>): string {
  const { id, at, action, subject, cause } = order;
  return `culvert fleet order\n${JSON.stringify({ id, at, action, subject, cause })}\n`;
}
