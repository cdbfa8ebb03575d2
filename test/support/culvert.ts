/** The program `culvert` as scripts use it: bundled from the sources as they are, run as a child, its JSON read. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Pids alone do not tell processes apart: those in a namespace begin at one. */
const outdir = join(root, '.cache', `culvert-${process.pid}-${randomUUID()}`);
const living = new Set<ChildProcess>();
let bundling: Promise<string> | undefined;

process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
  rmSync(outdir, { recursive: true, force: true });
});

/** Path of the bundled program, made once a test process. */
export function culvertProgram(): Promise<string> {
  bundling ??= bundle();
  return bundling;
}

async function bundle(): Promise<string> {
  await build({
    absWorkingDir: root,
    entryPoints: { culvert: 'main/culvert.ts' },
    outdir,
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    splitting: true,
    packages: 'external',
    chunkNames: 'chunks/[name]-[hash]',
    outExtension: { '.js': '.mjs' },
    logLevel: 'error',
    banner: {
      js: "import { createRequire as culvertCreateRequire } from 'node:module'; const require = culvertCreateRequire(import.meta.url);",
    },
  });
  const window = join(root, 'dist', 'app');
  if (existsSync(window)) symlinkSync(window, join(outdir, 'app'));
  return join(outdir, 'culvert.mjs');
}

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly cwd?: string;
  /** A command that runs the rest of its arguments elsewhere, in its own place. */
  readonly within?: readonly string[];
}

/** Run one verb to its end. */
export async function culvert(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = await start(args, options);
  child.stdin?.end(options.input ?? '');
  const out = collect(child.stdout);
  const err = collect(child.stderr);
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  return { code, out: out(), err: err() };
}

/** Run one verb with --json that must succeed; its document. */
export async function culvertJson<T>(args: readonly string[], options: RunOptions = {}): Promise<T> {
  const ran = await culvert([...args, '--json'], options);
  if (ran.code !== 0) throw new Error(`culvert ${args.join(' ')}: exit ${ran.code}\n${ran.err}`);
  return JSON.parse(ran.out) as T;
}

/** A verb that stays up. Disposing stops it with SIGTERM, then SIGKILL. */
export interface RunningCulvert extends AsyncDisposable {
  readonly pid: number;
  readonly process: ChildProcess;
  /** Its first line on standard output, parsed. */
  readonly ready: Readonly<Record<string, unknown>>;
  lines(): readonly unknown[];
  errors(): string;
  readonly exited: Promise<number | null>;
  kill(signal: NodeJS.Signals): void;
}

/** Start a verb with --json and wait for its first line. */
export async function startCulvert(args: readonly string[], options: RunOptions = {}): Promise<RunningCulvert> {
  const at = args.includes('--') ? args.indexOf('--') : args.length;
  const child = await start([...args.slice(0, at), '--json', ...args.slice(at)], options);
  child.stdin?.end();
  const out = collect(child.stdout);
  const err = collect(child.stderr);
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  const endsAt = Date.now() + (options.timeoutMs ?? 60_000);
  while (!out().includes('\n')) {
    if (!living.has(child) || Date.now() > endsAt) {
      child.kill('SIGKILL');
      throw new Error(`culvert ${args.join(' ')} did not become ready\n${err().slice(-3000)}`);
    }
    await delay(20);
  }
  const lines = (): readonly unknown[] =>
    out()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as unknown);
  return {
    pid: child.pid ?? -1,
    process: child,
    ready: lines()[0] as Readonly<Record<string, unknown>>,
    lines,
    errors: err,
    exited,
    kill: (signal) => void child.kill(signal),
    async [Symbol.asyncDispose]() {
      if (!living.has(child)) return;
      child.kill('SIGTERM');
      const killer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await exited;
      clearTimeout(killer);
    },
  };
}

async function start(args: readonly string[], options: RunOptions): Promise<ChildProcess> {
  const [command = '', ...rest] = [...(options.within ?? []), process.execPath, await culvertProgram(), ...args];
  const child = spawn(command, rest, {
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  living.add(child);
  child.once('close', () => living.delete(child));
  return child;
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = [];
  stream?.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString('utf8');
}
