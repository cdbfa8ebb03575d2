/**
 * The tools people reach for, through an engine in `tun` mode: interactive echo, iperf3, dig, IPv6, refusals, two engines beside another VPN.
 * Runs inside a namespace, with a systemd-resolved of its own where there is one: `resolved` as second argument.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import type { DnsView, StatusView } from '../../../main/api/views.ts';
import { culvertJson } from '../../support/culvert.ts';
import { until } from '../../support/until.ts';
import {
  check,
  expectThat,
  noWarnings,
  opened,
  run,
  scenarioMain,
  seesServices,
  target,
  withWorld,
  type Backends,
  type World,
  type WorldService,
} from './tun-world.ts';

const splits = process.argv[3] === 'resolved';
const upstreamAddress = '10.7.0.9';
const iperfPort = 5201;

const services = (backends: Backends): Readonly<Record<string, WorldService>> => ({
  web: {
    addresses: ['web.dark', 'fd00:77::/64'],
    ports: [80, 80],
    // By a name, which may have addresses of both families.
    host: { ...target('tcp', backends.http), address: 'localhost' },
  },
  shell: { addresses: ['shell.dark', 'not-asked-yet.dark'], ports: [22, 22], host: target('tcp', backends.echo) },
  iperf: {
    addresses: ['iperf.dark'],
    protocols: ['tcp', 'udp'],
    ports: [iperfPort, iperfPort],
    host: { forwardProtocol: true, allowedProtocols: ['tcp', 'udp'], address: '127.0.0.1', port: iperfPort },
  },
  closed: { addresses: ['closed.dark'], ports: [7, 7], host: target('tcp', 9) },
  empty: { addresses: ['empty.dark'], ports: [7, 7] },
  other: { addresses: ['other.dark'], ports: [80, 80], host: target('tcp', backends.http), dialer: 'second' },
});

/** The resolver the system had before, and the names it was asked for. */
async function startUpstream(): Promise<readonly string[]> {
  const script = new URL('../../test/system/support/upstream.mjs', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, upstreamAddress], { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => child.kill());
  const asked: string[] = [];
  await new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === 'ready') resolve();
      else asked.push(line);
    });
  });
  return asked;
}

/** A virtual private network that has the first part of the shared address space already. */
async function otherVpn(): Promise<void> {
  await run('ip', ['link', 'add', 'vpn0', 'type', 'veth', 'peer', 'name', 'vpn1']);
  await run('ip', ['address', 'add', '100.64.0.9/16', 'dev', 'vpn0']);
  for (const name of ['vpn0', 'vpn1']) await run('ip', ['link', 'set', name, 'up']);
}

/** Less what the kernel adds by itself when a link has been up for a while. */
async function routes(): Promise<string> {
  const { out } = await run('ip', ['route', 'show', 'table', 'all']);
  return out
    .split('\n')
    .filter((line) => !/fe80:|multicast|anycast/.test(line))
    .join('\n');
}

