/** What governing costs: the MCP guard for long messages, a decision of policy, a record of the journal, the owner of a flow. */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadNative } from 'node-tun';
import { createAppFinder } from '../../main/apps/open-app-finder.ts';
import { openAudit } from '../../main/audit/audit.ts';
import { systemClock } from '../../main/base/clock.ts';
import { contractConfigType, parseEngagement } from '../../main/base/engagement.ts';
import { silentLog } from '../../main/base/log.ts';
import { createGuard } from '../../main/guard/create-guard.ts';
import type { Guard, GuardEffect } from '../../main/guard/guard.ts';
import { createLedger } from '../../main/guard/ledger.ts';
import { openPolicy } from '../../main/policy/policy.ts';
import { openGuardedPort, sha256 } from '../support/guarded-port.ts';
import { aFlow, aMatch, aService, curl, facts, machine } from '../support/policy-world.ts';
import { quantile, spread, table } from './figures.ts';
import { measureFloorGuard } from './floor.ts';

const messageBytes = 64 * 1024;
/** Answers every call with a text of the same size; the load runs in a process of its own as well, so that the guard's core is its own. */
const serverSource = `
import { createServer } from 'node:http';
const text = 'y'.repeat(${messageBytes});
createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const { id } = JSON.parse(Buffer.concat(parts));
    const body = JSON.stringify({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text }] } });
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
  });
}).listen(0, '127.0.0.1', function () { process.send(this.address().port); });
`;
const loadSource = `
import { Agent, request } from 'node:http';
const [port, seconds] = process.argv.slice(2).map(Number);
const agent = new Agent({ keepAlive: true, maxSockets: 8 });
const text = 'x'.repeat(${messageBytes});
let id = 0;
const ask = () => new Promise((resolve, reject) => {
  id += 1;
  const body = JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'search', arguments: { text, limit: id } } });
  const asked = request({ host: '127.0.0.1', port, path: '/mcp', method: 'POST', agent, headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } }, (answer) => {
    answer.on('data', () => {}).on('end', () => (answer.statusCode === 200 ? resolve() : reject(new Error('refused'))));
  });
  asked.on('error', reject).end(body);
});
const run = async (ms) => {
  const until = performance.now() + ms;
  let done = 0;
  await Promise.all(Array.from({ length: 8 }, async () => { while (performance.now() < until) { await ask(); done += 1; } }));
  return done / (ms / 1000);
};
await run(500);
process.send(await run(seconds * 1000));
process.exit(0);
`;

export interface GuardRound {
  readonly plain: { readonly rate: number; readonly cpuUs: number };
  readonly guarded: { readonly rate: number; readonly cpuUs: number };
}

/** Calls a second of 64 KiB each way, without and with the guard, turn by turn. */
export async function measureGuard(rounds: number): Promise<readonly GuardRound[]> {
  const directory = await mkdtemp(join(tmpdir(), 'culvert-bench-'));
  await writeFile(join(directory, 'server.mjs'), serverSource);
  await writeFile(join(directory, 'load.mjs'), loadSource);
  const server = fork(join(directory, 'server.mjs'), { execArgv: [] });
  try {
    const [port] = (await once(server, 'message')) as [number];
    const measure = async (terms: unknown): Promise<GuardRound['plain']> => {
      await using guarded = await openGuardedPort(port, terms, { quiet: true });
      const load = fork(join(directory, 'load.mjs'), [String(guarded.port), '2'], { execArgv: [] });
      const before = process.cpuUsage();
      const [rate] = (await once(load, 'message')) as [number];
      const { user, system } = process.cpuUsage(before);
      return { rate, cpuUs: (user + system) / (rate * 2.5) };
    };
    const terms = { mcp: { allow: ['search'], deny: ['delete_*'] } };
    const measured: GuardRound[] = [];
    for (let round = 0; round < rounds; round += 1) {
      measured.push({ plain: await measure(undefined), guarded: await measure(terms) });
    }
    return measured;
  } finally {
    server.kill();
    await rm(directory, { recursive: true, force: true });
  }
}

