/** A token, address or file that came from outside and waits for the enrolment screen to take it. */
export interface Arrived {
  readonly text: string;
  readonly fileName?: string;
}

/** Holds what arrived last until it is taken. */
export class Arrival {
  readonly #listeners = new Set<() => void>();
  #waiting: Arrived | undefined;

  readonly waiting = (): Arrived | undefined => this.#waiting;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** A newer one replaces one not yet taken; undefined: it was taken. */
  offer(value: Arrived | undefined): void {
    this.#waiting = value;
    for (const listener of [...this.#listeners]) listener();
  }
}
