/** Owning what lives long: closed in reverse order, once, all of it, even where one closing fails. */

export class DisposalStack implements AsyncDisposable {
  #owned: (() => void | Promise<void>)[] = [];
  #closing: Promise<void> | undefined;

  /** Own `thing`; returns it. On an already closed stack it is closed at once. */
  use<T extends AsyncDisposable | Disposable>(thing: T): T {
    this.defer(() => (Symbol.asyncDispose in thing ? thing[Symbol.asyncDispose]() : thing[Symbol.dispose]()));
    return thing;
  }

  /** Run `close` when the stack closes. */
  defer(close: () => void | PromiseLike<void>): void {
    const run = async (): Promise<void> => {
      await close();
    };
    if (this.#closing === undefined) this.#owned.push(run);
    else this.#closing = this.#closing.then(run);
  }

  /** Give everything to a new stack; this one is then empty. For constructors that succeed at the very end. */
  move(): DisposalStack {
    const next = new DisposalStack();
    next.#owned = this.#owned;
    this.#owned = [];
    return next;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    const failures: unknown[] = [];
    for (let close = this.#owned.pop(); close !== undefined; close = this.#owned.pop()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) throw new AggregateError(failures, 'several things failed to close');
  }
}

/** A Disposable from a function that may be called many times but acts once. */
export function disposable(close: () => void): Disposable {
  let open = true;
  return {
    [Symbol.dispose]() {
      if (!open) return;
      open = false;
      close();
    },
  };
}
