/** What reaches the shell from outside: a link, a file, the arguments of a second start. Anything else is left lying. */
import { readFile, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import type { ShellArrival } from '../api/shell-bridge.ts';

/** Tokens are far smaller; a larger file is not one. */
const maxTokenBytes = 1_048_576;

/**
 * A `culvert:` link: `culvert://enrol?token=JWT`, `culvert://enrol?url=https://…`, `culvert://show/sessions`. A link only fills in a form
 * or shows a screen; nothing is done before a person says so.
 */
export function parseLink(link: string): ShellArrival | undefined {
  if (link.length > maxTokenBytes || !URL.canParse(link)) return undefined;
  const url = new URL(link);
  if (url.protocol !== 'culvert:') return undefined;
  if (url.hostname === 'enrol' || url.hostname === 'enroll') {
    const token = url.searchParams.get('token');
    if (token !== null && /^[\w-]+\.[\w-]+\.[\w-]*$/.test(token)) return { kind: 'token', value: token };
    const address = url.searchParams.get('url');
    if (address !== null && /^https:\/\//.test(address) && URL.canParse(address))
      return { kind: 'url', value: address };
    return undefined;
  }
  const screen = /^\/([a-z]{1,20})$/.exec(url.pathname)?.[1];
  return url.hostname === 'show' && screen !== undefined ? { kind: 'screen', value: screen } : undefined;
}

/** A token's file. Undefined where it is none, too large, or cannot be read. */
export async function readTokenFile(path: string): Promise<ShellArrival | undefined> {
  if (extname(path).toLowerCase() !== '.jwt') return undefined;
  try {
    const { size } = await stat(path);
    if (size > maxTokenBytes) return undefined;
    return { kind: 'token', value: (await readFile(path, 'utf8')).trim() };
  } catch {
    return undefined; // moved or not ours to read: the person sees that nothing arrived and drops it by hand
  }
}

/** The link or file among a start's arguments, if there is one. */
export async function arrivalOf(argv: readonly string[]): Promise<ShellArrival | undefined> {
  for (const argument of argv.slice(1)) {
    if (argument.startsWith('-')) continue;
    const arrival = argument.startsWith('culvert:') ? parseLink(argument) : await readTokenFile(argument);
    if (arrival !== undefined) return arrival;
  }
  return undefined;
}

/** Holds arrivals until a window listens; the newest replaces one still waiting. */
export class ArrivalBox {
  #waiting: ShellArrival | undefined;
  #deliver: ((arrival: ShellArrival) => void) | undefined;

  put(arrival: ShellArrival): void {
    if (this.#deliver === undefined) this.#waiting = arrival;
    else this.#deliver(arrival);
  }

  /** From now on deliver here, what waited first. */
  open(deliver: (arrival: ShellArrival) => void): void {
    this.#deliver = deliver;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) deliver(waiting);
  }

  close(): void {
    this.#deliver = undefined;
  }
}
