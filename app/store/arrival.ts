/** A token or address that came from outside the window and waits for the enrolment screen to take it. */
export class Arrival {
  readonly #listeners = new Set<() => void>();
  #waiting: string | undefined;

  readonly waiting = (): string | undefined => this.#waiting;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** A newer one replaces one not yet taken; undefined: it was taken. */
  offer(value: string | undefined): void {
    this.#waiting = value;
    for (const listener of [...this.#listeners]) listener();
  }
}
