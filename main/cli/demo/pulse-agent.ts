/** Agents of `macro-pulse`: each a program of its own under `culvert agent run`, told what to do on its standard input. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { TunnelerError } from '../../base/errors.ts';
import { pulseProgram } from './pulse-program.ts';
import { pulsePythonProgram } from './pulse-python.ts';
import { failed } from './stage.ts';

/** What an agent is to be. */
export interface PulseAgentPlan {
  /** As the settings of its engine have it. */
  readonly name: string;
  /** The state directory of that engine. */
  readonly state: string;
  /** `host:port` of its proxy. */
  readonly proxy: string;
  /** Where its program is put: known by this path where it cannot be started apart. */
  readonly path: string;
  /** Runs it by the Python SDK; undefined: JavaScript. */
  readonly python: string | undefined;
  readonly spec: PulseSpec;
}

/** What its program is given. */
export interface PulseSpec {
  readonly card: unknown;
  readonly series: string;
  /** Points of a series that is watched, and how far apart. */
  readonly points: number;
  readonly everyMs: number;
  /** Listens on this socket of the file system; undefined: on a loopback port. */
  readonly socket: string | undefined;
  /** Where the JavaScript SDK is; undefined: it is not installed. */
  readonly sdk: Readonly<Record<string, string>> | undefined;
}

/** `apart`: by `culvert agent run`, without another network. `bound`: as any program, known by its path. */
export type PulseWay = 'apart' | 'bound';

/** What an agent says of one thing that it was told to do. */
export type PulseAnswer = Readonly<Record<string, unknown>> & { readonly failed?: string };

const startMs = 45_000;
const endMs = 5_000;
/** With these nothing can be started apart here; anything else is a fault. */
const notApart = /^culvert: (sandbox\.unavailable|agent\.not_apart): (.*)$/m;

interface Waiting {
  readonly done: (answer: PulseAnswer) => void;
  readonly began: ((text: string) => void) | undefined;
}

/** An agent that runs. Disposing it ends it. */
export class PulseAgent implements AsyncDisposable {
  readonly name: string;
  /** Where it listens: a loopback port, or a socket of the file system. */
  readonly at: number | string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<void>;
  readonly #waiting: Map<number, Waiting>;
  #made = 0;

  private constructor(
    name: string,
    at: number | string,
    child: ChildProcessWithoutNullStreams,
    ended: Promise<void>,
    waiting: Map<number, Waiting>,
  ) {
    this.name = name;
    this.at = at;
    this.#child = child;
    this.#ended = ended;
    this.#waiting = waiting;
  }

  /** Resolves once it listens. Throws `sandbox.unavailable` where nothing can be started apart here, else `base.internal` with what it said. */
  static async start(plan: PulseAgentPlan, way: PulseWay, signal: AbortSignal): Promise<PulseAgent> {
    const { name, path } = plan;
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, plan.python === undefined ? pulseProgram : pulsePythonProgram);
    const own = [plan.python ?? process.execPath, path, JSON.stringify(plan.spec)];
    const run = [
      process.execPath,
      process.argv[1] ?? '',
      'agent',
      'run',
      name,
      '--net',
      'only',
      '--state',
      plan.state,
      '--',
      ...own,
    ];
    const [command = '', ...args] = way === 'apart' ? run : own;
    const env = { ...process.env, ...(way === 'apart' ? {} : { HTTP_PROXY: `http://${plan.proxy}` }) };
    // A signal of its own: many listen to the one that is given.
    const child = spawn(command, args, { stdio: 'pipe', env, signal: AbortSignal.any([signal]) });
    // It may end before it is told anything.
    child.stdin.on('error', () => undefined);
    let err = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err = `${err}${text}`.slice(-4_000)));
    const waiting = new Map<number, Waiting>();
    let why = '';
    const ended = new Promise<void>((resolve) => {
      child.once('error', (error) => (why = error.message));
      child.once('close', () => {
        for (const { done } of waiting.values()) done({ failed: `${name} has ended` });
        waiting.clear();
        resolve();
      });
    });
    const at = await new Promise<number | string>((resolve, reject) => {
      const timer = setTimeout(() => reject(failed(`${name} did not start in time`)), startMs);
      const stop = (settle: () => void): void => {
        clearTimeout(timer);
        settle();
      };
      void ended.then(() => stop(() => reject(whyNot(name, why === '' ? err : why))));
      createInterface({ input: child.stdout }).on('line', (line) => {
        // What a library prints is not for us.
        if (!line.startsWith('{')) return;
        const told = JSON.parse(line) as PulseAnswer & { at?: number | string; id?: number; began?: string };
        const listens = told.at;
        if (listens !== undefined) return stop(() => resolve(listens));
        const one = waiting.get(told.id ?? 0);
        if (told.began !== undefined) return one?.began?.(told.began);
        waiting.delete(told.id ?? 0);
        one?.done(told);
      });
    }).catch((error: unknown) => {
      child.kill('SIGKILL');
      throw error;
    });
    return new PulseAgent(name, at, child, ended, waiting);
  }

  /** Tell it to do something; what came of it. `began`: told of the first point of what it watches. Never rejects. */
  tell(what: string, how: Readonly<Record<string, unknown>>, began?: (text: string) => void): Promise<PulseAnswer> {
    const id = (this.#made += 1);
    return new Promise((done) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null)
        return done({ failed: `${this.name} has ended` });
      this.#waiting.set(id, { done, began });
      this.#child.stdin.write(`${JSON.stringify({ id, do: what, ...how })}\n`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    const late = setTimeout(() => this.#child.kill('SIGKILL'), endMs);
    await this.#ended;
    clearTimeout(late);
  }
}

function whyNot(name: string, said: string): TunnelerError {
  const [, , why] = notApart.exec(said) ?? [];
  return why === undefined
    ? failed(`${name} ended: ${said.trim().slice(-300)}`)
    : new TunnelerError('sandbox.unavailable', why);
}

/** Where the official SDK for JavaScript is installed beside the program; undefined: nowhere, as in a package. */
export function findSdk(): PulseSpec['sdk'] {
  const parts = { core: '@a2a-js/sdk', server: '@a2a-js/sdk/server', client: '@a2a-js/sdk/client' };
  try {
    return Object.fromEntries(Object.entries(parts).map(([part, name]) => [part, import.meta.resolve(name)]));
  } catch {
    // Only those who develop have it.
    return undefined;
  }
}
