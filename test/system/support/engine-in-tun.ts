/**
 * Run inside a network namespace of its own (loopback only): a network, a hosting engine, an engine in `tun` mode, and applications that know
 * nothing of them. Prints one JSON line a finding; the test outside reads them.
 */
import { execFile } from 'node:child_process';
import { createServer as createHttpServer } from 'node:http';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { createSocket } from 'node:dgram';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceView, SessionView } from '../../../main/contract/views.ts';
import { culvert, culvertJson, startCulvert, type RunningCulvert } from '../../support/culvert.ts';
import { openEmbeddedNetwork } from '../../support/embedded-network.ts';
import type { Network } from '../../support/network.ts';
import { openRealNetwork } from '../../support/real-network.ts';
import { until } from '../../support/until.ts';

const say = (finding: Readonly<Record<string, unknown>>): void =>
  void process.stdout.write(`${JSON.stringify(finding)}\n`);

/** Run a program; its standard output, or its failure, never an exception. */
function run(
  command: string,
  args: readonly string[],
  timeoutMs = 15_000,
): Promise<{ code: number; out: string; ms: number }> {
  const start = performance.now();
  return new Promise((resolve) => {
    execFile(command, args, { timeout: timeoutMs }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, out: stdout + stderr, ms: performance.now() - start });
    });
  });
}

async function check(name: string, body: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  try {
    const detail = await body();
    say({ check: name, ok: true, ms: Math.round(performance.now() - start), detail });
  } catch (error) {
    say({ check: name, ok: false, ms: Math.round(performance.now() - start), detail: (error as Error).message });
  }
}

