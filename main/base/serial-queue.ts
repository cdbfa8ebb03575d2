/** A queue of one: what is handed in runs after everything handed in before. */

/** Each resolves or rejects as its own `act` does; one that fails does not stop those behind it. */
export function oneByOne(): (act: () => Promise<void>) => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return (act) => {
    const turn = last.then(act);
    last = turn.catch(() => undefined);
    return turn;
  };
}
