/** The two kinds of end that are compared: Culvert's engine and OpenZiti's Go tunneler, each dialling and hosting. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, freePorts } from '../support/child.ts';
import { GoPeer } from '../support/go-peer.ts';

/** `other`: another build of Culvert, named by `BENCH_OTHER=DIRECTORY/culvert.mjs`, to compare a change with what was before. */
export type EndKind = 'culvert' | 'go' | 'other';

/** The kinds to compare in this run. */
export const endKinds: readonly EndKind[] =
  process.env['BENCH_OTHER'] === undefined ? ['culvert', 'go'] : ['culvert', 'other', 'go'];

/** One program that dials a service for whoever connects to `address` and `port`. */
export interface DialEnd extends AsyncDisposable {
  readonly kind: EndKind;
  readonly address: string;
  readonly port: number;
  readonly pid: number;
}

/** One program that hosts. */
export interface HostEnd extends AsyncDisposable {
  readonly kind: EndKind;
  readonly pid: number;
}

/** Flags for the engine's Node, for looking inside: `BENCH_NODE_ARGS=--cpu-prof`. */
const nodeArgs = (process.env['BENCH_NODE_ARGS'] ?? '').split(' ').filter((flag) => flag !== '');
const programs = {
  culvert: join(process.cwd(), 'dist', 'culvert.mjs'),
  other: process.env['BENCH_OTHER'] ?? '',
} as const;

/** A state directory with one enrolled identity, key in the `file` store. */
export class CulvertEnd implements AsyncDisposable {
  readonly directory: string;
  readonly #program: string;
  readonly #children: Child[] = [];

  private constructor(directory: string, program: string) {
    this.directory = directory;
    this.#program = program;
  }

  static async enrol(jwt: string, build: keyof typeof programs = 'culvert'): Promise<CulvertEnd> {
    const end = new CulvertEnd(await mkdtemp(join(tmpdir(), 'culvert-bench-')), programs[build]);
    await writeFile(join(end.directory, 'culvert-passphrase'), 'bench');
    await end.enrolAnother(jwt, 'bench');
    return end;
  }

  /** A further identity in the same state directory. */
  async enrolAnother(jwt: string, name: string): Promise<void> {
    const token = join(this.directory, 'token.jwt');
    await writeFile(token, jwt);
    const child = this.#run('enrol', ['enroll', token, '--name', name, '--keystore', 'file', '--json']);
    if ((await child.exited) !== 0) throw new Error(`enrolment failed: ${child.output()}`);
  }

  async run(args: readonly string[]): Promise<Child> {
    const child = this.#run('run', ['run', '--json', ...args]);
    await child.until('the engine to be ready', (output) => output.includes('"ready":true'));
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#children.map((child) => child.stop()));
    await rm(this.directory, { recursive: true, force: true });
  }

  #run(name: string, args: readonly string[]): Child {
    const logFile = join(this.directory, `${name}.log`);
    writeFileSync(logFile, '');
    const child = new Child(
      process.execPath,
      [...nodeArgs, this.#program, ...args, '--state', join(this.directory, 'state')],
      {
        logFile,
        env: { CREDENTIALS_DIRECTORY: this.directory },
      },
    );
    this.#children.push(child);
    return child;
  }
}

export async function openDialEnd(kind: EndKind, jwt: string, service: string): Promise<DialEnd> {
  if (kind === 'go') {
    const peer = await GoPeer.enrol(jwt);
    const { port, child } = await peer.proxy(service);
    return {
      kind,
      address: '127.0.0.1',
      port,
      pid: child.pid,
      [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
    };
  }
  const end = await CulvertEnd.enrol(jwt, kind);
  const [port] = (await freePorts(1)) as [number];
  const child = await end.run(['--mode', 'proxy', '--forward', `${service}:${port}`]);
  return { kind, address: '127.0.0.1', port, pid: child.pid, [Symbol.asyncDispose]: () => end[Symbol.asyncDispose]() };
}

export async function openHostEnd(kind: EndKind, jwt: string): Promise<HostEnd> {
  if (kind === 'go') {
    const peer = await GoPeer.enrol(jwt);
    const child = peer.host();
    return { kind, pid: child.pid, [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose]() };
  }
  const end = await CulvertEnd.enrol(jwt, kind);
  const child = await end.run(['--mode', 'host']);
  return { kind, pid: child.pid, [Symbol.asyncDispose]: () => end[Symbol.asyncDispose]() };
}
