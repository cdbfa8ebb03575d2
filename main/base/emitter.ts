/** Past-tense facts to any number of listeners. A listener that throws does not stop the others. */
import { disposable } from './lifecycle.ts';

/** Told of each event, in the order of subscription. */
export type Listener<E> = (event: E) => void;

/** One event type's listeners. Subscribing returns a `Disposable`; emitting is synchronous. */
export class Emitter<E> {
  readonly #listeners = new Set<Listener<E>>();
  readonly #onListenerError: (error: unknown) => void;

  /** @param onListenerError told of a listener's exception; the default rethrows it on a fresh stack. */
  constructor(onListenerError: (error: unknown) => void = rethrowLater) {
    this.#onListenerError = onListenerError;
  }

  /** Listen until the returned Disposable is disposed. */
  subscribe(listener: Listener<E>): Disposable {
    const own: Listener<E> = (event) => listener(event);
    this.#listeners.add(own);
    return disposable(() => this.#listeners.delete(own));
  }

  emit(event: E): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        this.#onListenerError(error);
      }
    }
  }
}

function rethrowLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
