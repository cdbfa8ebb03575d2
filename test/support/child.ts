/** Child processes of tests: output kept in a file, readiness awaited, ended by their own pid, never by name. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface ChildOptions {
  readonly logFile: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Say so on standard error, with the end of its output, where it ends without having been asked to. */
  readonly essential?: boolean;
}

const living = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

/** One running child. Disposing stops it. */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #logFile: string;
  readonly #command: string;
  #asked = false;
  readonly exited: Promise<number | null>;

  constructor(command: string, args: readonly string[], options: ChildOptions) {
    this.#logFile = options.logFile;
    this.#command = `${command} ${args.join(' ')}`;
    writeFileSync(options.logFile, '', { flag: 'a' });
    const log = createWriteStream(options.logFile, { flags: 'a' });
    this.#process = spawn(command, args, {
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    living.add(this.#process);
    this.#process.stdout?.pipe(log, { end: false });
    this.#process.stderr?.pipe(log, { end: false });
    this.exited = new Promise((resolve) => {
      this.#process.once('error', () => resolve(null));
      this.#process.once('exit', (code) => resolve(code));
    }).then((code) => {
      living.delete(this.#process);
      log.end();
      if (options.essential === true && !this.#asked) {
        process.stderr.write(`${this.#command} ended by itself (${code}):\n${this.output().slice(-4000)}\n`);
      }
      return code as number | null;
    });
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  get running(): boolean {
    return living.has(this.#process);
  }

  output(): string {
    return readFileSync(this.#logFile, 'utf8');
  }

  /** Resolve once `ready` says so, polled; throw with the tail of the output after `timeoutMs` or where the child ended. */
  async until(what: string, ready: (output: string) => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
    const endsAt = Date.now() + timeoutMs;
    for (;;) {
      const output = this.output();
      if (await ready(output)) return;
      if (!this.running || Date.now() > endsAt) {
        const how = this.running ? `not within ${timeoutMs} ms` : 'it ended';
        throw new Error(`${this.#command}: waiting for ${what}: ${how}\n${output.slice(-3000)}`);
      }
      await delay(50);
    }
  }

  /** End it by pid: `signal`, then SIGKILL after five seconds. Idempotent. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!this.running) return;
    this.#asked = true;
    this.#process.kill(signal);
    const killer = setTimeout(() => this.#process.kill('SIGKILL'), 5000);
    await this.exited;
    clearTimeout(killer);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** Ports that were free a moment ago on 127.0.0.1. Held all at once, so they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            resolve(typeof address === 'object' && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** One of them. */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}
