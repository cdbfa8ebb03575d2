/**
 * A floor of machines behind an edge box, and a laptop in `tun` mode that finds and reads one there: protocols whose answers or data come another way than they were asked for.
 * Runs inside a namespace, which is the laptop's; box and floor have one each behind it. See `tun-world.ts`.
 */
import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import type { ServiceView, SessionView } from '../../../main/api/views.ts';
import { culvertJson } from '../../support/culvert.ts';
import { floorInterpreter } from '../../support/floor-python.ts';
import { until } from '../../support/until.ts';
import {
  check,
  expectThat,
  noWarnings,
  run,
  scenarioMain,
  seesServices,
  withWorld,
  type World,
  type WorldService,
} from './tun-world.ts';

const kind = process.argv[2] ?? '';
const python = floorInterpreter('reach');
const scripts = new URL('../../test/support/floor/', import.meta.url).pathname;
const laptop = '192.0.2.1';
const networkName = 'network.example';
const hostsFile = join(tmpdir(), `culvert-floor-hosts-${randomUUID()}`);
const machine = '10.20.0.7';
const everybody = '10.20.0.255';

const behind = (name: string, address: string, protocol: string, port: number): WorldService => ({
  addresses: [...(name === '' ? [] : [name]), address],
  protocols: [protocol],
  ports: [port, port],
  host: { protocol, address, port },
  hoster: 'edge',
});

const services = (): Readonly<Record<string, WorldService>> => ({
  find: behind('', everybody, 'udp', 47808),
  bacnet: behind('', machine, 'udp', 47808),
  files: { ...behind('press7.ot', machine, 'tcp', 21), contract: { maxSessions: 3, maxBytes: 5_000_000 } },
  one: { ...behind('one.ot', machine, 'tcp', 21), addresses: ['one.ot'], contract: { maxSessions: 1 } },
});

interface Place {
  readonly enter: readonly string[];
}

/** A network namespace behind this one: its first process holds it. */
async function place(): Promise<Place & { readonly pid: number }> {
  const held = spawn('unshare', ['--net', 'sleep', '300'], { stdio: 'ignore' });
  process.once('exit', () => held.kill('SIGKILL'));
  const pid = held.pid ?? 0;
  const own = (await run('readlink', ['/proc/self/ns/net'])).out;
  await until(async () => (await run('readlink', [`/proc/${pid}/ns/net`])).out !== own);
  return { pid, enter: ['nsenter', '-t', String(pid), '-n'] };
}

/** Laptop and box on one network, box and machine on another that the laptop has no way to. */
async function lay(): Promise<{ readonly box: Place; readonly floor: Place }> {
  const [box, floor] = [await place(), await place()];
  const [inBox, onFloor] = [box.enter.join(' '), floor.enter.join(' ')];
  const { code, out } = await run('sh', [
    '-ec',
    `ip link add wan0 type veth peer name wan1 netns ${box.pid}
     ip address add ${laptop}/24 dev wan0 && ip link set wan0 up
     ${inBox} ip address add 192.0.2.2/24 dev wan1
     ${inBox} ip link add floor0 type veth peer name floor1 netns ${floor.pid}
     ${inBox} ip address add 10.20.0.1/24 broadcast + dev floor0
     ${onFloor} ip address add ${machine}/24 broadcast + dev floor1
     for link in lo wan1 floor0; do ${inBox} ip link set $link up; done
     for link in lo floor1; do ${onFloor} ip link set $link up; done`,
  ]);
  expectThat(code === 0, out);
  await writeFile(hostsFile, `127.0.0.1 localhost\n${laptop} ${networkName}\n`);
  await run('mount', ['--bind', hostsFile, '/etc/hosts']);
  return { box, floor };
}

/** A program of the machine's; it is there once it says so. */
async function startOn({ enter }: Place, script: string, ...args: readonly string[]): Promise<void> {
  const [command = '', ...rest] = [...enter, python, join(scripts, script), ...args];
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => child.kill('SIGKILL'));
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`${script} ended with ${code}`)));
  });
}

