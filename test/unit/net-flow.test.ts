import { describe, expect, it } from 'vitest';
import type { Admission } from '../../main/base/flow.ts';
import { NatPorts } from '../../main/net/flow/nat-ports.ts';
import { tcpFlag } from '../../main/net/packet/view.ts';
import { FlowWorld, settled } from '../support/flow-world.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { datagram, echoRequest, end, segment } from '../support/packets.ts';

const application = end('100.64.0.1', 40_000);
const service = end('100.64.3.9', 80);
const syn = (sequence = 100, from = application, to = service): Uint8Array =>
  segment(from, to, { flags: tcpFlag.syn, sequence });
const refused = (answer: Extract<Admission, { kind: 'refused' }>['answer']): Admission => ({
  kind: 'refused',
  reason: { code: 'policy.refused', sentence: 'the test refuses' },
  answer,
});

/** A released and accepted flow. */
async function openFlow(world: FlowWorld): Promise<{ connection: ReturnType<FlowWorld['connect']>; from: string }> {
  world.send(syn());
  await world.asked.at(-1)?.dial();
  const from = world.take().at(-1)?.from ?? '';
  const [address = '', port = ''] = from.split('|');
  return { connection: world.connect(address, Number(port)), from };
}

describe('a TCP flow', () => {
  it('asks once, with the name its address was given out for, and swallows repeated SYNs', async () => {
    await using world = await FlowWorld.open();
    expect(world.send(syn())).toEqual([]);
    expect(world.send(syn())).toEqual([]);
    expect(world.asked.map(({ request }) => request)).toEqual([
      {
        entry: 'tun',
        protocol: 'tcp',
        source: { address: '100.64.0.1', port: 40_000 },
        destination: { hostname: 'echo.dark', address: '100.64.3.9', port: 80 },
      },
    ]);
    expect(world.flows?.counts()).toEqual({ held: 1, tcp: 0, udp: 0 });
    expect(world.flows?.stats()).toMatchObject({ synRepeated: 1 });
  });

  it.each([
    { from: application, to: service, listener: '100.64.0.1|3333', nat: '100.64.0.16|1024' },
    { from: end('fd00::1', 9), to: end('fd00::3:9', 80), listener: 'fd00::1|3333', nat: 'fd00::10|1024' },
  ])('is released to the listener only after the dial, and joined there: $listener', async (row) => {
    await using world = await FlowWorld.open();
    world.send(syn(100, row.from, row.to));
    const dialled = await world.asked[0]?.dial();
    const [released] = world.take();
    expect(released).toMatchObject({ from: row.nat, to: row.listener, tcp: { flags: tcpFlag.syn, sequence: 100 } });
    expect(dialled?.joined).toHaveLength(0);
    const [address = '', port = ''] = row.nat.split('|');
    const connection = world.connect(address, Number(port));
    expect(connection).toMatchObject({ opened: true, rejected: false });
    expect(dialled?.joined).toHaveLength(1);
    // From here on the device carries it, both ways, by itself.
    const [passed] = world.send(segment(row.from, row.to, { flags: tcpFlag.ack, sequence: 101 }));
    expect(passed).toMatchObject({ from: row.nat, to: row.listener });
  });

  it.each([
    ['reset', 6, undefined],
    ['host-unreachable', 1, [3, 1]],
    ['timeout', 1, [3, 1]],
    ['prohibited', 1, [3, 13]],
  ] as const)('that is refused with %s is told so', async (answer, protocol, icmp) => {
    await using world = await FlowWorld.open();
    world.send(syn());
    await world.asked[0]?.answer(refused(answer));
    const [told, ...rest] = world.take();
    expect(rest).toEqual([]);
    expect(told?.protocol).toBe(protocol);
    if (icmp === undefined) expect(told?.tcp).toMatchObject({ flags: tcpFlag.rst | tcpFlag.ack, acknowledgment: 101 });
    else expect(told?.icmp).toEqual(icmp);
    expect(world.flows?.counts()).toMatchObject({ held: 0, tcp: 0 });
  });

  it('that nobody claims is reset, for there is no way past the TUN', async () => {
    await using world = await FlowWorld.open();
    world.send(syn());
    await world.asked[0]?.answer({ kind: 'pass', reason: { code: 'intercept.no_match', sentence: 'not ours' } });
    expect(world.take()[0]?.tcp?.flags).toBe(tcpFlag.rst | tcpFlag.ack);
  });

  it('is abandoned when the application gave it up during the dial', async () => {
    await using world = await FlowWorld.open();
    world.send(syn(100));
    world.send(syn(999));
    expect(world.asked[0]?.signal.aborted).toBe(true);
    const dialled = await world.asked[0]?.dial();
    expect(dialled).toMatchObject({ abandoned: true });
    expect(world.asked).toHaveLength(2);
    expect(world.flows?.counts().held).toBe(1);
  });

  it('is abandoned when nobody connects after its release', async () => {
    await using world = await FlowWorld.open();
    world.send(syn());
    const dialled = await world.asked[0]?.dial();
    world.clock.advance(10_001);
    expect(dialled).toMatchObject({ abandoned: true, joined: [] });
    expect(world.device.flowCount()).toBe(0);
    expect(world.connect('100.64.0.16', 1024).rejected).toBe(true);
  });

  it('waits for its turn where connections released before it are still being taken', async () => {
    await using world = await FlowWorld.open();
    const ends: string[] = [];
    // As many as share the listeners twice over, each listener's first released five seconds before its second.
    for (let port = 0; port < 32; port += 1) {
      if (port === 16) world.clock.advance(5_000);
      world.send(syn(100, end('100.64.0.1', 40_000 + port)));
      await world.asked.at(-1)?.dial();
      ends.push(world.take().at(-1)?.from ?? '');
    }
    const connect = (from = ''): { rejected: boolean } =>
      world.connect(from.split('|')[0] ?? '', Number(from.split('|')[1]));
    world.clock.advance(4_000);
    for (const from of ends.slice(0, 16)) expect(connect(from).rejected).toBe(false);
    // Thirteen seconds after the release of the second ones.
    world.clock.advance(9_000);
    expect(connect(ends[31]).rejected).toBe(false);
    expect(world.flows?.stats()).not.toHaveProperty('acceptTimeout');
    // Nothing more is taken: what is left has nobody behind it.
    world.clock.advance(10_000);
    expect(connect(ends[16]).rejected).toBe(true);
    expect(world.flows?.stats()).toMatchObject({ acceptTimeout: 15 });
  });

  it('is the only one that may connect to the listener, and only once', async () => {
    await using world = await FlowWorld.open();
    expect(world.connect('100.64.0.1', 50_000).rejected).toBe(true);
    const { from } = await openFlow(world);
    const [address = '', port = ''] = from.split('|');
    expect(world.connect(address, Number(port)).rejected).toBe(true);
    expect(world.flows?.stats()).toMatchObject({ strangerReset: 2 });
  });

  it('asks anew when its ends are used for another connection', async () => {
    await using world = await FlowWorld.open();
    const { connection, from } = await openFlow(world);
    connection.close();
    world.send(syn(5_000));
    expect(world.asked).toHaveLength(2);
    await world.asked[1]?.dial();
    const released = world.take().find((told) => told.tcp?.sequence === 5_000);
    expect(released?.from).not.toBe(from);
  });

  it('is forgotten after its closing handshake, and not before', async () => {
    await using world = await FlowWorld.open();
    const { connection } = await openFlow(world);
    world.clock.advance(60_000);
    expect(world.flows?.counts().tcp).toBe(1);
    world.send(segment(application, service, { flags: tcpFlag.rst, sequence: 101 }));
    connection.close();
    world.clock.advance(2_000);
    expect(world.flows?.counts().tcp).toBe(0);
    expect(world.device.flowCount()).toBe(0);
  });

  it('without an entry is reset, but a reset is not answered', async () => {
    await using world = await FlowWorld.open();
    const stray = world.send(segment(application, service, { flags: tcpFlag.ack, acknowledgment: 7 }));
    expect(stray[0]?.tcp).toMatchObject({ flags: tcpFlag.rst, sequence: 7 });
    expect(world.send(segment(application, service, { flags: tcpFlag.rst }))).toEqual([]);
  });

  it('is reset when the room closes, held or open', async () => {
    const world = await FlowWorld.open();
    await openFlow(world);
    world.send(segment(application, service, { flags: tcpFlag.ack, sequence: 101, acknowledgment: 501 }));
    world.send(syn(1, end('100.64.0.1', 40_002)));
    world.take();
    await world[Symbol.asyncDispose]();
    const resets = world.take().filter((told) => ((told.tcp?.flags ?? 0) & tcpFlag.rst) !== 0);
    expect(resets.map((told) => told.to).sort()).toEqual(['100.64.0.1|40000', '100.64.0.1|40002']);
    expect(resets.find((told) => told.to === '100.64.0.1|40000')?.tcp?.sequence).toBe(501);
    expect(world.asked[1]?.signal.aborted).toBe(true);
  });

  it('from another host is refused', async () => {
    await using world = await FlowWorld.open();
    const told = world.send(syn(1, end('192.0.2.7', 5)));
    expect(told[0]?.icmp).toEqual([3, 13]);
    expect(world.asked).toEqual([]);
  });
});

