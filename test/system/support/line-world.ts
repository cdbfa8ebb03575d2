/** Two hosts at the ends of a line that is as bad as it is told to be: controller, router and a hosting engine far away, an engine near. */
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { DisposalStack } from '../../../main/base/lifecycle.ts';
import { culvertJson, startCulvert, type RunningCulvert } from '../../support/culvert.ts';
import { selfSigned } from '../../support/self-signed.ts';
import { until } from '../../support/until.ts';
import { Namespace, type Ran } from './netns.ts';

const here = dirname(fileURLToPath(import.meta.url));
const controllerPort = 7443;
const portalPort = 7444;
const echoPort = 8089;
const proxyPort = 1088;
const smallFile = 'hello from afar';
const largeBytes = 512 * 1024;

/** What the line does to what goes over it; what is not said it does not do. */
export interface Line {
  /** Seconds, one way. */
  readonly delay?: number;
  /** Share of packets. */
  readonly loss?: number;
  readonly down?: boolean;
  /** Seconds after which a NAT has forgotten a quiet flow. */
  readonly forget?: number;
  /** Whoever connects to the controller and the router finds a captive portal. */
  readonly portal?: boolean;
}

const addresses = {
  4: { near: '10.88.0.1/30', far: '10.88.0.2/30', listen: `10.88.0.2:${controllerPort}` },
  6: { near: 'fd88::1/64', far: 'fd88::2/64', listen: `[fd88::2]:${controllerPort}` },
} as const;

export class LineWorld implements AsyncDisposable {
  readonly near: Namespace;
  readonly far: Namespace;
  readonly #home: string;
  readonly #relay: Relay;
  readonly #owned: DisposalStack;
  readonly #family: 4 | 6;
  #overlay: RunningCulvert | undefined;
  #engine: RunningCulvert | undefined;

  private constructor(parts: {
    readonly near: Namespace;
    readonly far: Namespace;
    readonly home: string;
    readonly relay: Relay;
    readonly owned: DisposalStack;
    readonly family: 4 | 6;
  }) {
    this.near = parts.near;
    this.far = parts.far;
    this.#home = parts.home;
    this.#relay = parts.relay;
    this.#owned = parts.owned;
    this.#family = parts.family;
  }

