/**
 * The real OpenZiti as a {@link Network}: `ziti edge quickstart` lays out PKI and configs once, then controller and
 * router run as processes of their own, on loopback only, so that each can be restarted.
 */
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Child, freePorts } from './child.ts';
import { ManagementApi } from './management-api.ts';
import type { Network, NetworkAdmin } from './network.ts';
import { openZitiBinary } from './openziti-binary.ts';
import { RealAdmin } from './real-admin.ts';

const user = 'admin';
const password = 'culvert-test';

/**
 * Start one on an address of this machine; about ten seconds. Allow the hook `realNetworkTimeoutMs`, for the binary may have to be built
 * first. `name` is what clients are told: its quickstart takes an address other than 127.0.0.1 only under a name.
 */
export async function openRealNetwork(address = '127.0.0.1', name = address): Promise<RealNetwork> {
  const binary = await openZitiBinary();
  const home = await mkdtemp(join(tmpdir(), 'culvert-openziti-'));
  try {
    return await layOut(binary, home, address, name);
  } catch (error) {
    await rm(home, { recursive: true, force: true });
    throw error;
  }
}

export const realNetworkTimeoutMs = 600_000;

async function layOut(binary: string, home: string, address: string, name: string): Promise<RealNetwork> {
  const [controllerPort, routerPort] = (await freePorts(2)) as [number, number];
  // The command line keeps its own state below HOME; nothing of ours may land in the user's.
  const env = {
    HOME: home,
    XDG_CONFIG_HOME: join(home, 'config'),
    PFXLOG_NO_JSON: 'true',
    ZITI_CONFIG_DIR: join(home, 'config'),
  };
  const logFile = join(home, 'quickstart.log');
  const args = [
    ...['edge', 'quickstart', '--home', join(home, 'network'), '--username', user, '--password', password],
    ...['--ctrl-address', name, '--ctrl-port', String(controllerPort)],
    ...['--router-address', name, '--router-port', String(routerPort)],
  ];
  {
    await using quickstart = new Child(binary, args, { logFile, env });
    await quickstart.until('the first start', (output) => output.includes('controller and router started'), 120_000);
  }
  const configs = await findConfigs(join(home, 'network'));
  for (const path of [configs.controller, configs.router]) {
    await writeFile(path, (await readFile(path, 'utf8')).replaceAll('0.0.0.0', address));
  }
  const caPem = await readFile(configs.ca, 'utf8');
  const api = new ManagementApi(`https://${name}:${controllerPort}`, caPem, { user, password });
  const network = new RealNetwork({
    binary,
    home,
    env,
    configs,
    api,
    controllerUrl: `https://${name}:${controllerPort}`,
    caPem,
  });
  try {
    await network.startController();
    await network.startRouter();
    await network.learnVersion();
    return network;
  } catch (error) {
    await network[Symbol.asyncDispose]();
    throw error;
  }
}

interface Configs {
  readonly controller: string;
  readonly router: string;
  readonly ca: string;
}

/** 2.x puts the configs one folder deeper (the instance's) than 1.x. */
async function findConfigs(networkHome: string): Promise<Configs> {
  const names = await readdir(networkHome, { recursive: true });
  const find = (pattern: RegExp): string => {
    const name = names.find((candidate) => pattern.test(candidate));
    if (name === undefined) throw new Error(`quickstart wrote no ${pattern} below ${networkHome}: ${names.join(' ')}`);
    return join(networkHome, name);
  };
  return {
    controller: find(/(^|\/)ctrl\.yaml$/),
    router: find(/(^|\/)router-[^/]*\.yaml$/),
    ca: find(/(^|\/)root-ca\/certs\/root-ca\.cert$/),
  };
}

interface Parts {
  readonly binary: string;
  readonly home: string;
  readonly env: Readonly<Record<string, string>>;
  readonly configs: Configs;
  readonly api: ManagementApi;
  readonly controllerUrl: string;
  readonly caPem: string;
}

export class RealNetwork implements Network {
  readonly kind = 'openziti';
  readonly controllerUrl: string;
  readonly caPem: string;
  readonly admin: NetworkAdmin;
  readonly binary: string;
  /** A place for what belongs to this network: identity files, logs. Removed with it. */
  readonly home: string;
  readonly #parts: Parts;
  #version = '';
  #controller: Child | undefined;
  #router: Child | undefined;
  #starts = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.binary = parts.binary;
    this.home = parts.home;
    this.caPem = parts.caPem;
    this.controllerUrl = parts.controllerUrl;
    this.admin = new RealAdmin(parts.api);
  }

  get version(): string {
    return this.#version;
  }

  /** Pids of the running parts, for measurements. */
  get pids(): { readonly controller: number | undefined; readonly router: number | undefined } {
    return { controller: this.#controller?.pid, router: this.#router?.pid };
  }

  async learnVersion(): Promise<void> {
    this.#version = await this.#parts.api.version();
  }

  async startController(): Promise<void> {
    this.#controller = this.#run('controller', this.#parts.configs.controller);
    await this.#controller.until('the controller API', () => this.#parts.api.answers());
    if (this.#router?.running !== true) return;
    await this.#controller.until('the router to be back', async () => (await this.#parts.api.onlineRouters()) > 0);
  }

  async stopController(signal?: NodeJS.Signals): Promise<void> {
    await this.#controller?.stop(signal);
  }

  async startRouter(): Promise<void> {
    this.#router = this.#run('router', this.#parts.configs.router);
    await this.#router.until('the router to be online', async () => (await this.#parts.api.onlineRouters()) > 0);
  }

  async stopRouter(): Promise<void> {
    await this.#router?.stop();
    // A router counts as gone only once the controller has seen its control channel close.
    for (let tries = 0; tries < 100 && this.#controller?.running === true; tries += 1) {
      if ((await this.#parts.api.onlineRouters()) === 0) return;
      await delay(50);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#router?.stop();
    await this.#controller?.stop();
    await this.#parts.api.close();
    await rm(this.#parts.home, { recursive: true, force: true });
  }

  #run(part: 'controller' | 'router', config: string): Child {
    this.#starts += 1;
    const logFile = join(this.home, `${part}-${this.#starts}.log`);
    return new Child(this.binary, [part, 'run', config], { logFile, env: this.#parts.env, essential: true });
  }
}
