/** A queue of one: what is handed in runs after everything handed in before. */

/** Runs acts one after another, in the order they came; one that fails does not stop those behind it. */
export class SerialQueue {
  #last: Promise<unknown> = Promise.resolve();

  /** Resolves or rejects as `act` does. */
  run<T>(act: () => T | Promise<T>): Promise<T> {
    const turn = this.#last.then(act);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** Resolves when everything handed in so far has run, however it ended. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