async function scenario(world: World): Promise<void> {
  const { at } = world;
  const asked = await startUpstream();
  await otherVpn();
  const before = await routes();
  const engine = await world.start('device', 'tun');
  await seesServices(world, 'device', 5);
  await until(async () => (await run('getent', ['ahostsv4', 'web.dark'])).out.includes('100.96.'), 10_000);

  await check('a range free of another VPN', async () => {
    const { tun } = await culvertJson<StatusView>(['status', '--state', at('device')]);
    expectThat(tun?.range === '100.96.0.0/16', `the range is ${tun?.range}`);
    expectThat((await run('ip', ['route', 'get', '100.64.3.3'])).out.includes('dev vpn0'), 'the VPN lost its route');
  });
  await check('keystrokes come back one by one', keystrokes);
  await check('iperf3 TCP, both ways', iperfTcp);
  await check('iperf3 UDP', iperfUdp);
  await check('IPv6 by name and by prefix', async () => {
    for (const url of ['http://web.dark/', 'http://[fd00:77::1234]/']) {
      const { code, out } = await run('curl', ['-6', '-sS', '-m', '10', url]);
      expectThat(code === 0 && out.includes('hello from the dark'), `${url}: ${out}`);
    }
  });
  await check('dig: A, AAAA, and empty where a type does not exist', () => digs(at('device')));
  await check('refused within 50 ms of the answer', () => refusals(at('device')));
  await check('a name that is not ours', () => foreignName(asked, at('device')));

  const second = await world.start('second', 'tun');
  await seesServices(world, 'second', 1);
  await check('a second engine beside the first', async () => {
    await until(async () => (await run('getent', ['ahostsv4', 'other.dark'])).code === 0, 10_000);
    for (const name of ['web.dark', 'other.dark']) {
      const { out } = await run('curl', ['-sS', '-m', '10', `http://${name}/`]);
      expectThat(out.includes('hello from the dark'), `${name}: ${out}`);
    }
    const ranges = await Promise.all(
      ['device', 'second'].map(
        async (name) => (await culvertJson<StatusView>(['status', '--state', at(name)])).tun?.range,
      ),
    );
    expectThat(ranges[0] !== ranges[1], `both have ${ranges[0]}`);
    await second[Symbol.asyncDispose]();
    const { out } = await run('curl', ['-sS', '-m', '10', 'http://web.dark/']);
    expectThat(out.includes('hello from the dark'), `after the second went: ${out}`);
    return { ranges };
  });
  await check('afterwards the routes are as before', async () => {
    await engine[Symbol.asyncDispose]();
    const after = await routes();
    expectThat(after === before, `${before}\n${after}`);
  });
  await noWarnings(engine.errors() + second.errors());
}

/** As in a remote shell: each key waits for its echo. */
async function keystrokes(): Promise<unknown> {
  const socket = await opened('shell.dark', 22);
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    const key = String.fromCharCode(97 + (i % 26));
    const start = performance.now();
    const answer = new Promise<string>((resolve) => socket.once('data', (data: Buffer) => resolve(data.toString())));
    socket.write(key);
    const got = await answer;
    expectThat(got === key, `${key} came back as ${got}`);
    times.push(performance.now() - start);
  }
  socket.destroy();
  times.sort((a, b) => a - b);
  const at = (part: number): number => Math.round((times[Math.floor(times.length * part)] ?? 0) * 100) / 100;
  return { medianMs: at(0.5), p99Ms: at(0.99) };
}

interface IperfResult {
  readonly error?: string;
  readonly end?: {
    readonly sum?: { readonly lost_percent: number; readonly bits_per_second: number };
    readonly sum_received?: { readonly bits_per_second: number };
  };
}

async function iperf(...args: readonly string[]): Promise<NonNullable<IperfResult['end']>> {
  const server = spawn('iperf3', ['-s', '-1', '-B', '127.0.0.1', '-p', String(iperfPort)], { stdio: 'pipe' });
  const over = new Promise((resolve) => server.once('exit', resolve));
  await until(async () => (await run('ss', ['-Hltn', 'sport', '=', String(iperfPort)])).out !== '');
  const { out } = await run('iperf3', ['-c', 'iperf.dark', '-p', String(iperfPort), '-J', '-t', '1', ...args], 20_000);
  server.kill();
  await over;
  const result = JSON.parse(out) as IperfResult;
  if (result.error !== undefined || result.end === undefined) throw new Error(result.error ?? out);
  return result.end;
}

async function iperfTcp(): Promise<unknown> {
  const rates: Record<string, number> = {};
  for (const [way, ...args] of [['up'], ['down', '-R'], ['four', '-P', '4']] as const) {
    const end = await iperf(...args);
    rates[way] = Math.round((end.sum_received?.bits_per_second ?? 0) / 1e6);
    expectThat((rates[way] ?? 0) > 20, `${way}: ${rates[way]} Mbit/s`);
  }
  return { megabitsPerSecond: rates };
}

