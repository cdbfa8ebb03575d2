/**
 * A gateway between Modbus/TCP and a serial line, as the local end of a hosted session: what comes is Modbus/TCP, what the line has is RTU.
 * Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b section 4.4.2; exceptions, Application Protocol V1.1b3 section 7.
 */
import { TunnelerError, toTunnelerError } from '../../base/errors.ts';
import type { ByteSink, ByteStream } from '../../base/stream.ts';
import { exceptionTo, FrameReader, type ModbusFrame } from '../../guard/modbus/frames.ts';
import type { SerialLine } from './serial-line.ts';

/** No device of a serial line has a higher number (V1.02 section 2.2). */
const highestUnit = 247;
/** Requests of one client that wait for their turn, and answers that it has not read; beyond, it is asked to wait. */
const maxHeld = 16;

/** Of a gateway: the unit is none of its, and the device did not answer. */
const exceptions = { pathUnavailable: 0x0a, targetFailed: 0x0b } as const;

/** What a client needs of its line. */
type Line = Pick<SerialLine, 'ask' | 'onLost'>;

/** One client of a line. It has one request on the line at a time, so that all who share it have their turns however much one of them asks. */
export class RtuGateway implements ByteStream {
  readonly kind = 'stream';
  readonly #line: Line;
  readonly #released: () => void;
  readonly #frames = new FrameReader();
  readonly #lost: Disposable;
  #sink: ByteSink | undefined;
  readonly #requests: ModbusFrame[] = [];
  #answers: Uint8Array[] = [];
  #asking = false;
  #onLine = false;
  #paused = false;
  #full = false;
  #ending = false;
  #ended = false;
  #closed = false;
  #error: TunnelerError | undefined;

  /** `released`: told once, when it is over. */
  constructor(line: Line, released: () => void) {
    this.#line = line;
    this.#released = released;
    this.#lost = line.onLost((error) => this.#close(error));
  }

  start(sink: ByteSink): void {
    if (this.#sink !== undefined) throw new TunnelerError('base.internal', 'a stream is started once');
    this.#sink = sink;
    queueMicrotask(() => {
      if (this.#closed) sink.closed(this.#error);
      else this.#flush();
    });
  }

  write(chunk: Uint8Array): boolean {
    if (this.#ending || this.#closed) return false;
    this.#frames.push(
      chunk,
      (frame) => void this.#requests.push(frame),
      (why) => this.#close(new TunnelerError('hosting.connect_failed', `the serial line was sent ${why}`)),
    );
    void this.#askAll();
    this.#full = this.#held() >= maxHeld;
    return !this.#full && !this.#isClosed();
  }

  end(): void {
    this.#ending = true;
    this.#flush();
  }

  reset(error?: TunnelerError): void {
    this.#close(error ?? new TunnelerError('sockets.reset', 'the connection was reset on this side'));
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#flush();
  }

  /** While somebody reads the answers. */
  async #askAll(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      while (!this.#closed && this.#answers.length < maxHeld) {
        const next = this.#requests.shift();
        if (next === undefined) break;
        await this.#ask(next);
      }
    } catch (error) {
      this.#close(toTunnelerError(error, 'sockets.failed'));
    } finally {
      this.#asking = false;
      this.#flush();
    }
  }

  async #ask(frame: ModbusFrame): Promise<void> {
    const { unit } = frame;
    if (unit > highestUnit) return this.#answer(exceptionTo(frame, exceptions.pathUnavailable));
    this.#onLine = true;
    const answer = await this.#line.ask({ unit, pdu: frame.bytes.slice(7) }, () => !this.#closed);
    this.#onLine = false;
    // To all devices: nobody answers.
    if (answer.kind === 'answer') this.#answer(framed(frame, answer.pdu));
    else if (unit !== 0) this.#answer(exceptionTo(frame, exceptions.targetFailed));
  }

  #answer(bytes: Uint8Array): void {
    this.#answers.push(bytes);
    this.#flush();
  }

  /** Give on what came; once all that was asked is answered and nothing more will be, both ways are over. */
  #flush(): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    while (!this.#paused && !this.#closed) {
      const next = this.#answers.shift();
      if (next === undefined) break;
      sink.data(next);
    }
    if (this.#full && !this.#closed && this.#held() < maxHeld / 2) {
      this.#full = false;
      sink.drain();
    }
    if (this.#requests.length > 0) void this.#askAll();
    if (!this.#ending || this.#ended || this.#closed || this.#held() > 0) return;
    this.#ended = true;
    sink.end();
    this.#close(undefined);
  }

  #close(error: TunnelerError | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#error = error;
    this.#answers = [];
    this.#lost[Symbol.dispose]();
    this.#released();
    const sink = this.#sink;
    if (sink !== undefined) queueMicrotask(() => sink.closed(error));
  }

  /** A client that asks and does not read is asked to wait as one whose questions do. */
  #held(): number {
    return this.#requests.length + (this.#onLine ? 1 : 0) + this.#answers.length;
  }

  /** Read anew where a callback may have closed it meanwhile; the compiler would take the older answer. */
  #isClosed(): boolean {
    return this.#closed;
  }
}

function framed({ transaction, unit }: ModbusFrame, pdu: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(7 + pdu.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, transaction);
  view.setUint16(4, pdu.length + 1);
  view.setUint8(6, unit);
  bytes.set(pdu, 7);
  return bytes;
}
