/** The serial lines of this host: each is open while somebody uses it, and shared by all who do. */
import type { Clock } from '../../base/clock.ts';
import { KeyedSerialQueue } from '../../base/serial-queue.ts';
import type { ByteStream } from '../../base/stream.ts';
import { failed, openSerialDevice } from './serial-device.ts';
import { SerialLine } from './serial-line.ts';
import { describeSerial, type SerialSettings } from './serial-settings.ts';
import { RtuGateway } from './rtu-gateway.ts';

interface Shared {
  readonly line: SerialLine;
  users: number;
}

/** None is open at first; the last of its streams to close closes a line. */
export class SerialLines {
  readonly #clock: Clock;
  readonly #open = new Map<string, Shared>();
  readonly #changes = new KeyedSerialQueue<string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Modbus/TCP at this end, Modbus RTU on the line. Throws `hosting.connect_failed`. */
  connect(settings: SerialSettings): Promise<ByteStream> {
    return this.#changes.run(settings.path, async () => {
      const shared = await this.#lineOf(settings);
      shared.users += 1;
      return new RtuGateway(shared.line, () => void this.#release(settings.path, shared));
    });
  }

  async #lineOf(settings: SerialSettings): Promise<Shared> {
    const open = this.#open.get(settings.path);
    if (open !== undefined && open.line.failure === undefined) {
      const how = describeSerial(open.line.settings);
      if (how === describeSerial(settings)) return open;
      throw failed(settings.path, `it is in use otherwise (${how})`);
    }
    const shared = { line: new SerialLine(settings, await openSerialDevice(settings), this.#clock), users: 0 };
    this.#open.set(settings.path, shared);
    return shared;
  }

  #release(path: string, shared: Shared): Promise<void> {
    return this.#changes.run(path, async () => {
      shared.users -= 1;
      if (shared.users > 0) return;
      if (this.#open.get(path) === shared) this.#open.delete(path);
      await shared.line[Symbol.asyncDispose]();
    });
  }
}
