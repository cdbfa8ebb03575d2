/** The connections of one channel: which frame belongs to which, and their turn in its flushes. */
import type { Clock } from '../../base/clock.ts';
import { toTunnelerError, type TunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { ChannelHandlers, FrameChannel } from '../channel/channel.ts';
import { contentType } from '../wire/content-type.ts';
import type { Frame } from '../wire/frame.ts';
import { HeaderList } from '../wire/header-block.ts';
import { headerId } from '../wire/header-id.ts';
import { textBytes } from '../wire/little-endian.ts';
import type { Connection, ConnectionHost, Flushable } from './connection.ts';
import { endCircuit } from './dial.ts';
import { EdgeStream } from './edge-stream.ts';
import { FramePool } from './frame-pool.ts';
import { answerConnInspect, answerInspect, answerTraceRoute } from './inspection.ts';
import { SendBudget } from './send-budget.ts';
import type { ServiceUpdate } from './edge-router.ts';
import { readPostureStateChange, readServiceChangeSet } from '../wire/service-updates.ts';

/**
 * Acknowledgements of small messages wait so long for a write to travel with: mostly the answer that the message asks for. That halves what an
 * exchange costs both ends and the router. A Go sender looks for lost messages every 64 ms at most, and counts this in its round trip.
 */
const acknowledgeWithinMs = 2;

/** Ids of ours; from 2³¹ on they are the router's (openziti/ziti: router/xgress_edge/fabric.go, nextDialConnId). */
const maxOwnConnId = 0x7fffffff - 1;

/** Whose connections these are. */
export interface ConnectionsOptions {
  /** The router's name. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** The table of connections of one channel, and their turn in its flushes. */
export class Connections implements ChannelHandlers {
  readonly #options: ConnectionsOptions;
  readonly #table = new Map<number, Connection>();
  #dirty = new Set<Flushable>();
  #waiting = new Set<Flushable>();
  readonly #soon = new Set<Flushable>();
  #soonTimer: Disposable | undefined;
  readonly #budget = new SendBudget();
  readonly #waitingForBudget = new Set<Flushable>();
  #budgetTimer: Disposable | undefined;
  readonly #notReading = new Set<object>();
  #channel: FrameChannel | undefined;
  /** Whoever subscribed to what the router pushes. */
  onServiceUpdate: ((update: ServiceUpdate) => void) | undefined;
  #lastConnId = 0;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** The channel is up. */
  attach(channel: FrameChannel): ConnectionHost {
    this.#channel = channel;
    const { clock, log, name } = this.#options;
    return {
      channel,
      clock,
      log,
      pool: new FramePool(clock),
      routerName: name,
      wantsFlush: (connection) => {
        this.#dirty.add(connection);
        channel.scheduleFlush();
      },
      wantsFlushSoon: (connection) => {
        this.#soon.add(connection);
        this.#soonTimer ??= clock.after(acknowledgeWithinMs, () => {
          this.#soonTimer = undefined;
          if (this.#soon.size > 0) channel.scheduleFlush();
        });
      },
      budget: this.#budget,
      waitsForBudget: (connection) => {
        this.#waitingForBudget.add(connection);
        this.#armBudget();
      },
      waitsForChannel: (connection) => this.#waiting.add(connection),
      setReading: (connection, reading) => this.#setReading(channel, connection, reading),
      register: (connId, connection) => this.register(connId, connection),
      unregister: (connId, connection) => {
        if (this.#table.get(connId) === connection) this.#table.delete(connId);
      },
    };
  }

  register(connId: number, connection: Connection): void {
    this.#table.set(connId, connection);
  }

  nextConnId(): number {
    do {
      this.#lastConnId = this.#lastConnId >= maxOwnConnId ? 1 : this.#lastConnId + 1;
    } while (this.#table.has(this.#lastConnId));
    return this.#lastConnId;
  }

  streams(): number {
    let count = 0;
    for (const connection of this.#table.values()) if (connection instanceof EdgeStream) count += 1;
    return count;
  }

  lost(error: TunnelerError): void {
    const all = [...this.#table.values()];
    this.#table.clear();
    this.#budgetTimer?.[Symbol.dispose]();
    this.#soonTimer?.[Symbol.dispose]();
    for (const connection of all) this.#isolated(connection, () => connection.channelLost(error));
  }

  // ChannelHandlers

  frame(frame: Frame): void {
    const channel = this.#channel;
    if (channel === undefined) return;
    const connId = frame.headers.u32(headerId.connId);
    if (frame.contentType === contentType.inspectRequest) {
      answerInspect(channel, frame, connId);
      return;
    }
    if (connId === undefined) {
      this.#serviceUpdate(frame);
      return;
    }
    const connection = this.#table.get(connId);
    if (frame.contentType === contentType.connInspectRequest) {
      answerConnInspect(channel, frame, connId, connection);
    } else if (frame.contentType === contentType.traceRoute) {
      answerTraceRoute(channel, frame, connId);
    } else if (connection !== undefined) {
      this.#isolated(connection, () => connection.receive(frame));
      if (this.#waitingForBudget.size > 0) this.#spendBudget();
    } else {
      this.#unclaimed(channel, frame, connId);
    }
  }

  /** What cannot be read is left out: the next one shows a gap, and everything is asked for again. */
  #serviceUpdate(frame: Frame): void {
    if (frame.contentType === contentType.serviceChangeSet) {
      const set = readServiceChangeSet(frame.body);
      if (set !== undefined) this.onServiceUpdate?.({ kind: 'services', set });
    } else if (frame.contentType === contentType.postureStateChange) {
      const change = readPostureStateChange(frame.body);
      if (change !== undefined) this.onServiceUpdate?.({ kind: 'posture', change });
    }
  }

  gather(): void {
    const dirty = this.#dirty;
    for (const connection of this.#soon) dirty.add(connection);
    this.#soon.clear();
    if (dirty.size === 0) return;
    this.#dirty = new Set();
    for (const connection of dirty) {
      let more = false;
      try {
        more = connection.flush();
      } catch (error) {
        this.#options.log.error('ziti.edge.flush_failed', { router: this.#options.name, error });
        if (connection instanceof EdgeStream) connection.failed(toTunnelerError(error));
      }
      if (more) this.#dirty.add(connection);
    }
    if (this.#dirty.size > 0) this.#channel?.scheduleFlush();
  }

  drained(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const connection of waiting) this.#dirty.add(connection);
    if (waiting.size > 0) this.#channel?.scheduleFlush();
  }

  /** Let as many of those that wait for the budget flush as it has room for, the longest waiting first. */
  #spendBudget(): void {
    let free = this.#budget.free(this.#options.clock.monotonic());
    for (const connection of this.#waitingForBudget) {
      if (free-- <= 0) break;
      this.#waitingForBudget.delete(connection);
      this.#dirty.add(connection);
    }
    if (this.#dirty.size > 0) this.#channel?.scheduleFlush();
    this.#armBudget();
  }

  #armBudget(): void {
    if (this.#budgetTimer !== undefined || this.#waitingForBudget.size === 0) return;
    const { clock } = this.#options;
    this.#budgetTimer = clock.after(Math.max(1, this.#budget.waitMs(clock.monotonic())), () => {
      this.#budgetTimer = undefined;
      this.#spendBudget();
    });
  }

  /** Connections do not share their failures. */
  #isolated(connection: Connection, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#options.log.warn('ziti.edge.connection_failed', { router: this.#options.name, error });
      connection.failed(toTunnelerError(error));
    }
  }

  /** A frame for an id that is not, or no longer, in use. */
  #unclaimed(channel: FrameChannel, frame: Frame, connId: number): void {
    const reply = new HeaderList().u32(headerId.connId, connId);
    switch (frame.contentType) {
      case contentType.stateConnected: {
        // A dial that was given up meanwhile.
        const circuitId = frame.headers.bool(headerId.useXgressToSdk)
          ? frame.headers.string(headerId.circuitId)
          : undefined;
        endCircuit({ channel }, connId, circuitId);
        return;
      }
      case contentType.dial:
        channel.reply(frame, {
          contentType: contentType.dialFailed,
          headers: reply,
          body: textBytes('not hosted here'),
        });
        return;
      case contentType.data:
        channel.send({ contentType: contentType.stateClosed, headers: reply });
        return;
      default:
    }
  }

  #setReading(channel: FrameChannel, connection: object, reading: boolean): void {
    const wasReading = this.#notReading.size === 0;
    if (reading) this.#notReading.delete(connection);
    else this.#notReading.add(connection);
    const nowReading = this.#notReading.size === 0;
    if (wasReading && !nowReading) channel.pauseReading();
    else if (!wasReading && nowReading) channel.resumeReading();
  }
}