  /** Both ends up over a good line, a first file fetched. @param family of all addresses between the two. */
  static async open(family: 4 | 6 = 4): Promise<LineWorld> {
    const owned = new DisposalStack();
    const home = mkdtempSync(join(tmpdir(), 'culvert-lines-'));
    owned.use({ [Symbol.dispose]: () => rmSync(home, { recursive: true, force: true }) });
    try {
      const near = owned.use(new Namespace());
      const far = owned.use(new Namespace());
      const relay = await layLine(near, far, family);
      owned.use({ [Symbol.dispose]: () => void relay.child.kill('SIGKILL') });
      const world = new LineWorld({ near, far, home, relay, owned, family });
      await world.#arrange();
      return world;
    } catch (error) {
      await owned[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What the line is from now on: whatever comes after the answer meets it. */
  async set(line: Line): Promise<void> {
    const all = { delay: 0, loss: 0, down: false, forget: 0, ...line };
    const portal = line.portal === true ? [controllerPort, portalPort] : null;
    const holds = once(this.#relay.said, 'line');
    this.#relay.child.stdin?.write(`${JSON.stringify({ ...all, portal })}\n`);
    await holds;
  }

  get engine(): RunningCulvert {
    if (this.#engine === undefined) throw new Error('the near engine does not run');
    return this.#engine;
  }

  async startNear(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const args = ['run', '--mode', 'proxy', '--proxy-listen', `127.0.0.1:${proxyPort}`, ...this.#state('near')];
    this.#engine = await this.#start(this.near, args, env);
  }

  async stopNear(): Promise<void> {
    await this.#engine?.[Symbol.asyncDispose]();
    this.#engine = undefined;
  }

  /** Controller and router are one process here. */
  async restartRouter(signal: NodeJS.Signals): Promise<void> {
    this.#overlay?.kill(signal);
    await this.#overlay?.exited;
    await this.#startOverlay();
  }

  fetchOnce(file: 'small' | 'large', seconds: number): Promise<Ran> {
    const proxy = ['--socks5-hostname', `127.0.0.1:${proxyPort}`];
    const args = ['-s', '--max-time', String(seconds), ...proxy, `http://web.dark/${file}`];
    return this.near.run('curl', args, (seconds + 5) * 1000);
  }

  /** The file arrives whole, tried until it does. */
  async fetches(file: 'small' | 'large', withinMs = 60_000): Promise<void> {
    const length = file === 'small' ? smallFile.length : largeBytes;
    await until(async () => (await this.fetchOnce(file, 45)).stdout.length === length, withinMs);
  }

  /** A datagram goes there and back, sent until it does. */
  async echoes(text: string, seconds = 40): Promise<boolean> {
    const args = [join(here, 'socks-udp.py'), String(proxyPort), 'echo.dark', '9', text, String(seconds)];
    return (await this.near.run('python3', args, (seconds + 10) * 1000)).stdout.trim() === text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned[Symbol.asyncDispose]();
  }

  async #arrange(): Promise<void> {
    const file = (...names: readonly string[]): string => join(this.#home, ...names);
    for (const folder of ['credentials', 'files']) mkdirSync(file(folder));
    writeFileSync(file('credentials', 'culvert-passphrase'), 'a passphrase for a test');
    writeFileSync(file('files', 'small'), smallFile);
    writeFileSync(file('files', 'large'), Buffer.alloc(largeBytes, 'x'));
    const { key, cert } = await selfSigned('portal.example');
    writeFileSync(file('portal.pem'), key + cert);
    const web = ['-m', 'http.server', '8088', '--bind', '127.0.0.1', '--directory', file('files')];
    const ends = [join(here, 'far-ends.py'), String(echoPort), String(portalPort), file('portal.pem')];
    for (const args of [web, ends]) this.far.spawn('python3', args).stderr?.resume();
    writeFileSync(file('seed.json'), JSON.stringify(seed));
    await this.#startOverlay();
    for (const [name, namespace] of [
      ['far', this.far],
      ['near', this.near],
    ] as const) {
      const token = file('overlay', `${name}.jwt`);
      const args = ['enroll', token, '--name', name, '--keystore', 'file', ...this.#state(name)];
      await culvertJson(args, { within: within(namespace), env: this.#env });
    }
    await this.#start(this.far, ['run', '--mode', 'host', ...this.#state('far')]);
    await this.startNear();
    await this.fetches('small');
  }

  async #startOverlay(): Promise<void> {
    const places = ['--dir', join(this.#home, 'overlay'), '--seed', join(this.#home, 'seed.json')];
    this.#overlay = await this.#start(this.far, ['overlay', '--listen', addresses[this.#family].listen, ...places]);
  }

  async #start(
    namespace: Namespace,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<RunningCulvert> {
    return this.#owned.use(await startCulvert(args, { within: within(namespace), env: { ...this.#env, ...env } }));
  }

  get #env(): Record<string, string> {
    return { CREDENTIALS_DIRECTORY: join(this.#home, 'credentials') };
  }

  #state(name: string): string[] {
    return ['--state', join(this.#home, name)];
  }
}

/** The process that carries the packets, and the lines it says. */
interface Relay {
  readonly child: ChildProcess;
  readonly said: Interface;
}

const within = (namespace: Namespace): string[] => ['ip', 'netns', 'exec', namespace.name];

/** Both ends of the relay's line, one in each namespace. */
async function layLine(near: Namespace, far: Namespace, family: 4 | 6): Promise<Relay> {
  const [a, b] = [`ln${process.pid % 100_000}a`, `ln${process.pid % 100_000}b`];
  const child = spawn('python3', [join(here, 'line.py'), a, b], { stdio: ['pipe', 'pipe', 'inherit'] });
  const said = createInterface({ input: child.stdout });
  await once(said, 'line');
  for (const [device, namespace, address] of [
    [a, near, addresses[family].near],
    [b, far, addresses[family].far],
  ] as const) {
    const moved = spawnSync('ip', ['link', 'set', device, 'netns', namespace.name]);
    if (moved.status !== 0) throw new Error(`${device} cannot be moved: ${moved.stderr.toString()}`);
    // No wait for somebody else with the same address.
    namespace.ip('address', 'add', address, 'dev', device, ...(family === 6 ? ['nodad'] : []));
    namespace.ip('link', 'set', device, 'up');
  }
  return { child, said };
}

const service = (name: string, protocol: 'tcp' | 'udp', port: number, target: number): object => ({
  name,
  configs: {
    'intercept.v1': { addresses: [`${name}.dark`], portRanges: [{ low: port, high: port }], protocols: [protocol] },
    'host.v1': { protocol, address: '127.0.0.1', port: target },
  },
  dial: ['near'],
  bind: ['far'],
});

const seed = {
  identities: ['near', 'far'],
  services: [service('web', 'tcp', 80, 8088), service('echo', 'udp', 9, echoPort)],
};
