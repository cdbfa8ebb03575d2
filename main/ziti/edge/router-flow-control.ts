/**
 * A connection under the router's flow control, for routers that do not offer the SDK's: the channel's order is the
 * connection's, and the router keeps what is in flight. A slow reader can then only stop the whole channel.
 */
import { contentType } from '../wire/content-type.ts';
import { readEdgeFault } from '../wire/edge-error.ts';
import { frameHeadBytes, writeFrameHead, type Frame } from '../wire/frame.ts';
import { HeaderList } from '../wire/header-block.ts';
import { headerId } from '../wire/header-id.ts';
import { bytesText, noBytes } from '../wire/little-endian.ts';
import type { FlowControl, CarrierOwner } from './flow-control.ts';
import type { ConnectionHost } from './connection.ts';

/** Bytes one connection may hold unread before the channel's reading stops for all. */
const heldLimitBytes = 8 * 1024 * 1024;

const headerBytes = 12;

/** The connection, and whom its messages are for. */
export interface RouterCarrierOptions {
  readonly host: ConnectionHost;
  readonly connId: number;
  readonly owner: CarrierOwner & object;
}

/** Messages as Data frames; nothing is acknowledged, and half-close goes one way only. */
export class RouterFlowControl implements FlowControl {
  readonly tellsEnds = false;
  readonly #host: ConnectionHost;
  readonly #connId: number;
  readonly #owner: CarrierOwner & object;
  #begun: Uint8Array = noBytes;
  #reading = true;
  #over = false;

  constructor(options: RouterCarrierOptions) {
    this.#host = options.host;
    this.#connId = options.connId;
    this.#owner = options.owner;
  }

  mayStart(): boolean {
    return !this.#over;
  }

  begin(bodyBytes: number): Uint8Array {
    // Not from the pool: nothing tells when the socket is done with a frame that nobody acknowledges.
    const frame = Buffer.allocUnsafe(frameHeadBytes + headerBytes + bodyBytes);
    const { channel } = this.#host;
    const at = writeFrameHead(frame, 0, contentType.data, channel.nextSequence(), headerBytes, bodyBytes);
    new HeaderList().u32(headerId.connId, this.#connId).write(frame, at);
    this.#begun = frame;
    return frame.subarray(frameHeadBytes + headerBytes);
  }

  commit(): void {
    this.#host.channel.sendEncoded(this.#begun);
    this.#begun = noBytes;
  }

  sendFlagged(edgeFlags: number, body: Uint8Array): void {
    const headers = new HeaderList().u32(headerId.connId, this.#connId).u32(headerId.flags, edgeFlags);
    this.#host.channel.send({ contentType: contentType.data, headers, body });
  }

  settled(): boolean {
    return true;
  }

  held(bytes: number): void {
    const reading = bytes <= (this.#reading ? heldLimitBytes : heldLimitBytes / 2);
    if (reading === this.#reading || this.#over) return;
    this.#reading = reading;
    this.#host.setReading(this.#owner, reading);
  }

  flush(): void {
    // Nothing is owed: the router needs no acknowledgements.
  }

  receive(frame: Frame): void {
    if (this.#over) return;
    if (frame.contentType === contentType.data) {
      this.#owner.message(frame.body, frame.headers.u32(headerId.flags) ?? 0);
    } else if (frame.contentType === contentType.stateClosed) {
      // A side under the SDK's flow control half-closes in a way that never reaches us here, so its close is its end.
      this.#owner.closedByRouter(bytesText(frame.body), readEdgeFault(frame.headers), true);
    }
  }

  close(): void {
    if (this.#over) return;
    const headers = new HeaderList().u32(headerId.connId, this.#connId);
    this.#host.channel.send({ contentType: contentType.stateClosed, headers });
    this.dispose();
  }

  dispose(): void {
    if (!this.#reading) this.#host.setReading(this.#owner, true);
    this.#reading = true;
    this.#over = true;
  }
}
