/** OpenZiti's own Go client as the other end: enrols, hosts, proxies. */
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, freePorts } from './child.ts';
import { openZitiBinary } from './openziti-binary.ts';

/** One enrolled Go identity, with what runs on its behalf. Disposing ends it and removes its files. */
export class GoPeer implements AsyncDisposable {
  readonly #binary: string;
  readonly #directory: string;
  readonly #children: Child[] = [];

  constructor(binary: string, directory: string) {
    this.#binary = binary;
    this.#directory = directory;
  }

  /** Enrol by one-time token, as an operator does. */
  static async enrol(jwt: string): Promise<GoPeer> {
    const peer = new GoPeer(await openZitiBinary(), await mkdtemp(join(tmpdir(), 'culvert-go-peer-')));
    await writeFile(join(peer.#directory, 'token.jwt'), jwt);
    const args = ['edge', 'enroll', join(peer.#directory, 'token.jwt'), '-o', peer.#identity, '--keyAlg', 'EC'];
    const child = peer.#run('enrol', args);
    const code = await child.exited;
    if (code !== 0) throw new Error(`the Go client did not enrol (${code}): ${child.output()}`);
    return peer;
  }

  /** Of an identity file that came to be elsewhere. */
  static async of(identityFile: string): Promise<GoPeer> {
    const peer = new GoPeer(await openZitiBinary(), await mkdtemp(join(tmpdir(), 'culvert-go-peer-')));
    await copyFile(identityFile, peer.#identity);
    return peer;
  }

  /** `ziti tunnel host`: every service its identity may bind. */
  host(): Child {
    return this.#run('host', ['tunnel', 'host', '-i', this.#identity, '--svcPollRate', '1']);
  }

  /** `ziti tunnel proxy`: a loopback port for `service`. */
  async proxy(service: string): Promise<{ readonly port: number; readonly child: Child }> {
    const [port] = (await freePorts(1)) as [number];
    const child = this.#run(`proxy-${service}`, ['tunnel', 'proxy', '-i', this.#identity, `${service}:${port}`]);
    await child.until('the proxy to listen', () => listens(port), 30_000);
    return { port, child };
  }

  /** `ziti tunnel tproxy`: intercepts what its services name in this network namespace, by iptables. Needs root. */
  async tproxy(address: string, port: number): Promise<Child> {
    const args = ['tunnel', 'tproxy', '-i', this.#identity, '--resolver', 'none', '--svcPollRate', '1'];
    const child = this.#run('tproxy', args);
    await child.until('the service to be intercepted', () => listens(port, address), 30_000);
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#children.map((child) => child.stop()));
    await rm(this.#directory, { recursive: true, force: true });
  }

  get #identity(): string {
    return join(this.#directory, 'identity.json');
  }

  #run(name: string, args: readonly string[]): Child {
    const logFile = join(this.#directory, `${name}.log`);
    const child = new Child(this.#binary, args, { logFile, env: { HOME: this.#directory } });
    this.#children.push(child);
    return child;
  }
}

function listens(port: number, address = '127.0.0.1'): Promise<boolean> {
  const socket = connect(port, address);
  return new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
  }).finally(() => socket.destroy());
}