describe('NAT ends', () => {
  it('are never handed out twice while in use, and rest before they come again', () => {
    const clock = new ManualClock();
    const ports = new NatPorts([end('100.64.0.16', 0).address], clock);
    const seen = new Set<number>();
    const all = Array.from({ length: 64_512 }, () => ports.take());
    for (const taken of all) seen.add(taken?.port ?? 0);
    expect(seen.size).toBe(64_512);
    expect(ports.take()).toBeUndefined();
    const [first] = all;
    if (first !== undefined) ports.give(first);
    expect(ports.take()).toBeUndefined();
    clock.advance(61_000);
    expect(ports.take()).toEqual(first);
    expect(ports.take()).toBeUndefined();
  });
});

describe('UDP', () => {
  it('keeps the first datagrams for the dial, and carries them both ways', async () => {
    await using world = await FlowWorld.open();
    world.send(datagram(application, service, 'one'));
    world.send(datagram(application, service, 'two'));
    expect(world.asked).toHaveLength(1);
    const dialled = await world.asked[0]?.dial();
    const [stream] = dialled?.joined ?? [];
    const got: string[] = [];
    stream?.start({
      data: (chunk) => got.push(new TextDecoder().decode(chunk)),
      end: () => undefined,
      drain: () => undefined,
      closed: () => got.push('closed'),
    });
    await settled();
    expect(got).toEqual(['one', 'two']);
    stream?.write(new TextEncoder().encode('back'));
    expect(world.take()).toMatchObject([{ from: '100.64.3.9|80', to: '100.64.0.1|40000', text: 'back' }]);
    world.clock.advance(61_000);
    await settled();
    expect(got.at(-1)).toBe('closed');
    expect(world.flows?.counts().udp).toBe(0);
  });

  it('drops what does not fit the queue', async () => {
    await using world = await FlowWorld.open();
    for (let number = 0; number < 70; number++) world.send(datagram(application, service, 'x'));
    expect(world.flows?.stats()).toMatchObject({ datagramDropped: 6 });
  });

  it('refused is told by ICMP, and asked about again only after a while', async () => {
    await using world = await FlowWorld.open();
    world.send(datagram(application, service, 'one'));
    await world.asked[0]?.answer(refused('reset'));
    expect(world.take()[0]?.icmp).toEqual([3, 3]);
    expect(world.send(datagram(application, service, 'two'))[0]?.icmp).toEqual([3, 3]);
    expect(world.asked).toHaveLength(1);
    world.clock.advance(1_001);
    world.send(datagram(application, service, 'three'));
    expect(world.asked).toHaveLength(2);
  });

  it('makes room by ending the association that was quiet longest', async () => {
    await using world = await FlowWorld.open();
    for (let port = 1; port <= 4_097; port++) {
      world.clock.advance(port === 2 ? 10 : 0);
      world.send(datagram(end('100.64.0.1', port), service, 'x'));
    }
    expect(world.flows?.counts().udp).toBe(4_096);
    expect(world.asked[0]?.signal.aborted).toBe(true);
    expect(world.asked[1]?.signal.aborted).toBe(false);
  });

  it('to the resolver is a question to it', async () => {
    await using world = await FlowWorld.open();
    world.send(datagram(application, end('100.64.0.2', 53), 'question'));
    await settled();
    expect(world.resolved).toEqual(['question']);
    expect(world.take()).toMatchObject([{ from: '100.64.0.2|53', to: '100.64.0.1|40000', text: 'answer' }]);
    expect(world.asked).toEqual([]);
  });
});

describe('other packets', () => {
  it('echo requests are answered while the service can be reached, and refused otherwise', async () => {
    await using world = await FlowWorld.open();
    world.send(echoRequest(application, service));
    await settled();
    expect(world.take()[0]?.icmp).toEqual([0, 0]);
    world.send(echoRequest(application, end('100.64.7.7', 0)));
    await settled();
    expect(world.take()[0]?.icmp).toEqual([3, 1]);
  });

  it('multicast and what cannot be read are dropped and counted', async () => {
    await using world = await FlowWorld.open();
    world.send(datagram(application, end('224.0.0.251', 5353), 'mdns'));
    world.send(new Uint8Array([0x45, 0, 0]));
    expect(world.take()).toEqual([]);
    expect(world.flows?.stats()).toMatchObject({ 'dropped.group': 1 });
    expect(world.device.stats()).toMatchObject({ droppedTruncated: 1 });
  });
});
