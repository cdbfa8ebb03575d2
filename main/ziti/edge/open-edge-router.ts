/** One edge router over one channel: which frame belongs to which connection, and what routers may be asked. */
import { TunnelerError, toTunnelerError } from '../../base/errors.ts';
import { openChannel, type Channel } from '../channel/channel.ts';
import { contentType } from '../wire/content-type.ts';
import type { Frame } from '../wire/frame.ts';
import { HeaderList } from '../wire/header-block.ts';
import { headerId } from '../wire/header-id.ts';
import { bytesText, textBytes } from '../wire/little-endian.ts';
import { bind } from './bind.ts';
import type { Connection, ConnectionHost, Flushable } from './connection.ts';
import { dial, endCircuit } from './dial.ts';
import type {
  EdgeBinding,
  EdgeBindRequest,
  EdgeDialRequest,
  EdgeRouter,
  EdgeRouterOptions,
  EdgeStreamOpened,
} from './edge-router.ts';
import { EdgeStream } from './edge-stream.ts';
import { FramePool } from './frame-pool.ts';
import { StreamGroups } from './stream-groups.ts';
import { answerConnInspect, answerInspect, answerTraceRoute } from './inspection.ts';

/** Ids of ours; from 2³¹ on they are the router's (openziti/ziti: router/xgress_edge/fabric.go, nextDialConnId). */
const maxOwnConnId = 0x7fffffff - 1;

const updateTokenTimeoutMs = 10_000;

/** Connect and greet. Throws `ziti.channel.*`, or `base.cancelled`. */
export async function openEdgeRouter(options: EdgeRouterOptions): Promise<EdgeRouter> {
  const connections = new Connections(options);
  const channel = await openChannel(options, connections);
  return new OpenEdgeRouter(options, channel, connections);
}

/** The table of connections of one channel, and their turn in its flushes. */
class Connections {
  readonly #options: EdgeRouterOptions;
  readonly #table = new Map<number, Connection>();
  #dirty = new Set<Flushable>();
  #waiting = new Set<Flushable>();
  readonly #notReading = new Set<object>();
  #channel: Channel | undefined;
  #lastConnId = 0;

  constructor(options: EdgeRouterOptions) {
    this.#options = options;
  }

  /** The channel is up. */
  attach(channel: Channel): ConnectionHost {
    this.#channel = channel;
    const { clock, log, name } = this.#options;
    return {
      channel,
      clock,
      log,
      pool: new FramePool(),
      routerName: name,
      wantsFlush: (connection) => {
        this.#dirty.add(connection);
        channel.scheduleFlush();
      },
      waitsForChannel: (connection) => this.#waiting.add(connection),
      setReading: (connection, reading) => this.#setReading(channel, connection, reading),
      unregister: (connId) => this.#table.delete(connId),
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
    if (connId === undefined) return;
    const connection = this.#table.get(connId);
    if (frame.contentType === contentType.connInspectRequest) {
      answerConnInspect(channel, frame, connId, connection);
    } else if (frame.contentType === contentType.traceRoute) {
      answerTraceRoute(channel, frame, connId);
    } else if (connection !== undefined) {
      this.#isolated(connection, () => connection.receive(frame));
    } else {
      this.#unclaimed(channel, frame, connId);
    }
  }

  gather(): void {
    const dirty = this.#dirty;
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
  #unclaimed(channel: Channel, frame: Frame, connId: number): void {
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

  #setReading(channel: Channel, connection: object, reading: boolean): void {
    const wasReading = this.#notReading.size === 0;
    if (reading) this.#notReading.delete(connection);
    else this.#notReading.add(connection);
    const nowReading = this.#notReading.size === 0;
    if (wasReading && !nowReading) channel.pauseReading();
    else if (!wasReading && nowReading) channel.resumeReading();
  }
}

class OpenEdgeRouter implements EdgeRouter {
  readonly name: string;
  readonly version: string | undefined;
  readonly supportsPostureChecks: boolean;
  readonly closed: Promise<TunnelerError>;
  readonly #options: EdgeRouterOptions;
  readonly #channel: Channel;
  readonly #connections: Connections;
  readonly #host: ConnectionHost;
  readonly #sessions = new StreamGroups();

  constructor(options: EdgeRouterOptions, channel: Channel, connections: Connections) {
    this.#options = options;
    this.#channel = channel;
    this.#connections = connections;
    this.#host = connections.attach(channel);
    this.name = options.name;
    this.version = channel.hello.version;
    this.supportsPostureChecks = channel.hello.supportsPostureChecks;
    this.closed = channel.closed.then((error) => {
      connections.lost(error);
      return error;
    });
  }

  latencyMs(): number {
    return this.#channel.latencyMs();
  }

  streams(): number {
    return this.#connections.streams();
  }

  async dial(request: EdgeDialRequest): Promise<EdgeStreamOpened> {
    this.#requireOpen();
    const connId = this.#connections.nextConnId();
    return dial({
      host: this.#host,
      connId,
      callerId: this.#options.callerId,
      request,
      register: (connection) => this.#connections.register(connId, connection),
      opened: (stream) => this.#sessions.add(request.sessionToken, stream),
    });
  }

  revoke(sessionToken: string, reason: string): number {
    return this.#sessions.revoke(sessionToken, reason);
  }

  async bind(request: EdgeBindRequest): Promise<EdgeBinding> {
    this.#requireOpen();
    return bind({
      host: this.#host,
      connId: this.#connections.nextConnId(),
      request,
      register: (connId, connection) => this.#connections.register(connId, connection),
    });
  }

  updateToken(token: string): Promise<void> {
    if (this.#options.tokenKind !== 'oidc') {
      return Promise.reject(new TunnelerError('base.unsupported', 'only OIDC sessions take a new token'));
    }
    return new Promise((resolve, reject) => {
      const message = { contentType: contentType.updateToken, body: textBytes(token) };
      this.#channel.request(message, updateTokenTimeoutMs, 'a token update', (reply) => {
        if (reply instanceof TunnelerError) reject(reply);
        else if (reply.contentType === contentType.updateTokenSuccess) resolve();
        else {
          const reason = bytesText(reply.body);
          reject(
            new TunnelerError('ziti.channel.rejected', `router ${this.name} refused the new token: ${reason}`, {
              details: { reason },
            }),
          );
        }
      });
    });
  }

  sendPosture(body: Uint8Array): void {
    this.#channel.send({ contentType: contentType.postureResponse, body });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channel[Symbol.asyncDispose]();
    await this.closed;
  }

  #requireOpen(): void {
    const lost = this.#channel.closedWith;
    if (lost !== undefined) throw lost;
  }
}
