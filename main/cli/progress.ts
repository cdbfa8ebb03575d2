/** One line on standard error that tells a person what takes so long; gone when the work is done, and never where nobody looks. */
import type { Cli } from './cli.ts';

/** What is done sooner needs no word. */
const patienceMs = 500;
const redrawMs = 200;
/** Back to the start of the line, and erase it (ECMA-48, CR and EL). */
const eraseLine = '\r\u001b[2K';

/** How far the work is, such as `12,000 records`. */
export type Tell = (done: string) => void;

/** Do something that may take long. Only where standard error is a terminal is anything written. */
export async function withProgress<T>(
  cli: Pick<Cli, 'terminal' | 'clock' | 'outputIsPayload'>,
  what: string,
  work: (tell: Tell) => Promise<T>,
): Promise<T> {
  const { terminal, clock } = cli;
  // Lines of a payload on the same terminal say themselves that it goes on.
  if (!terminal.errIsTty || (cli.outputIsPayload && terminal.outIsTty)) return work(() => undefined);
  const startedMs = clock.monotonic();
  let done = '';
  let shown = false;
  const timer = clock.every(redrawMs, () => {
    const tookMs = clock.monotonic() - startedMs;
    if (tookMs < patienceMs) return;
    shown = true;
    const figures = [done, `${Math.round(tookMs / 1000)} s`].filter((part) => part !== '').join(', ');
    terminal.err(`${eraseLine}${what} … ${figures}`);
  });
  try {
    return await work((text) => (done = text));
  } finally {
    timer[Symbol.dispose]();
    if (shown) terminal.err(eraseLine);
  }
}

/** `1 record`, `12,000 records`. */
export function records(count: number): string {
  return `${count.toLocaleString('en')} ${count === 1 ? 'record' : 'records'}`;
}
