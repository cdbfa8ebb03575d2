/**
 * Three real controllers in one cluster (`ziti edge quickstart ha`, then `join` twice), each a process of its own. The one router runs with
 * the last member, so that the first, which leads at the start, can be killed without it.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Child, freePorts } from './child.ts';
import { ManagementApi } from './management-api.ts';
import type { NetworkAdmin } from './network.ts';
import { openZitiBinary } from './openziti-binary.ts';
import { RealAdmin } from './real-admin.ts';

const login = { user: 'admin', password: 'culvert-test' };
const caFile = 'network/pki/root-ca/certs/root-ca.cert';

export interface Controller {
  readonly id: string;
  readonly url: string;
  readonly api: ManagementApi;
  readonly child: Child;
}

/** A cluster at work. Disposing ends and removes everything. */
export interface RealCluster extends AsyncDisposable {
  readonly version: string;
  readonly controllers: readonly Controller[];
  /** Through the controller that leads, until it is killed. */
  readonly admin: NetworkAdmin;
  /** The member that leads now, as the others see it; undefined while they are electing. */
  leader(): Promise<Controller | undefined>;
  /** Every member has as many of `what` as the first. */
  allKnow(what: 'terminators'): Promise<boolean>;
}

/** Start one: half a minute. */
export async function openRealCluster(): Promise<RealCluster> {
  const binary = await openZitiBinary();
  const home = await mkdtemp(join(tmpdir(), 'culvert-cluster-'));
  const controllers: Controller[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(controllers.map(({ child }) => child.stop('SIGKILL')));
    await Promise.all(controllers.map(({ api }) => api.close()));
    await rm(home, { recursive: true, force: true });
  };
  try {
    const ports = await freePorts(4);
    const routerPort = ports.pop() ?? 0;
    for (const [index, port] of ports.entries()) {
      const last = index === ports.length - 1;
      controllers.push(await startMember(binary, home, index, port, ports[0] ?? 0, last ? routerPort : undefined));
    }
    const cluster = new Cluster(controllers, close);
    await cluster.settled();
    return cluster;
  } catch (error) {
    await close();
    throw error;
  }
}

async function startMember(
  binary: string,
  home: string,
  index: number,
  port: number,
  firstPort: number,
  routerPort: number | undefined,
): Promise<Controller> {
  const id = `member-${index + 1}`;
  const child = new Child(
    binary,
    [
      ...['edge', 'quickstart', ...(index === 0 ? ['ha'] : ['join', '--cluster-member', `tls:127.0.0.1:${firstPort}`])],
      ...['--home', join(home, 'network'), '--instance-id', id, '--trust-domain', 'culvert-test'],
      ...['--username', login.user, '--password', login.password],
      ...['--ctrl-address', '127.0.0.1', '--ctrl-port', String(port)],
      ...(routerPort === undefined
        ? ['--no-router']
        : ['--router-address', '127.0.0.1', '--router-port', String(routerPort)]),
    ],
    {
      logFile: join(home, `${id}.log`),
      // The command line keeps its own state below HOME; nothing of ours may land in the user's.
      env: {
        HOME: join(home, id),
        XDG_CONFIG_HOME: join(home, id, 'config'),
        PFXLOG_NO_JSON: 'true',
        ZITI_CONFIG_DIR: join(home, id, 'config'),
      },
    },
  );
  try {
    await child.until('the member', (output) => output.includes('controller and router started'), 120_000);
    const url = `https://127.0.0.1:${port}`;
    const api = new ManagementApi(url, await readFile(join(home, caFile), 'utf8'), login);
    return { id, url, api, child };
  } catch (error) {
    await child.stop('SIGKILL');
    throw error;
  }
}

class Cluster implements RealCluster {
  readonly controllers: readonly Controller[];
  readonly admin: NetworkAdmin;
  readonly #close: () => Promise<void>;
  #version = '';

  constructor(controllers: readonly Controller[], close: () => Promise<void>) {
    this.controllers = controllers;
    this.#close = close;
    this.admin = new RealAdmin(this.#at(0).api);
  }

  get version(): string {
    return this.#version;
  }

  /** All members know each other and the router is online. */
  async settled(): Promise<void> {
    const first = this.#at(0);
    this.#version = await first.api.version();
    await first.child.until('the cluster', async () => {
      const members = await membersSeenBy(first);
      return members.filter((member) => member.connected).length === this.controllers.length;
    });
    // The quickstart of a first member without a router makes no policies for routers.
    const all = { semantic: 'AnyOf', edgeRouterRoles: ['#all'] };
    await first.api.create('edge-router-policies', { ...all, name: 'everyone', identityRoles: ['#all'] });
    await first.api.create('service-edge-router-policies', { ...all, name: 'everything', serviceRoles: ['#all'] });
    await first.child.until('the router', async () => (await first.api.onlineRouters()) > 0);
  }

  async leader(): Promise<Controller | undefined> {
    for (const controller of this.controllers) {
      if (!controller.child.running) continue;
      const found = (await membersSeenBy(controller)).find((member) => member.leader);
      const leader = this.controllers.find(({ id, child }) => id === found?.id && child.running);
      if (leader !== undefined) return leader;
    }
    return undefined;
  }

  async allKnow(what: 'terminators'): Promise<boolean> {
    const counts = await Promise.all(this.controllers.map(async ({ api }) => (await api.list(what)).length));
    return counts.every((count) => count === counts[0]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }

  #at(index: number): Controller {
    const controller = this.controllers[index];
    if (controller === undefined) throw new Error(`the cluster has no member ${index}`);
    return controller;
  }
}

interface Seen {
  readonly id: string;
  readonly leader: boolean;
  readonly connected: boolean;
}

/** While electing, members answer that they cannot now. */
async function membersSeenBy(controller: Controller): Promise<readonly Seen[]> {
  for (let tries = 0; ; tries += 1) {
    try {
      return (await controller.api.call('GET', '/fabric/v1/cluster/list-members')) as readonly Seen[];
    } catch (error) {
      if (tries === 50) throw error;
      await delay(100);
    }
  }
}
