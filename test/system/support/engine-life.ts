/**
 * An engine whose only way to its network is a line that is cut, moved, swallowed and taken over, in a namespace beside this one. Runs inside a
 * namespace: see `tun-world.ts`.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { setTimeout as delay } from 'node:timers/promises';
import type { StatusView } from '../../../main/api/views.ts';
import { culvertJson } from '../../support/culvert.ts';
import { selfSigned } from '../../support/self-signed.ts';
import { until } from '../../support/until.ts';
import {
  check,
  expectThat,
  noWarnings,
  run,
  scenarioMain,
  seesServices,
  withWorld,
  type Backends,
  type World,
  type WorldService,
} from './tun-world.ts';

/** Where the network is: behind the gateway of the device's namespace, and within a prefix that is intercepted there. */
const networkAddress = '10.99.0.1';
const networkName = 'network.example';
const gateway = '10.98.0.1';
const firstAddress = '10.98.0.2';
const secondAddress = '10.98.0.77';
const backWithinMs = 10_000;
const portalPort = 4443;
const hostsFile = join(tmpdir(), `culvert-life-hosts-${randomUUID()}`);

const target = (port: number, address = '127.0.0.1') => ({ protocol: 'tcp', address, port });

const services = (backends: Backends): Readonly<Record<string, WorldService>> => ({
  web: { addresses: ['web.dark'], ports: [80, 80], host: target(backends.http) },
  // Covers controller, router and the target of the next one.
  wide: { addresses: ['10.99.0.0/16'], ports: [1, 65535], host: target(backends.http) },
  // Hosted by the device itself, which also intercepts where it leads.
  self: { addresses: ['self.dark'], ports: [80, 80], host: target(7080, networkAddress), hoster: 'device' },
});

async function ip(...args: readonly string[]): Promise<string> {
  const { code, out } = await run('ip', args);
  expectThat(code === 0, `ip ${args.join(' ')}: ${out}`);
  return out;
}

/** The device's namespace, held by a process that does nothing; the command to run things in it. */
async function openNamespace(): Promise<readonly string[]> {
  const holder = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' });
  const pid = String(holder.pid);
  const within = ['nsenter', `--net=/proc/${pid}/ns/net`];
  const own = (await run('readlink', ['/proc/self/ns/net'])).out;
  await until(async () => (await run('readlink', [`/proc/${pid}/ns/net`])).out !== own);
  await writeFile(hostsFile, `127.0.0.1 localhost\n${networkAddress} ${networkName}\n`);
  await run('mount', ['--bind', hostsFile, '/etc/hosts']);
  await ip('address', 'add', `${networkAddress}/32`, 'dev', 'lo');
  await ip('link', 'add', 'line', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pid);
  await ip('address', 'add', `${gateway}/24`, 'dev', 'line');
  await ip('link', 'set', 'line', 'up');
  const inside = async (...args: readonly string[]): Promise<void> => {
    const { code, out } = await run('nsenter', [...within.slice(1), 'ip', ...args]);
    expectThat(code === 0, `ip ${args.join(' ')}: ${out}`);
  };
  await inside('link', 'set', 'lo', 'up');
  await inside('address', 'add', `${firstAddress}/24`, 'dev', 'eth0');
  await inside('link', 'set', 'eth0', 'up');
  await inside('route', 'add', 'default', 'via', gateway);
  return within;
}

/** The name of a service on the line, as any program there asks. */
async function works(within: readonly string[], url: string): Promise<boolean> {
  const [command = '', ...rest] = [...within, 'curl', '-sS', '-m', '2', url];
  return (await run(command, rest, 4000)).out.includes('hello from the dark');
}

