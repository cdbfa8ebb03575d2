/** What an application in a namespace sees, from the program `probe.py`. */
import { createInterface } from 'node:readline';
import type { Namespace } from './netns.ts';

export interface Seen {
  readonly ok: boolean;
  readonly ms: number;
  readonly error?: string;
  readonly text?: string;
  readonly slowestMs?: number;
  readonly good?: number;
  readonly perSecond?: number;
  readonly ended?: boolean;
}

const folder = new URL('.', import.meta.url).pathname;

/** The servers `servers.py` offers on 127.0.0.1. */
export const serverPorts = { echo: 7001, replyAfterEnd: 7002, reset: 7003, udpEcho: 7004 } as const;

/** Start them in the namespace, and wait until they listen. */
export async function startServers(namespace: Namespace): Promise<void> {
  const child = namespace.spawn('python3', [`${folder}servers.py`]);
  if (child.stdout === null) throw new Error('no output');
  for await (const line of createInterface({ input: child.stdout })) if (line === 'ready') return;
  throw new Error('the servers did not start');
}

/** A resolver that the system had before us, on an address of the namespace; the names it is asked for, as they come. */
export async function startUpstream(namespace: Namespace, address: string): Promise<readonly string[]> {
  const child = namespace.spawn(process.execPath, [`${folder}upstream.mjs`, address]);
  const { stdout } = child;
  if (stdout === null) throw new Error('no output');
  const asked: string[] = [];
  await new Promise<void>((resolve) => {
    createInterface({ input: stdout }).on('line', (line) => {
      if (line === 'ready') resolve();
      else asked.push(line);
    });
  });
  return asked;
}

/** One connection; its last line. */
export async function probe(
  namespace: Namespace,
  what: string,
  host: string,
  port: number,
  argument = '',
): Promise<Seen> {
  const result = await namespace.run('python3', [`${folder}probe.py`, what, host, String(port), argument], 60_000);
  const last = result.stdout.trim().split('\n').at(-1) ?? '';
  if (last === '') throw new Error(`the probe said nothing: ${result.stderr}`);
  return JSON.parse(last) as Seen;
}

/** A connection that stays until it is ended from elsewhere. */
export function hold(
  namespace: Namespace,
  host: string,
  port: number,
  what: 'hold' | 'hold-udp' = 'hold',
): { readonly pid: number | undefined; next(): Promise<Seen> } {
  const child = namespace.spawn('python3', [`${folder}probe.py`, what, host, String(port)]);
  if (child.stdout === null) throw new Error('no output');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    pid: child.pid,
    async next() {
      const line = await lines.next();
      if (line.done === true) throw new Error('the probe has ended');
      return JSON.parse(line.value) as Seen;
    },
  };
}
