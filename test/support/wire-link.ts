/**
 * Two tables of connections joined as a router joins them: frames cross with their connection ids exchanged. The link can
 * lose, repeat and delay what flow control is there to repair.
 */
import type { Clock } from '../../main/base/clock.ts';
import { silentLog } from '../../main/base/log.ts';
import type { StreamKind } from '../../main/base/stream.ts';
import type { FrameChannel, HelloResult, OutgoingMessage } from '../../main/ziti/channel/channel.ts';
import { PendingReplies, type OnReply } from '../../main/ziti/channel/pending-replies.ts';
import type { ConnectionHost } from '../../main/ziti/edge/connection.ts';
import { Connections } from '../../main/ziti/edge/connections.ts';
import { EdgeStream } from '../../main/ziti/edge/edge-stream.ts';
import { deriveSessionKeys, newListenerKeys, type SessionKeys } from '../../main/ziti/edge/end-to-end.ts';
import { RouterFlowControl } from '../../main/ziti/edge/router-flow-control.ts';
import { XgressFlowControl } from '../../main/ziti/edge/xgress-flow-control.ts';
import { contentType } from '../../main/ziti/wire/content-type.ts';
import { encodeFrame, type Frame } from '../../main/ziti/wire/frame.ts';
import { FrameDecoder } from '../../main/ziti/wire/frame-decoder.ts';
import { HeaderList } from '../../main/ziti/wire/header-block.ts';
import { headerId, reflectedHeaders } from '../../main/ziti/wire/header-id.ts';
import { bytesText, copyBytes, textBytes } from '../../main/ziti/wire/little-endian.ts';

/** A channel that hands its frames, encoded, to a function. */
export class LinkChannel implements FrameChannel {
  readonly hello: HelloResult = {
    version: 'v0.0.0',
    supportsBindSuccess: true,
    supportsPostureChecks: true,
    capabilities: { known: true, connectV2: true, serviceUpdates: true },
  };
  readonly connections: Connections;
  readonly host: ConnectionHost;
  readonly replies: PendingReplies;
  reading = true;
  full = false;
  #sequence = 0;
  #scheduled = false;
  readonly #frames: Uint8Array[] = [];
  readonly #clock: Clock;
  readonly #carry: (frame: Uint8Array) => void;

  constructor(name: string, clock: Clock, carry: (frame: Uint8Array) => void) {
    this.#clock = clock;
    this.#carry = carry;
    this.replies = new PendingReplies(clock);
    this.connections = new Connections({ name, clock, log: silentLog });
    this.host = this.connections.attach(this);
  }

  /** Bytes from the router. */
  arrive(bytes: Uint8Array): void {
    new FrameDecoder((frame) => this.frame(frame)).push(bytes);
  }

  frame(frame: Frame): void {
    const replyFor = frame.headers.i32(headerId.replyFor);
    if (replyFor === undefined || !this.replies.settle(replyFor, frame)) this.connections.frame(frame);
  }

  nextSequence(): number {
    return ++this.#sequence;
  }

  writable(): boolean {
    return !this.full;
  }

