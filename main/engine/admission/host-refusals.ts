/** What a host refused last under terms that only the host can judge, for whoever asks why: nothing else here knows of it. */
import type { Clock } from '../../base/clock.ts';
import type { Reason } from '../../base/reason.ts';

/** So long it is told; somebody may have approved it long since. */
const toldMs = 3_600_000;
const mostRemembered = 1_024;

/** By account and service, until the host lets one of its dials in. */
export class HostRefusals {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #last = new Map<string, { readonly reason: Reason; readonly atMs: number }>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** `undefined`: it let one in. */
  note(account: string, serviceId: string, reason: Reason | undefined): void {
    const key = keyOf(account, serviceId);
    this.#last.delete(key);
    if (reason === undefined) return;
    const [oldest] = this.#last.keys();
    if (oldest !== undefined && this.#last.size >= mostRemembered) this.#last.delete(oldest);
    this.#last.set(key, { reason, atMs: this.#clock.monotonic() });
  }

  /** Why the last dial was refused there; undefined where it was not, or long ago. */
  last(account: string, serviceId: string): Reason | undefined {
    const found = this.#last.get(keyOf(account, serviceId));
    return found === undefined || this.#clock.monotonic() - found.atMs >= toldMs ? undefined : found.reason;
  }
}

function keyOf(account: string, serviceId: string): string {
  return JSON.stringify([account, serviceId]);
}