function expectThat(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

interface Backends {
  readonly http: number;
  readonly echo: number;
  readonly udp: number;
  close(): void;
}

async function openBackends(): Promise<Backends> {
  const http = createHttpServer((_request, response) => response.end('hello from the dark\n'));
  const sockets = new Set<Socket>();
  const echo = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  const udp = createSocket('udp4');
  udp.on('message', (message, from) => udp.send(message, from.port, from.address));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
  return {
    http: (http.address() as AddressInfo).port,
    echo: (echo.address() as AddressInfo).port,
    udp: udp.address().port,
    close() {
      for (const socket of sockets) socket.destroy();
      http.close();
      echo.close();
      udp.close();
    },
  };
}

const services = (backends: Backends) =>
  ({
    web: { protocols: ['tcp'], addresses: ['web.dark'], ports: [80, 80], target: ['tcp', backends.http] },
    plc: { protocols: ['tcp'], addresses: ['10.77.0.0/16'], ports: [500, 510], target: ['tcp', backends.echo] },
    wild: { protocols: ['tcp'], addresses: ['*.wild.dark'], ports: [7, 7], target: ['tcp', backends.echo] },
    ping: { protocols: ['udp'], addresses: ['ping.dark'], ports: [9, 9], target: ['udp', backends.udp] },
    empty: { protocols: ['tcp'], addresses: ['empty.dark'], ports: [7, 7], target: undefined },
  }) as const;

async function main(): Promise<void> {
  const network: Network = process.argv[2] === 'OpenZiti' ? await openRealNetwork() : await openEmbeddedNetwork('both');
  const home = await mkdtemp(join(tmpdir(), 'culvert-tun-'));
  const backends = await openBackends();
  const running: RunningCulvert[] = [];
  try {
    await scenario(network, home, backends, running);
  } finally {
    for (const engine of running.reverse()) await engine[Symbol.asyncDispose]();
    backends.close();
    await network[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  }
}

async function scenario(network: Network, home: string, backends: Backends, running: RunningCulvert[]): Promise<void> {
  const { admin } = network;
  const at = (name: string): string => join(home, name);
  await mkdir(at('credentials'));
  await writeFile(at('credentials/culvert-passphrase'), 'x\n');
  const env = { CREDENTIALS_DIRECTORY: at('credentials') };
  const device = await admin.createIdentity('device');
  const box = await admin.createIdentity('box');
  const policies: Record<string, string> = {};
  for (const [name, service] of Object.entries(services(backends))) {
    const [low, high] = service.ports;
    const host =
      service.target === undefined
        ? {}
        : { 'host.v1': { protocol: service.target[0], address: '127.0.0.1', port: service.target[1] } };
    const id = await admin.createService({
      name,
      configs: {
        'intercept.v1': { protocols: service.protocols, addresses: service.addresses, portRanges: [{ low, high }] },
        ...host,
      },
    });
    policies[name] = await admin.createServicePolicy({ type: 'Dial', services: [id], identities: [device.id] });
    await admin.createServicePolicy({ type: 'Bind', services: [id], identities: [box.id] });
  }
  for (const [name, jwt] of [
    ['device', device.jwt],
    ['box', box.jwt],
  ] as const) {
    await writeFile(at(`${name}.jwt`), jwt);
    const enrolled = await culvert(['enroll', at(`${name}.jwt`), '--keystore', 'file', '--state', at(name)], { env });
    expectThat(enrolled.code === 0, `enrolment of ${name}: ${enrolled.err}`);
  }
  const resolverBefore = await readFile('/etc/resolv.conf', 'utf8');
  const routesBefore = (await run('ip', ['route', 'show', 'table', 'all'])).out;
  running.push(await startCulvert(['run', '--mode', 'host', '--state', at('box')], { env }));
  await until(async () => {
    const rows = await culvertJson<ServiceView[]>(['services', '--state', at('box')]);
    return rows.filter((row) => (row.hosted?.terminators ?? 0) > 0).length === 4;
  }, 60_000);
  const engine = await startCulvert(['run', '--mode', 'tun', '--state', at('device')], { env });
  running.push(engine);
  await until(
    async () => (await culvertJson<ServiceView[]>(['services', '--state', at('device')])).length === 5,
    30_000,
  );
  say({ check: 'mode', ok: engine.ready['mode'] === 'tun', detail: engine.ready['modeReason'] });

  await check('curl by name', async () => {
    const { code, out } = await run('curl', ['-sS', '-m', '10', 'http://web.dark/']);
    expectThat(code === 0 && out.includes('hello from the dark'), out);
  });
  await check('the session names the program', async () => {
    const rows = await culvertJson<SessionView[]>(['sessions', '--state', at('device')]);
    const row = rows.find((one) => one.service === 'web');
    expectThat(row?.app.attribution === 'exact' && row.app.path?.endsWith('curl') === true, JSON.stringify(row?.app));
    expectThat(row?.destination === 'web.dark:80', String(row?.destination));
  });
  await check('an address of a prefix, ports of a range', async () => {
    for (const port of [500, 502, 510]) {
      const { out } = await run('bash', [
        '-c',
        `exec 3<>/dev/tcp/10.77.1.2/${port}; echo "port ${port}" >&3; head -c 8 <&3`,
      ]);
      expectThat(out.startsWith(`port ${port}`), `${port}: ${out}`);
    }
    const { code } = await run('bash', ['-c', 'exec 3<>/dev/tcp/10.77.1.2/511'], 3000);
    expectThat(code !== 0, 'a port outside of the range was accepted');
  });
  await check('a wildcard name, interactive', async () => {
    const { out } = await run('bash', [
      '-c',
      'exec 3<>/dev/tcp/any.thing.wild.dark/7; for i in 1 2 3; do echo "line $i" >&3; read -u 3 l; echo "$l"; done',
    ]);
    expectThat(out === 'line 1\nline 2\nline 3\n', out);
  });
  await check('UDP there and back', async () => {
    const { out } = await run('bash', [
      '-c',
      'exec 3<>/dev/udp/ping.dark/9; echo -n datagram >&3; timeout 5 head -c 8 <&3',
    ]);
    expectThat(out === 'datagram', out);
  });
  await check('nobody hosts: connection refused, not accepted and cut', async () => {
    const { code, out } = await run('curl', ['-sS', '-m', '10', 'http://empty.dark:7/']);
    expectThat(code === 7, `curl exit ${code}: ${out}`);
  });
  await check('an unknown name is the system resolver’s', async () => {
    const { out } = await run('getent', ['ahostsv4', 'nothing.example'], 10_000);
    expectThat(!out.includes('100.64.'), out);
  });
  await check('a thousand flows at one time', () => manyFlows('10.77.9.9', 505, 1000));
  await check('revoked: reset within 500 ms, reason policy_revoked, name gone', async () => {
    const { out } = await run('getent', ['ahostsv4', 'any.wild.dark']);
    const address = out.split(/\s/)[0] ?? '';
    const socket = await opened(address, 7);
    const closed = new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now())));
    socket.on('error', () => undefined);
    const start = performance.now();
    await admin.deleteServicePolicy(policies['wild'] ?? '');
    const answered = performance.now();
    const ms = (await closed) - answered;
    expectThat(ms < 500, `it took ${ms} ms after the controller's answer`);
    await until(async () => {
      const rows = await culvertJson<SessionView[]>(['sessions', '--state', at('device')]);
      return rows.some((row) => row.service === 'wild' && row.closeReason === 'policy_revoked');
    }, 3000);
    await until(async () => !(await run('getent', ['ahostsv4', 'other.wild.dark'])).out.includes('100.64.'), 20_000);
    return { answerMs: Math.round(answered - start), resetAfterAnswerMs: Math.round(ms) };
  });
  await check('stopped: routes and resolver as before', async () => {
    await engine[Symbol.asyncDispose]();
    running.pop();
    expectThat((await readFile('/etc/resolv.conf', 'utf8')) === resolverBefore, 'the resolver differs');
    expectThat((await run('ip', ['route', 'show', 'table', 'all'])).out === routesBefore, 'the routes differ');
    expectThat(!(await run('ip', ['link'])).out.includes('culvert'), 'the device is still there');
  });
  await check('killed: a repair puts everything back', async () => {
    const again = await startCulvert(['run', '--mode', 'tun', '--state', at('device')], { env });
    again.kill('SIGKILL');
    await again.exited;
    const repaired = await culvert(['repair', '--state', at('device')], { env });
    expectThat(repaired.code === 0, repaired.err);
    expectThat((await readFile('/etc/resolv.conf', 'utf8')) === resolverBefore, 'the resolver differs');
    expectThat((await run('ip', ['route', 'show', 'table', 'all'])).out === routesBefore, 'the routes differ');
  });
  say({ check: 'no unexpected warning in the log', ok: true, detail: warnings(engine.errors()) });
}