async function iperfUdp(): Promise<unknown> {
  const { sum } = await iperf('-u', '-b', '5M', '-l', '1200');
  expectThat(sum !== undefined && sum.lost_percent < 5, JSON.stringify(sum));
  return { lostPercent: sum?.lost_percent };
}

async function digs(state: string): Promise<void> {
  const { server = '' } = await culvertJson<DnsView>(['dns', 'status', '--state', state]);
  const dig = async (...args: readonly string[]): Promise<string> => (await run('dig', [`@${server}`, ...args])).out;
  expectThat(/^100\.96\.\d+\.\d+\n$/.test(await dig('+short', 'web.dark', 'A')), 'no A');
  expectThat((await dig('+short', 'web.dark', 'AAAA')).startsWith('fd'), 'no AAAA');
  expectThat((await dig('+short', 'shell.dark', 'A')).startsWith('100.96.'), 'no A of an IPv4 machine');
  const none = await dig('shell.dark', 'AAAA');
  expectThat(none.includes('status: NOERROR') && none.includes('ANSWER: 0'), `an IPv4 machine has an AAAA: ${none}`);
  expectThat((await dig('+short', '+tcp', 'web.dark', 'A')).startsWith('100.96.'), 'no A over TCP');
  const mx = await dig('web.dark', 'MX');
  expectThat(mx.includes('status: NOERROR') && mx.includes('ANSWER: 0'), mx);
}

async function refusals(state: string): Promise<unknown> {
  const took: number[] = [];
  for (const name of ['empty.dark', 'closed.dark', 'empty.dark']) {
    const error = await opened(name, 7).then(
      () => 'connected',
      (failure: NodeJS.ErrnoException) => failure.code,
    );
    const seenMs = Date.now();
    expectThat(error === 'ECONNREFUSED', `${name}: ${error}`);
    const rows = await culvertJson<AuditRecordView[]>(['audit', 'search', '--kind', 'dial.failed', '--state', state]);
    const answeredMs = Math.max(...rows.map((row) => Date.parse(String(row['at']))));
    took.push(seenMs - answeredMs);
  }
  expectThat(Math.max(...took) < 50, `it took ${took.join(', ')} ms`);
  return { msAfterAnswer: took };
}

async function foreignName(asked: readonly string[], state: string): Promise<unknown> {
  const captured: string[] = [];
  const capture = spawn('tcpdump', ['-l', '-n', '-i', 'culvert0', 'port', '53']);
  capture.stdout.setEncoding('utf8').on('data', (text: string) => captured.push(text));
  await new Promise((resolve) => capture.stderr.once('data', resolve));
  const { out } = await run('getent', ['ahostsv4', 'www.example.org']);
  expectThat(out.includes('192.0.2.77'), `www.example.org: ${out}`);
  await run('getent', ['ahostsv4', 'not-asked-yet.dark']);
  await delay(500);
  capture.kill();
  expectThat(asked.includes('www.example.org'), `the system's resolver was asked for ${asked.join(' ')}`);
  expectThat(!asked.some((name) => name.endsWith('.dark')), `ours went out: ${asked.join(' ')}`);
  const packets = captured.join('');
  expectThat(packets.includes('not-asked-yet.dark'), `nothing captured: ${packets}`);
  // A plain resolv.conf knows no domains: there the name passes through us, untouched.
  if (splits) expectThat(!packets.includes('example.org'), packets);
  const { backend } = await culvertJson<DnsView>(['dns', 'status', '--state', state]);
  expectThat(backend === (splits ? 'systemd-resolved' : 'resolv.conf'), `the backend is ${backend}`);
  return { backend };
}

await run('ip', ['address', 'add', `${upstreamAddress}/32`, 'dev', 'lo']);
await scenarioMain(() => withWorld({ kind: process.argv[2] ?? '', services, dialers: ['device', 'second'] }, scenario));
