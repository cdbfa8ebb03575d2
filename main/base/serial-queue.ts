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

/** A {@link SerialQueue} a key: acts of one key wait for one another, those of different keys do not. A key that is idle costs nothing. */
export class KeyedSerialQueue<Key> {
  readonly #queues = new Map<Key, { readonly queue: SerialQueue; waiting: number }>();

  /** Resolves or rejects as `act` does. */
  async run<T>(key: Key, act: () => T | Promise<T>): Promise<T> {
    const entry = this.#queues.get(key) ?? { queue: new SerialQueue(), waiting: 0 };
    this.#queues.set(key, entry);
    entry.waiting += 1;
    try {
      return await entry.queue.run(act);
    } finally {
      entry.waiting -= 1;
      if (entry.waiting === 0) this.#queues.delete(key);
    }
  }

  /** Keys with something under way. */
  get size(): number {
    return this.#queues.size;
  }
}
