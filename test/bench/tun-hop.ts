/**
 * What the TUN hop alone costs: through a TUN whose corridor is a plain TCP connection over a veth, or an echo, with no overlay behind it. Rates
 * are taken in turn with those of the bare veth, so that both see the same machine.
 */
import { createInterface } from 'node:readline';
import { Namespace, TunHost, link, temporaryFolder } from '../system/support/netns.ts';
import { median, spread, table } from './figures.ts';

const target = { host: '10.1.0.2', port: 5201 } as const;
const echoPort = 80;
const floodFlows = 6_000;
const idleFlows = 10_000;
const exchangeCount = 2_000;

/** A way to send through the hop: the interface's MTU and what iperf3 is told. */
export interface HopWay {
  readonly mtu: number;
  readonly options: readonly string[];
}

export const hopWays: readonly HopWay[] = [
  { mtu: 65_535, options: [] },
  { mtu: 65_535, options: ['-R'] },
  { mtu: 65_535, options: ['-P', '4'] },
  { mtu: 1_500, options: [] },
  { mtu: 1_500, options: ['-R'] },
];

export interface HopRates {
  readonly bare: readonly number[];
  readonly through: readonly number[];
  /** Median through, of median bare. */
  readonly ratio: number;
}

export interface FlowFigures {
  readonly failed: number;
  readonly perSecond: number;
  /** New flows for each CPU second of the tunnel: the generator shares its cores. */
  readonly perCpuSecond: number;
}

/** One byte there and back with nothing else under way, milliseconds. */
export interface Exchange {
  readonly p50: number;
  readonly p99: number;
}

interface Iperf {
  readonly error?: string;
  readonly end?: { readonly sum_received?: { readonly bits_per_second: number } };
}

/** A client's and a server's namespace with a veth between them. */
export class Hop implements Disposable {
  readonly #client = new Namespace();
  readonly #server = new Namespace();

  private constructor() {
    link(this.#client, '10.1.0.1/24', this.#server, `${target.host}/24`);
  }

  static async open(): Promise<Hop> {
    const hop = new Hop();
    const { stdout } = hop.#server.spawn('iperf3', ['-s', '--forceflush']);
    for await (const line of createInterface({ input: stdout ?? process.stdin })) if (line.includes('listening')) break;
    return hop;
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
    this.#server[Symbol.dispose]();
  }

  /** Gbit/s over the bare veth and through the TUN, in turn. */
  async rates({ mtu, options }: HopWay, rounds: number, seconds: number): Promise<HopRates> {
    const services = [{ at: 'iperf.dark', to: target }];
    await using host = await TunHost.start(this.#client, {
      journalDir: temporaryFolder(),
      services,
      config: { mtu },
    });
    const [bare, through]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      bare.push(await this.#gigabits(target.host, seconds, options));
      through.push(await this.#gigabits(addressOf(host), seconds, options));
    }
    return { bare, through, ratio: median(through) / median(bare) };
  }

  /** Flows opened, answered and reset as fast as they come. */
  async flows(): Promise<FlowFigures> {
    await using host = await this.#echo();
    const before = await host.status();
    const flood = await this.#client.run(process.execPath, ['-e', floodScript(addressOf(host), floodFlows)], 60_000);
    const { failed, perSecond } = JSON.parse(flood.stdout) as { failed: number; perSecond: number };
    const cpuSeconds = ((await host.status()).cpuMs - before.cpuMs) / 1000;
    return { failed, perSecond, perCpuSecond: floodFlows / cpuSeconds };
  }

  /** Exchanges with an echo server over the bare veth, and with one within the tunnel, in turn. */
  async exchanges(
    rounds: number,
  ): Promise<{ readonly bare: readonly Exchange[]; readonly through: readonly Exchange[] }> {
    await using host = await this.#echo();
    const server = this.#server.spawn(process.execPath, ['-e', echoScript]);
    for await (const line of createInterface({ input: server.stdout ?? process.stdin })) if (line === 'ready') break;
    const [bare, through]: [Exchange[], Exchange[]] = [[], []];
    const exchange = async (address: string): Promise<Exchange> =>
      JSON.parse(
        (await this.#client.run(process.execPath, ['-e', exchangeScript(address)], 60_000)).stdout,
      ) as Exchange;
    for (let round = 0; round < rounds; round++) {
      bare.push(await exchange(target.host));
      through.push(await exchange(addressOf(host)));
    }
    server.kill('SIGKILL');
    return { bare, through };
  }

  /** Resident bytes of the tunnel for each of ten thousand idle flows, and how many of them it counts. */
  async idle(): Promise<{ readonly open: number; readonly bytesEach: number }> {
    await using host = await this.#echo();
    // What grows once, grows before it is measured.
    await this.#client.run(process.execPath, ['-e', floodScript(addressOf(host), 500)], 60_000);
    const before = await host.status();
    const holder = this.#client.spawn(process.execPath, ['-e', idleScript(addressOf(host), idleFlows)]);
    for await (const line of createInterface({ input: holder.stdout ?? process.stdin })) if (line === 'ready') break;
    // The kernel completes a handshake before we have accepted it.
    let after = await host.status();
    for (let tries = 0; tries < 100 && after.open < idleFlows; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      after = await host.status();
    }
    holder.kill('SIGKILL');
    return { open: after.open, bytesEach: (after.rssBytes - before.rssBytes) / idleFlows };
  }

  #echo(): Promise<TunHost> {
    return TunHost.start(this.#client, {
      journalDir: temporaryFolder(),
      services: [{ at: 'echo.dark', echo: true }],
    });
  }