  scheduleFlush(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.after(0, () => {
      this.#scheduled = false;
      this.connections.gather();
      for (const frame of this.#frames.splice(0)) this.#carry(frame);
    });
  }

  sendEncoded(frame: Uint8Array): void {
    this.#frames.push(frame);
    this.scheduleFlush();
  }

  send(message: OutgoingMessage): void {
    this.sendEncoded(encodeFrame({ ...message, sequence: this.nextSequence() }));
  }

  request(message: OutgoingMessage, timeoutMs: number, what: string, onReply: OnReply): Disposable {
    const sequence = this.nextSequence();
    const pending = this.replies.expect(sequence, timeoutMs, what, onReply);
    this.sendEncoded(encodeFrame({ ...message, sequence }));
    return pending;
  }

  reply(request: Frame, message: OutgoingMessage): void {
    const headers = (message.headers ?? new HeaderList()).i32(headerId.replyFor, request.sequence);
    headers.reflect(request.headers, reflectedHeaders);
    this.send({ ...message, headers });
  }

  pauseReading(): void {
    this.reading = false;
  }

  resumeReading(): void {
    this.reading = true;
  }
}

/** What becomes of one frame of flow control: the delays, in milliseconds, of the copies that arrive. Empty: lost. */
export type Fate = () => readonly number[];

export interface LinkedStreamsOptions {
  readonly clock: Clock;
  readonly kind?: StreamKind;
  readonly encrypted?: boolean;
  readonly flowControl?: 'sdk' | 'router';
  /** Applied to payloads and acknowledgements. */
  readonly fate?: Fate;
  /** Sees every frame on the link. */
  readonly tap?: (frame: Frame) => void;
}

const ids = [1, 0x80000001] as const;
const circuitId = 'c1rcuit';

/** A dialler's and a host's stream of one circuit. */
export function linkedStreams(options: LinkedStreamsOptions): {
  readonly near: EdgeStream;
  readonly far: EdgeStream;
  readonly channels: readonly [LinkChannel, LinkChannel];
} {
  const { clock, kind = 'stream', flowControl = 'sdk' } = options;
  const channels: readonly [LinkChannel, LinkChannel] = [
    new LinkChannel('near', clock, (bytes) => route(bytes, 0)),
    new LinkChannel('far', clock, (bytes) => route(bytes, 1)),
  ];
  const keys = options.encrypted === false ? [undefined, undefined] : sessionKeys();
  const open = (side: 0 | 1): EdgeStream => {
    const { host, connections } = channels[side];
    const connId = ids[side];
    const stream = new EdgeStream({
      host,
      connId,
      kind,
      circuitId,
      keys: keys[side],
      carrier: (owner) =>
        flowControl === 'sdk'
          ? new XgressFlowControl({
              host,
              connId,
              circuitId,
              originator: side === 0 ? 'initiator' : 'terminator',
              owner,
            })
          : new RouterFlowControl({ host, connId, owner }),
    });
    connections.register(connId, stream);
    return stream;
  };
  let torn = false;
  const far = open(1);
  const near = open(0);
  return { near, far, channels };

  function route(bytes: Uint8Array, from: 0 | 1): void {
    const to = from === 0 ? 1 : 0;
    new FrameDecoder((frame) => {
      options.tap?.(frame);
      switch (frame.contentType) {
        case contentType.xgPayload:
        case contentType.xgAcknowledgement: {
          if (torn) return;
          const sent = readdressed(frame, ids[to]);
          for (const delayMs of options.fate?.() ?? [0]) {
            if (delayMs === 0) channels[to].arrive(sent);
            else clock.after(delayMs, () => channels[to].arrive(copyBytes(sent)));
          }
          return;
        }
        case contentType.xgClose:
          if (torn || bytesText(frame.body) !== circuitId) return;
          torn = true;
          for (const side of [0, 1] as const) channels[side].arrive(stateClosed(ids[side], 'xgress unrouted'));
          return;
        case contentType.stateClosed:
          if (frame.headers.u32(headerId.connId) !== ids[from]) return;
          if (!torn) channels[to].arrive(stateClosed(ids[to], 'close called'));
          torn = true;
          return;
        default:
          if (!torn) channels[to].arrive(readdressed(frame, ids[to]));
      }
    }).push(bytes);
  }
}

export function stateClosed(connId: number, reason: string): Uint8Array {
  const headers = new HeaderList().u32(headerId.connId, connId);
  return encodeFrame({ contentType: contentType.stateClosed, sequence: 0, headers, body: textBytes(reason) });
}

function readdressed(frame: Frame, connId: number): Uint8Array {
  const headers = new HeaderList();
  for (const [id, value] of frame.headers.entries()) if (id !== headerId.connId) headers.bytes(id, copyBytes(value));
  headers.u32(headerId.connId, connId);
  return encodeFrame({ contentType: frame.contentType, sequence: frame.sequence, headers, body: frame.body });
}

function sessionKeys(): readonly [SessionKeys, SessionKeys] {
  const dialler = newListenerKeys();
  const host = newListenerKeys();
  return [deriveSessionKeys('dialler', dialler, host.publicKey), deriveSessionKeys('host', host, dialler.publicKey)];
}
