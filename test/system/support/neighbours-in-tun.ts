/**
 * What a container and a routed neighbour of this host get of an engine in `tun` mode: their packets reach its interface, with the host's own
 * address where they are masqueraded, but no program of this host sent them. Runs inside a namespace: see `tun-world.ts`.
 */
import { spawn } from 'node:child_process';
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import type { SessionView, StatusView } from '../../../main/api/views.ts';
import { culvertJson } from '../../support/culvert.ts';
import { until } from '../../support/until.ts';
import {
  check,
  expectThat,
  noWarnings,
  run,
  scenarioMain,
  seesServices,
  target,
  withWorld,
  type Backends,
  type World,
  type WorldService,
} from './tun-world.ts';

const url = 'http://10.77.1.2:80/';
const answers = new URL('../../test/system/support/answers.py', import.meta.url).pathname;

const services = (backends: Backends): Readonly<Record<string, WorldService>> => ({
  web: {
    addresses: ['10.77.0.0/16'],
    ports: [80, 80],
    host: target('tcp', backends.http),
  },
});

/** A network namespace behind this one, as a container engine makes it; its first process, which holds it. */
async function container(): Promise<number> {
  const held = spawn('unshare', ['--net', 'sleep', '300'], { stdio: 'ignore' });
  process.once('exit', () => held.kill('SIGKILL'));
  const pid = held.pid ?? 0;
  const own = (await run('readlink', ['/proc/self/ns/net'])).out;
  await until(async () => (await run('readlink', [`/proc/${pid}/ns/net`])).out !== own);
  const inside = ['nsenter', '-t', String(pid), '-n'].join(' ');
  const { code, out } = await run('sh', [
    '-ec',
    `ip link add host0 type veth peer name inside0 netns ${pid}
     ip address add 192.0.2.1/24 dev host0 && ip link set host0 up
     ${inside} ip address add 192.0.2.2/24 dev inside0
     ${inside} ip link set inside0 up
     ${inside} ip route add default via 192.0.2.1
     echo 1 >/proc/sys/net/ipv4/ip_forward
     [ -e /proc/sys/net/ipv6 ] || exit 0
     ip -6 address add 2001:db8::1/64 dev host0 nodad
     ${inside} ip -6 address add 2001:db8::2/64 dev inside0 nodad
     ${inside} ip -6 route add default via 2001:db8::1`,
  ]);
  expectThat(code === 0, out);
  return pid;
}

async function scenario(world: World): Promise<void> {
  const { at } = world;
  const engine = await world.start('device', 'tun');
  await seesServices(world, 'device', 1);
  const pid = await container();
  const curl = ['curl', '-sS', '-m', '10', url];
  const fromInside = () => run('nsenter', ['-t', String(pid), '-n', ...curl]);
  const refused = async (): Promise<readonly AuditRecordView[]> => {
    const search = ['audit', 'search', '--decision', 'deny', '--state', at('device')];
    const denied = await culvertJson<AuditRecordView[]>(search);
    return denied.filter((record) => record['code'] === 'policy.app.unknown');
  };

  await check('a program of the host is let in', async () => {
    const { code, out } = await run('curl', curl.slice(1));
    expectThat(code === 0 && out.includes('hello from the dark'), out);
    expectThat((await refused()).length === 0, 'it was refused as unknown');
  });
  await check(
    'nothing answers a neighbour on the interface’s own addresses, neither an echo nor a closed port',
    async () => {
      const { tun } = await culvertJson<StatusView>(['status', '--state', at('device')]);
      const own = (await run('ip', ['-j', 'address', 'show', 'dev', tun?.name ?? ''])).out;
      const [{ addr_info: addresses = [] } = {}] = JSON.parse(own) as {
        addr_info: { local: string; scope: string }[];
      }[];
      const global = addresses.filter(({ scope }) => scope === 'global').map(({ local }) => local);
      expectThat(global.length > 0, own);
      for (const address of global) {
        const packets = await run('nsenter', ['-t', String(pid), '-n', 'python3', answers, address]);
        expectThat(packets.code === 0 && packets.out.trim() === 'nothing', `${address}: ${packets.out}`);
        const here = await run('python3', [answers, address]);
        expectThat(here.out.trim() === 'echo reset', `${address} from this host: ${here.out}`);
      }
    },
  );
  await check('a container that is routed is refused by its address, and nothing is dialled', async () => {
    const { code, out } = await fromInside();
    expectThat(code === 7, `curl exit ${code}: ${out}`);
    const sessions = await culvertJson<SessionView[]>(['sessions', '--state', at('device')]);
    expectThat(!sessions.some(({ source }) => source.startsWith('192.0.2.')), JSON.stringify(sessions));
  });
  await check('masqueraded it has the address of the host, and is still nobody', async () => {
    const before = (await refused()).length;
    const masquerade = 'POSTROUTING -s 192.0.2.0/24 ! -o host0 -j MASQUERADE'.split(' ');
    const { code: made, out: why } = await run('iptables', ['-t', 'nat', '-A', ...masquerade]);
    expectThat(made === 0, why);
    const { code, out } = await fromInside();
    expectThat(code === 7, `curl exit ${code}: ${out}`);
    const now = await refused();
    expectThat(now.length > before, 'nothing was recorded');
    expectThat(!now.some((record) => record['pid'] !== null), JSON.stringify(now));
  });
  await check('and the host’s own programs go on', async () => {
    const { code, out } = await run('curl', curl.slice(1));
    expectThat(code === 0 && out.includes('hello from the dark'), out);
  });
  await noWarnings(engine.errors());
}

await scenarioMain(() => withWorld({ kind: process.argv[2] ?? '', services }, scenario));
