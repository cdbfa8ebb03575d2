/** For verbs that stay up. */

/** Resolves when the signal fires, or when `other` does. Holds the process open meanwhile. */
export function waitForEnd(signal: AbortSignal, other?: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const hold = setInterval(() => undefined, 3_600_000);
    const end = (): void => {
      clearInterval(hold);
      resolve();
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    void other?.then(end, end);
  });
}