async function scenario(world: World, { box, floor }: { readonly box: Place; readonly floor: Place }): Promise<void> {
  const { at } = world;
  const root = at('machine');
  await mkdir(root);
  const firmware = randomBytes(400_000);
  await writeFile(join(root, 'firmware.bin'), firmware);
  await startOn(floor, 'bacnet_device.py', `${machine}/24`);
  await startOn(floor, 'ftp_server.py', machine, root);
  const edge = await world.start('edge', 'host', {}, box.enter);
  await until(async () => {
    const rows = await culvertJson<ServiceView[]>(['services', '--state', at('edge')]);
    return rows.filter((row) => (row.hosted?.terminators ?? 0) > 0).length === 4;
  }, 60_000);
  const engine = await world.start('device', 'tun');
  await seesServices(world, 'device', 4);
  const sessions = (state: string): Promise<SessionView[]> => culvertJson(['sessions', '--state', at(state)]);
  const curl = (...args: readonly string[]) => run('curl', ['-sS', '-m', '30', ...args], 40_000);
  const active = ['--ftp-port', '-'];
  const url = 'ftp://press7.ot';

  await check('BACnet: a device is found by Who-Is, and read', async () => {
    const { out } = await run(python, [join(scripts, 'bacnet_client.py'), `${laptop}/24`, everybody], 30_000);
    expectThat(out.includes(`{"device": 599, "address": "${machine}", "speed": 42.5}`), out);
  });
  await check('FTP: files come, go and are listed in active mode', async () => {
    const file = at('fetched');
    for (const more of [[], ['--disable-eprt']]) {
      const { code, out } = await curl(...active, ...more, `${url}/firmware.bin`, '-o', file);
      expectThat(code === 0 && (await readFile(file)).equals(firmware), `${more.join(' ')}: curl exit ${code}: ${out}`);
    }
    const sent = await curl(...active, '-T', file, `${url}/project.bin`);
    expectThat(sent.code === 0 && (await readFile(join(root, 'project.bin'))).equals(firmware), sent.out);
    const listed = await curl(...active, `${url}/`, `${url}/`);
    expectThat(listed.out.split('project.bin').length === 3, listed.out);
  });
  await check('FTP: what is not there is told, and the session goes on', async () => {
    const missing = await curl(
      ...active,
      `${url}/missing.bin`,
      `${url}/firmware.bin`,
      '-o',
      at('none'),
      '-o',
      at('again'),
    );
    expectThat(missing.out.includes('(78)'), missing.out);
    expectThat((await readFile(at('again'))).equals(firmware), missing.out);
  });
  await check('FTP: each data connection is a session of its own at both ends, and counted', async () => {
    const large = (row: SessionView): boolean =>
      row.service === 'files' && Math.max(row.bytesReceived, row.bytesSent) >= firmware.length;
    await until(async () => (await sessions('edge')).filter(large).length === 4, 10_000).catch(() => undefined);
    for (const state of ['device', 'edge']) {
      const rows = (await sessions(state)).filter(large);
      expectThat(rows.length === 4, `${state}: ${JSON.stringify(rows)}`);
    }
    const rows = (await sessions('device')).filter(large);
    expectThat(
      rows.every(({ app }) => app.path?.endsWith('curl') === true),
      JSON.stringify(rows.map(({ app }) => app)),
    );
  });
  await check('FTP: a contract of one session leaves none for data, and the client is told', async () => {
    const { code, out } = await curl('-v', ...active, 'ftp://one.ot/firmware.bin', '-o', at('one'));
    expectThat(code !== 0 && out.includes('< 425 No data connection: '), `curl exit ${code}: ${out}`);
    const denied = await culvertJson<AuditRecordView[]>([
      'audit',
      'search',
      '--decision',
      'deny',
      '--state',
      at('device'),
    ]);
    expectThat(
      denied.some((record) => record['rule'] === 'contract:maxSessions'),
      JSON.stringify(denied),
    );
  });
  await check('FTP: the application’s own address and no other', async () => {
    const said = await run('python3', [
      '-c',
      `import socket
s = socket.create_connection(("press7.ot", 21), 10); f = s.makefile("rw", newline="\\r\\n")
def say(line): f.write(line + "\\n"); f.flush(); return f.readline().strip()
f.readline()
print(say("USER anonymous")); print(say("PASS x")); own = s.getsockname()[0].replace(".", ",")
print(say("PORT 192,0,2,2,195,80")); print(say("PORT " + own + ",0,80")); print(say("PORT 1,2")); print(say("LPRT 4,4,1,2,3,4,2,1,2")); print(say("NOOP"))`,
    ]);
    const codes = said.out.split('\n').map((line) => line.slice(0, 3));
    expectThat(codes.join(' ').trim() === '331 230 501 501 501 501 200', said.out);
  });
  await noWarnings(engine.errors() + edge.errors());
}

await scenarioMain(async () => {
  const places = await lay();
  await withWorld({ kind, address: laptop, name: networkName, services, dialers: ['device', 'edge'] }, (world) =>
    scenario(world, places),
  );
  await rm(hostsFile, { force: true });
});