async function scenario(world: World, within: readonly string[]): Promise<void> {
  const { at } = world;
  const inside = async (...args: readonly string[]): Promise<string> => {
    const [command = '', ...rest] = [...within, ...args];
    const { code, out } = await run(command, rest);
    expectThat(code === 0, `${args.join(' ')}: ${out}`);
    return out;
  };
  const forwarder = spawn('python3', ['-c', relay(world.backends.http)], { stdio: 'ignore' });
  const engine = await world.start('device', 'tun', {}, within);
  await seesServices(world, 'device', 3);
  const ready = (): Promise<boolean> => works(within, 'http://web.dark/');
  await until(ready, 20_000);
  /** How long after the network is back. */
  const backAfter = async (): Promise<number> => {
    const start = performance.now();
    await until(ready, 30_000);
    const ms = Math.round(performance.now() - start);
    expectThat(ms < backWithinMs, `services were back after ${ms} ms`);
    return ms;
  };

  await check('controller and router keep their own way under an intercepted prefix', async () => {
    expectThat((await inside('ip', 'route', 'get', '10.99.3.3')).includes('dev culvert0'), 'the prefix is not ours');
    expectThat(
      (await inside('ip', 'route', 'get', networkAddress)).includes('dev eth0'),
      'the network leads into ours',
    );
    expectThat(await works(within, 'http://10.99.3.3/'), 'the prefix does not work');
  });
  await check('a service hosted here that leads to an intercepted address does not run in circles', async () => {
    await until(() => works(within, 'http://self.dark/'), 40_000);
    const { sessions } = await culvertJson<StatusView>(['status', '--state', at('device')]);
    expectThat(sessions.open < 10, `${sessions.open} sessions are open`);
  });
  await check('a link that goes down and comes up', async () => {
    await inside('ip', 'link', 'set', 'eth0', 'down');
    await delay(5000);
    await inside('ip', 'link', 'set', 'eth0', 'up');
    await inside('ip', 'route', 'replace', 'default', 'via', gateway);
    return { backAfterMs: await backAfter() };
  });
  await check('another address', async () => {
    await inside('ip', 'address', 'del', `${firstAddress}/24`, 'dev', 'eth0');
    await inside('ip', 'address', 'add', `${secondAddress}/24`, 'dev', 'eth0');
    await inside('ip', 'route', 'replace', 'default', 'via', gateway);
    return { backAfterMs: await backAfter() };
  });
  await check('a line cut further away for long, the host none the wiser', async () => {
    await hook('hole', 'iif "line" drop');
    await delay(25_000);
    await run('nft', ['delete', 'table', 'inet', 'hole']);
    return { backAfterMs: await backAfter() };
  });
  await check('a captive portal in everyone’s place', async () => {
    const portal = createServer(await selfSigned('portal.example'), (socket) => socket.end('HTTP/1.1 511 \r\n\r\n'));
    await new Promise<void>((resolve) => portal.listen(portalPort, gateway, resolve));
    await run('nft', ['add table ip portal; add chain ip portal in { type nat hook prerouting priority -100; }']);
    await run('nft', [`add rule ip portal in iif "line" tcp dport 1024-65535 dnat to ${gateway}:${portalPort}`]);
    await inside('ip', 'link', 'set', 'eth0', 'down');
    await delay(1000);
    await inside('ip', 'link', 'set', 'eth0', 'up');
    await inside('ip', 'route', 'replace', 'default', 'via', gateway);
    await run('ss', ['-K', 'dst', secondAddress]);
    await delay(10_000);
    expectThat(!(await ready()), 'the portal was passed');
    await run('nft', ['delete', 'table', 'ip', 'portal']);
    portal.close();
    return { backAfterMs: await backAfter() };
  });
  await check('stopped for a while, as in a sleep, and woken elsewhere', async () => {
    engine.kill('SIGSTOP');
    await inside('ip', 'address', 'del', `${secondAddress}/24`, 'dev', 'eth0');
    await inside('ip', 'address', 'add', `${firstAddress}/24`, 'dev', 'eth0');
    await inside('ip', 'route', 'replace', 'default', 'via', gateway);
    await delay(14_000);
    engine.kill('SIGCONT');
    return { backAfterMs: await backAfter() };
  });
  // What a lost network is worth a word about.
  await noWarnings(engine.errors(), ['ziti.session_failed', 'ziti.start_failed', 'ziti.token_update_failed']);
  forwarder.kill();
}

/** A filter in this namespace, through which all of the device's packets pass. */
async function hook(table: string, rule: string): Promise<void> {
  const chain = `add chain inet ${table} in { type filter hook prerouting priority 0; policy accept; }`;
  const { code, out } = await run('nft', [`add table inet ${table}; ${chain}; add rule inet ${table} in ${rule}`]);
  expectThat(code === 0, out);
}

/** What listens on the network's own address, port 7080, and answers as the web server does. */
function relay(port: number): string {
  return `
import socket, threading
def copy(a, b):
    try:
        while data := a.recv(65536): b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError: pass
listener = socket.create_server(("${networkAddress}", 7080))
while True:
    near, _ = listener.accept()
    far = socket.create_connection(("127.0.0.1", ${port}))
    for pair in ((near, far), (far, near)): threading.Thread(target=copy, args=pair, daemon=True).start()
`;
}

await scenarioMain(async () => {
  const within = await openNamespace();
  await withWorld({ kind: process.argv[2] ?? '', address: networkAddress, name: networkName, services }, (world) =>
    scenario(world, within),
  );
  await rm(hostsFile, { force: true });
});
