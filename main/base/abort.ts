/** Several abort signals as one. */

/** A signal that follows others until it is disposed. */
export interface LinkedSignal extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * One signal, aborted with the first of `signals`, for its reason. The owner disposes it when the work is done; it then follows nobody.
 *
 * `AbortSignal.any()` will not do for work done many times under a signal that lives long: Node 20 leaves a WeakRef with that signal each time
 * and never takes it back (nodejs/node#54614), three a dial.
 */
export function linkSignals(...signals: readonly (AbortSignal | undefined)[]): LinkedSignal {
  const linked = new AbortController();
  const links: (() => void)[] = [];
  const unlink = (): void => {
    for (const remove of links.splice(0)) remove();
  };
  for (const signal of signals) {
    if (signal === undefined) continue;
    if (signal.aborted) {
      unlink();
      linked.abort(signal.reason);
      break;
    }
    const follow = (): void => {
      unlink();
      linked.abort(signal.reason);
    };
    signal.addEventListener('abort', follow, { once: true });
    links.push(() => signal.removeEventListener('abort', follow));
  }
  return { signal: linked.signal, [Symbol.dispose]: unlink };
}

/** What `work` comes to, or a rejection with the signal's reason as soon as it aborts; then nobody hears of the work's own end. */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Resolves once the signal has fired, at once where it has already. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
