/** One serial line: requests go onto it one at a time, each with its answer or the time for one behind it. */
import type { SerialPort } from 'serialport';
import { sleep, type Clock } from '../../base/clock.ts';
import type { TunnelerError } from '../../base/errors.ts';
import { SerialQueue } from '../../base/serial-queue.ts';
import { answerLength, decodeRtu, encodeRtu, type RtuMessage } from './rtu.ts';
import { failed } from './serial-device.ts';
import { silenceMs, type SerialSettings } from './serial-settings.ts';

/** A request to all devices has no answer; the next waits so long (V1.02 section 2.4.1). */
const broadcastMs = 100;
/** Where only a pause ends an answer: longer than any scheduler makes between two reads. */
const pauseMs = 50;
/** No frame of a serial line is longer (V1.02 section 2.5.1). */
const maxFrameBytes = 256;

/** Nobody answered in time, or in a way that can be read. */
export type LineAnswer = { readonly kind: 'answer'; readonly pdu: Uint8Array } | { readonly kind: 'silent' };

const silent: LineAnswer = { kind: 'silent' };

/** An open line; disposing closes it. */
export class SerialLine implements AsyncDisposable {
  readonly settings: SerialSettings;
  readonly #port: SerialPort;
  readonly #clock: Clock;
  readonly #turns = new SerialQueue();
  #failure: TunnelerError | undefined;
  #arrived: (bytes: Uint8Array) => void = () => undefined;
  readonly #lost = new Set<(error: TunnelerError) => void>();
  /** Units that did not answer in time, and until when (monotonic) their answer may come yet. */
  readonly #late = new Map<number, number>();

  constructor(settings: SerialSettings, port: SerialPort, clock: Clock) {
    this.settings = settings;
    this.#port = port;
    this.#clock = clock;
    port.on('data', (bytes: Uint8Array) => this.#arrived(bytes));
    port.on('error', (error: Error) => this.#fail(error.message));
    port.on('close', () => this.#fail('it is gone'));
  }

  /** Set once the line cannot be used any more. */
  get failure(): TunnelerError | undefined {
    return this.#failure;
  }

  /** Told once where the line fails. */
  onLost(listener: (error: TunnelerError) => void): Disposable {
    this.#lost.add(listener);
    return { [Symbol.dispose]: () => void this.#lost.delete(listener) };
  }

  /**
   * Ask one device, after all that was asked before; `isWanted` is looked at when its turn comes. A device that was silent is asked again when an
   * answer to what it was asked then would have come: nothing in one tells which of two reads it is to. Rejects where the line fails.
   */
  async ask(request: RtuMessage, isWanted: () => boolean): Promise<LineAnswer> {
    for (;;) {
      const answer = await this.#turns.run(async () => {
        if (this.#failure !== undefined) throw this.#failure;
        if (!isWanted()) return silent;
        // Others on the line have their turns meanwhile.
        return this.#lateMs(request.unit) > 0 ? undefined : this.#turn(request);
      });
      if (answer !== undefined) return answer;
      await sleep(this.#clock, this.#lateMs(request.unit));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lost.clear();
    await this.#turns.idle();
    if (this.#port.isOpen) await new Promise<void>((resolve) => this.#port.close(() => resolve()));
  }

  async #turn(request: RtuMessage): Promise<LineAnswer> {
    const { unit } = request;
    const answer = await this.#ask(request);
    if (answer.kind === 'answer') this.#late.delete(unit);
    else if (unit !== 0) this.#late.set(unit, this.#clock.monotonic() + this.settings.answerMs);
    await sleep(this.#clock, unit === 0 ? broadcastMs : silenceMs(this.settings));
    return answer;
  }

  #lateMs(unit: number): number {
    return Math.max(0, (this.#late.get(unit) ?? 0) - this.#clock.monotonic());
  }

  #ask(request: RtuMessage): Promise<LineAnswer> {
    return new Promise((resolve, reject) => {
      const held = new Uint8Array(maxFrameBytes);
      let length = 0;
      let pause: Disposable | undefined;
      const settle = (act: () => void): void => {
        late[Symbol.dispose]();
        pause?.[Symbol.dispose]();
        lost[Symbol.dispose]();
        this.#arrived = () => undefined;
        act();
      };
      const end = (frame: Uint8Array): void => {
        const pdu = decodeRtu(frame, request);
        settle(() => resolve(pdu === undefined ? silent : { kind: 'answer', pdu }));
      };
      const unanswered = (): void => settle(() => resolve(silent));
      const late = this.#clock.after(this.settings.answerMs, unanswered);
      const lost = this.onLost((error) => settle(() => reject(error)));
      if (request.unit === 0) {
        this.#send(request, unanswered);
        return;
      }
      this.#arrived = (bytes) => {
        const room = bytes.subarray(0, maxFrameBytes - length);
        held.set(room, length);
        length += room.length;
        const wanted = answerLength(request, held.subarray(0, length));
        if (wanted === 'silence') {
          pause?.[Symbol.dispose]();
          pause = this.#clock.after(pauseMs, () => end(held.subarray(0, length)));
        } else if (wanted !== undefined && length >= wanted) end(held.subarray(0, wanted));
      };
      this.#send(request, () => undefined);
    });
  }

  /** What came before belongs to nobody. */
  #send(request: RtuMessage, sent: () => void): void {
    this.#port.flush(() => {
      this.#port.write(encodeRtu(request), undefined, (error) => {
        if (error instanceof Error) this.#fail(error.message);
      });
      this.#port.drain(sent);
    });
  }

  #fail(why: string): void {
    if (this.#failure !== undefined) return;
    const failure = failed(this.settings.path, why);
    this.#failure = failure;
    for (const told of [...this.#lost]) told(failure);
  }
}