  async #gigabits(address: string, seconds: number, options: readonly string[]): Promise<number> {
    const args = ['-c', address, '-t', String(seconds), '-J', ...options];
    const result = await this.#client.run('iperf3', args, 30_000);
    const report = JSON.parse(result.stdout === '' ? '{}' : result.stdout) as Iperf;
    const received = report.end?.sum_received;
    if (received === undefined) throw new Error(`iperf3 to ${address}: ${report.error ?? result.stderr}`);
    return received.bits_per_second / 1e9;
  }
}

/** Everything of the hop, as a table and lines to print. */
export async function hopReport(rounds: number, seconds: number): Promise<string> {
  using hop = await Hop.open();
  const rows: string[][] = [];
  for (const way of hopWays) {
    const { bare, through, ratio } = await hop.rates(way, rounds, seconds);
    rows.push([`MTU ${way.mtu} ${way.options.join(' ')}`, spread(bare), spread(through), ratio.toFixed(2)]);
  }
  const flows = await hop.flows();
  const exchanges = await hop.exchanges(rounds);
  const idle = await hop.idle();
  const quantiles = (list: readonly Exchange[]): string =>
    `p50 ${spread(
      list.map(({ p50 }) => p50),
      3,
    )}, p99 ${spread(
      list.map(({ p99 }) => p99),
      3,
    )}`;
  return [
    `\n${table(['the TUN hop alone', 'veth, Gbit/s', 'through TUN', 'ratio'], rows)}`,
    `new flows: ${flows.perSecond.toFixed(0)} a second, ${flows.perCpuSecond.toFixed(0)} for a CPU second of ours, ${flows.failed} failed`,
    `one byte there and back, ms: veth ${quantiles(exchanges.bare)}; through TUN ${quantiles(exchanges.through)}`,
    `${idle.open} idle flows: ${(idle.bytesEach / 1024).toFixed(1)} KiB each`,
  ].join('\n');
}

function addressOf(host: TunHost): string {
  return host.ready.dns.names[0]?.addresses[0] ?? '';
}

function floodScript(address: string, flows: number): string {
  return `
    const net = require('node:net');
    let started = 0, done = 0, failed = 0;
    const start = performance.now();
    const finish = () => {
      if (done + failed < ${flows}) return next();
      console.log(JSON.stringify({ failed, perSecond: (done / (performance.now() - start)) * 1000 }));
      process.exit();
    };
    const next = () => {
      if (started === ${flows}) return;
      started++;
      const socket = net.connect(80, '${address}');
      socket.on('connect', () => socket.write('x'));
      socket.on('data', () => { socket.resetAndDestroy(); done++; finish(); });
      socket.on('error', () => { failed++; finish(); });
    };
    for (let i = 0; i < 32; i++) next();`;
}

/** Source addresses change with the target port's turn, so that ephemeral ports do not run out. */
function idleScript(address: string, flows: number): string {
  return `
    const net = require('node:net');
    let open = 0, started = 0;
    const next = () => {
      if (started === ${flows}) return;
      const socket = net.connect(80 + (started++ % 4), '${address}');
      socket.on('connect', () => { if (++open === ${flows}) console.log('ready'); next(); });
      socket.on('error', (error) => { console.error(error.code); });
    };
    for (let i = 0; i < 64; i++) next();
    setInterval(() => {}, 1000);`;
}

const echoScript = `
  require('node:net').createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => socket.write(chunk));
  }).listen(${echoPort}, () => console.log('ready'));`;

/** One byte there and back, again and again on one flow; quantiles in milliseconds. */
function exchangeScript(address: string): string {
  return `
    const socket = require('node:net').connect({ port: ${echoPort}, host: '${address}', noDelay: true });
    const took = [];
    let sent = 0;
    const next = () => { sent = performance.now(); socket.write('x'); };
    socket.on('connect', next);
    socket.on('data', () => {
      took.push(performance.now() - sent);
      if (took.length < ${exchangeCount}) return next();
      took.sort((a, b) => a - b);
      console.log(JSON.stringify({ p50: took[${exchangeCount / 2}], p99: took[${exchangeCount * 0.99}] }));
      socket.destroy();
    });`;
}
