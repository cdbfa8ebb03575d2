/** An embedded network with a box that hosts and a laptop that dials, all as `culvert` runs them; MCP clients reach it by its verbs. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceView } from '../../main/api/views.ts';
import { culvertJson, culvertProgram, startCulvert, type RunningCulvert } from './culvert.ts';
import { until } from './until.ts';

export interface McpWorldService {
  /** Loopback port of what the box hosts; absent: no host config. */
  readonly target?: number;
  /** Default `{ mcp: {} }`; null: none. */
  readonly contract?: object | null;
  /** Default true. */
  readonly bound?: boolean;
  /** May the laptop dial it? Default true. */
  readonly dialled?: boolean;
}

export class McpWorld implements AsyncDisposable {
  readonly home: string;
  readonly #running: AsyncDisposable[] = [];
  #proxy = '';

  private constructor(home: string) {
    this.home = home;
  }

  static async open(
    services: Readonly<Record<string, McpWorldService>>,
    options: {
      readonly laptopConfig?: string;
      readonly boxConfig?: (home: string) => string;
      /** How the laptop takes flows in; `tun` only inside a namespace made for it. */
      readonly mode?: 'proxy' | 'tun';
    } = {},
  ): Promise<McpWorld> {
    const world = new McpWorld(await mkdtemp(join(tmpdir(), 'culvert-mcp-')));
    try {
      const settings = { laptop: options.laptopConfig, box: options.boxConfig?.(world.home) };
      await world.#arrange(services, settings, options.mode ?? 'proxy');
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  get env(): Record<string, string> {
    return { CREDENTIALS_DIRECTORY: join(this.home, 'credentials') };
  }

  /** `host:port` of the laptop's proxy. */
  get proxy(): string {
    return this.#proxy;
  }

  get laptop(): string {
    return join(this.home, 'laptop');
  }

  get box(): string {
    return join(this.home, 'box');
  }

  json<T>(args: readonly string[], state = this.laptop): Promise<T> {
    return culvertJson<T>([...args, '--state', state], { env: this.env });
  }

  async start(args: readonly string[]): Promise<RunningCulvert> {
    const started = await startCulvert(args, { env: this.env });
    this.#running.push(started);
    return started;
  }

  /** Resolves once the box has terminators for the services. */
  async hosted(...services: readonly string[]): Promise<void> {
    await until(async () => {
      const rows = await this.json<ServiceView[]>(['services'], this.box);
      const hosts = (service: string): boolean =>
        (rows.find(({ name }) => name === service)?.hosted?.terminators ?? 0) > 0;
      return services.every(hosts);
    }, 120_000);
  }

  /** What a client runs to reach it: command and arguments. */
  async command(...verb: readonly string[]): Promise<{ command: string; args: string[] }> {
    return { command: process.execPath, args: [await culvertProgram(), 'mcp', ...verb, '--state', this.laptop] };
  }

  /** A 1.x client over standard streams. */
  async client(verb: readonly string[], made?: Client): Promise<Client> {
    const client = made ?? new Client({ name: 'culvert-test', version: '1' });
    await client.connect(new StdioClientTransport(await this.command(...verb)));
    this.#running.push({ [Symbol.asyncDispose]: () => client.close() });
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#running.splice(0).reverse()) await one[Symbol.asyncDispose]();
    await rm(this.home, { recursive: true, force: true });
  }

  async #arrange(
    services: Readonly<Record<string, McpWorldService>>,
    settings: Readonly<Record<'laptop' | 'box', string | undefined>>,
    laptopMode: 'proxy' | 'tun',
  ): Promise<void> {
    const at = (...names: string[]): string => join(this.home, ...names);
    await mkdir(at('credentials'));
    await writeFile(at('credentials/culvert-passphrase'), 'pass');
    const seed = {
      identities: ['laptop', 'box'],
      services: Object.entries(services).map(
        ([name, { target, contract = { mcp: {} }, bound = true, dialled = true }]) => ({
          name,
          configs: {
            'intercept.v1': { protocols: ['tcp'], addresses: [`${name}.dark`], portRanges: [{ low: 80, high: 80 }] },
            ...(target === undefined ? {} : { 'host.v1': { protocol: 'tcp', address: '127.0.0.1', port: target } }),
            ...(contract === null ? {} : { 'culvert.contract.v1': contract }),
          },
          dial: dialled ? ['laptop'] : [],
          ...(bound ? { bind: ['box'] } : {}),
        }),
      ),
    };
    await writeFile(at('seed.json'), JSON.stringify(seed));
    await this.start(['overlay', '--dir', at('overlay'), '--seed', at('seed.json')]);
    for (const [name, mode] of [
      ['box', 'host'],
      ['laptop', laptopMode],
    ] as const) {
      const enroll = ['enroll', at('overlay', `${name}.jwt`), '--keystore', 'file', '--state', at(name)];
      await culvertJson(enroll, { env: this.env });
      if (settings[name] !== undefined) await writeFile(at(name, 'culvert.yaml'), settings[name]);
      const entry = mode === 'proxy' ? ['--proxy-listen', '127.0.0.1:0'] : [];
      const { ready } = await this.start(['run', '--mode', mode, ...entry, '--state', at(name)]);
      if (mode === 'proxy') this.#proxy = String(ready['proxy']);
    }
    const behind = Object.entries(services).filter(([, { target, bound = true }]) => target !== undefined && bound);
    if (behind.length > 0) await this.hosted(...behind.map(([name]) => name));
  }
}
