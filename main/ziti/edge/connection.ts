/** What connections share: the channel, its clock, and the table they are registered in. */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { TunnelerError } from '../../base/errors.ts';
import type { FrameChannel } from '../channel/channel.ts';
import type { Frame } from '../wire/frame.ts';
import type { FramePool } from './frame-pool.ts';
import type { SendBudget } from './send-budget.ts';

/** Anything that has a connection id on a channel: a stream, a dial under way, a binding. */
export interface Connection {
  /** A frame with this connection's id. Borrowed. */
  receive(frame: Frame): void;
  /** The channel is gone. */
  channelLost(error: TunnelerError): void;
  /** Asked by a ConnInspectRequest: `connType` of the wire. */
  readonly connType: number;
  /** Something in here failed that should not have. */
  failed(error: TunnelerError): void;
}

/** A connection that takes part in flushes. */
export interface Flushable {
  /** Add frames to the flush under way. True asks for another flush right after. */
  flush(): boolean;
}

/** What a connection may use of its router. */
export interface ConnectionHost {
  readonly channel: FrameChannel;
  readonly clock: Clock;
  readonly log: Log;
  readonly pool: FramePool;
  readonly routerName: string;
  /** Have `flush` called with the next write. */
  wantsFlush(connection: Flushable): void;
  /** Have `flush` called with the next write of anybody, or soon where there is none. */
  wantsFlushSoon(connection: Flushable): void;
  /** What all connections together may have on their way. */
  readonly budget: SendBudget;
  /** Have `flush` called when the budget has room again. */
  waitsForBudget(connection: Flushable): void;
  /** Have `flush` called when the channel takes bulk again. */
  waitsForChannel(connection: Flushable): void;
  /** This connection holds too much unread under the router's flow control: stop reading the channel until `reads` says so again. */
  setReading(connection: object, reading: boolean): void;
  /** Give this id's frames to `connection` from now on. */
  register(connId: number, connection: Connection): void;
  /** The connection is over: its id may be used again. No effect where the id went to another meanwhile. */
  unregister(connId: number, connection: Connection): void;
}