/** The table that `npm run bench -- guard` prints. */
export async function measureGovernance(rounds: number): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'culvert-bench-'));
  try {
    const guard = await measureGuard(rounds);
    const decisions = await decisionTimes(directory);
    const judged = decisionsOnCalls();
    const turns = await turnsOfLongCalls(rounds);
    const records = await recordRates(directory, rounds);
    const owners = await attributionTimes();
    const floor = [await floorRows('modbus', 'Modbus', rounds), await floorRows('opcua', 'OPC UA', rounds)].flat();
    const ratios = guard.map(({ plain, guarded }) => guarded.rate / plain.rate);
    return table(
      ['governance', 'measured', 'wanted'],
      [
        ['MCP guard, 64 KiB: throughput of unguarded', spread(ratios), '≥ 0.70'],
        ...floor,
        ['MCP decision on a call of 1 KiB, p99', `${quantile(judged, 0.99).toFixed(3)} ms`, '< 1 ms'],
        ['MCP call of 13 MiB: one turn of the thread, p99', `${quantile(turns, 0.99).toFixed(1)} ms`, '< 20 ms'],
        ['policy decision with contract and Cedar, p99', `${quantile(decisions, 0.99).toFixed(3)} ms`, '< 1 ms'],
        ['audit records a second', spread(records, 0), '≥ 20000'],
        ['owner of a flow, p99', `${quantile(owners, 0.99).toFixed(2)} ms`, '< 5 ms'],
      ],
    );
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function floorRows(protocol: 'modbus' | 'opcua', name: string, rounds: number): Promise<string[][]> {
  const measured = await measureFloorGuard(protocol, rounds);
  const ratios = measured.map(({ rates }) => rates.guarded / rates.plain);
  const added = measured.map(({ p99Ms }) => p99Ms.guarded - p99Ms.plain);
  return [
    [`${name} guard, one client: requests a second of unguarded`, spread(ratios), '≥ 0.80'],
    [`${name} guard, added at p99`, `${spread(added, 3)} ms`, '< 0.5 ms'],
  ];
}

/** Milliseconds a call of 1 KiB holds the guard. */
function decisionsOnCalls(): readonly number[] {
  const calls = Array.from({ length: 5_000 }, (_, id) => request(id, 'x'.repeat(1_024)));
  return calls.map((call) => {
    const guard = benchGuard();
    const from = performance.now();
    guard.fromApp(call, 0);
    return performance.now() - from;
  });
}

/** Milliseconds of every turn that calls of 13 MiB take of the thread, one long text and many values by turns, in pieces as sockets give them. */
export async function turnsOfLongCalls(rounds: number): Promise<readonly number[]> {
  const turns: number[] = [];
  const texts = ['x'.repeat(13 * 1024 * 1024), 'a"\\ü\n'.repeat(1_500_000)];
  for (let round = 0; round < rounds; round += 1) {
    const bytes = request(round, texts[round % texts.length] ?? '');
    const guard = benchGuard();
    let passed = 0;
    const take = (act: () => readonly GuardEffect[]): void => {
      const from = performance.now();
      for (const effect of act()) if (effect.kind === 'to-service') passed += effect.bytes.length;
      turns.push(performance.now() - from);
    };
    let woken = (): void => undefined;
    const wake = new Promise<void>((resolve) => (woken = resolve));
    guard.onWake?.(woken);
    for (let at = 0; at < bytes.length; at += 64 * 1024) {
      take(() => guard.fromApp(bytes.subarray(at, at + 64 * 1024), 0));
      await new Promise((resolve) => void setImmediate(resolve));
    }
    let over = false;
    void wake.then(() => (over = true));
    // What the guard does between two turns of others is a turn of its own.
    for (let from = performance.now(); !over; from = performance.now()) {
      await new Promise((resolve) => void setImmediate(resolve));
      turns.push(performance.now() - from);
    }
    take(() => guard.proceed?.(0) ?? []);
    if (passed < bytes.length * 0.9) throw new Error('the long call did not pass');
  }
  return turns;
}

function request(id: number, text: string): Uint8Array {
  const params = { name: 'search', arguments: { text, limit: id } };
  const body = JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params });
  const head = `POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return Buffer.from(head + body, 'utf8');
}

function benchGuard(): Guard {
  const contract = parseEngagement({ mcp: { allow: ['search'], deny: ['delete_*'] } }, 'bench');
  const guard = createGuard(contract, {
    ledger: createLedger(),
    ledgerKey: 'bench',
    digest: sha256,
    hash() {
      const hash = createHash('sha256');
      return { update: (text) => void hash.update(text), digest: () => hash.digest('hex') };
    },
    pause: () => new Promise((resolve) => void setImmediate(resolve)),
  });
  if (guard === undefined) throw new Error('no guard');
  return guard;
}

async function decisionTimes(directory: string): Promise<readonly number[]> {
  const dir = join(directory, 'policy.d');
  await mkdir(dir);
  const rules = Array.from(
    { length: 10 },
    (_, i) =>
      `@id("r${i}") forbid (principal, action == Action::"dial", resource == Service::"other-${i}") when { context.hour < 6 };`,
  );
  await writeFile(join(dir, 'rules.cedar'), rules.join('\n'));
  const policy = await openPolicy({ dir, device: 'bench', log: silentLog });
  const contract = { apps: { allow: ['/usr/bin/*'] }, schedule: { windows: [{ from: '00:00', to: '24:00' }] } };
  const matches = [aMatch('laptop', aService('db', { configs: { [contractConfigType]: contract } }))];
  const known = facts({ laptop: machine });
  return times(5_000, () => {
    if (policy.decide(aFlow, curl, matches, known).kind !== 'dial') throw new Error('refused');
  });
}

/** Records of the size of a call's. */
async function recordRates(directory: string, rounds: number): Promise<number[]> {
  await using audit = openAudit({ stateDirectory: directory, clock: systemClock, log: silentLog });
  const record = {
    kind: 'call' as const,
    service: 'docs',
    agent: 'claude',
    tool: 'search',
    digest: 'ab'.repeat(32),
    durationMs: 3,
  };
  const count = 20_000;
  return Array.from({ length: rounds }, () => {
    const from = performance.now();
    for (let i = 0; i < count; i += 1) audit.record(record);
    return count / ((performance.now() - from) / 1000);
  });
}

async function attributionTimes(): Promise<readonly number[]> {
  const native = loadNative();
  const deps = { log: silentLog, clock: systemClock, ...(native.ok ? { native: native.native } : {}) };
  const finder = createAppFinder(deps);
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const client = connect(port, '127.0.0.1');
  await once(client, 'connect');
  try {
    const via = { address: '127.0.0.1', port };
    const flow = {
      protocol: 'tcp',
      source: { address: '127.0.0.1', port: client.localPort ?? 0 },
      via,
      destination: via,
    } as const;
    const found: number[] = [];
    for (let i = 0; i < 500; i += 1) {
      const from = performance.now();
      if ((await finder.find(flow)).attribution !== 'exact') throw new Error('the owner was not found');
      found.push(performance.now() - from);
    }
    return found;
  } finally {
    client.destroy();
    for (const socket of accepted) socket.destroy();
    server.close();
  }
}

function times(count: number, act: () => void): readonly number[] {
  return Array.from({ length: count }, () => {
    const from = performance.now();
    act();
    return performance.now() - from;
  });
}