/** Warnings and errors of the engine's log, as event names. */
function warnings(log: string): string[] {
  return log
    .split('\n')
    .filter((line) => /"level":"(warn|error)"/.test(line))
    .map((line) => /"event":"([^"]+)"/.exec(line)?.[1] ?? line);
}

function opened(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true });
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** `count` flows open together, each with its own bytes there and back. */
async function manyFlows(host: string, port: number, count: number): Promise<unknown> {
  const sockets: Socket[] = [];
  try {
    for (let i = 0; i < count; i += 50) {
      sockets.push(...(await Promise.all(Array.from({ length: 50 }, () => opened(host, port)))));
    }
    await Promise.all(
      sockets.map(
        (socket, i) =>
          new Promise<void>((resolve, reject) => {
            const text = `flow ${i}\n`;
            let got = '';
            socket.on('data', (chunk: Buffer) => {
              got += chunk.toString();
              if (got.length < text.length) return;
              if (got === text) resolve();
              else reject(new Error(`flow ${i} got ${got}`));
            });
            socket.once('error', reject);
            socket.write(text);
          }),
      ),
    );
    return { flows: sockets.length };
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

await main().catch((error: unknown) => {
  say({ check: 'scenario', ok: false, detail: (error as Error).stack ?? String(error) });
  process.exitCode = 1;
});
