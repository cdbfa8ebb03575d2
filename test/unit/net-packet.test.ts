import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checksumsAreRight,
  echoReplyFor,
  isEchoRequest,
  resetFor,
  udpPacket,
  unreachableFor,
} from '../../main/net/packet/build.ts';
import { rewriteTcp } from '../../main/net/packet/rewrite.ts';
import { endsKey, protocolTcp, protocolUdp, tcpFlag, viewIp, viewTcp, viewUdp } from '../../main/net/packet/view.ts';
import type { IpView } from '../../main/net/packet/view.ts';
import { echoRequest, end, segment, tell } from '../support/packets.ts';

const ends4 = { source: end('100.64.0.1', 40_000), destination: end('100.64.3.9', 80) };
const ends6 = { source: end('fd00::1', 40_000), destination: end('fd00::3:9', 80) };
const listener4 = { source: end('100.64.0.16', 1024), destination: end('100.64.0.1', 3333) };
const listener6 = { source: end('fd00::10', 1024), destination: end('fd00::1', 3333) };
const families = [
  { ends: ends4, listener: listener4 },
  { ends: ends6, listener: listener6 },
];

function viewed(packet: Uint8Array): IpView {
  const ip = viewIp(packet);
  if (typeof ip === 'string') throw new Error(ip);
  return ip;
}

describe('packets', () => {
  it('have right checksums when built, whatever they carry', () => {
    fc.assert(
      fc.property(fc.constantFrom(...families), fc.uint8Array({ maxLength: 2000 }), ({ ends }, payload) => {
        const packet = udpPacket(ends.source, ends.destination, payload);
        expect(checksumsAreRight(packet, viewed(packet))).toBe(true);
        expect(tell(packet).text).toBe(new TextDecoder().decode(payload));
      }),
    );
  });

  it('keep right checksums and everything else when rewritten', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...families),
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(0xffffffff),
        fc.nat(65535),
        ({ ends, listener }, payload, sequence, port) => {
          const packet = segment(ends.source, ends.destination, { flags: tcpFlag.ack, sequence, payload });
          const to = { source: { ...listener.source, port }, destination: listener.destination };
          expect(rewriteTcp(packet, viewed(packet), to)).toBe(true);
          expect(checksumsAreRight(packet, viewed(packet))).toBe(true);
          const back = packet.slice();
          rewriteTcp(back, viewed(back), ends);
          expect(back).toEqual(segment(ends.source, ends.destination, { flags: tcpFlag.ack, sequence, payload }));
        },
      ),
    );
  });

  it('are left alone where the families differ', () => {
    const packet = segment(ends4.source, ends4.destination, { flags: tcpFlag.ack });
    const before = packet.slice();
    expect(rewriteTcp(packet, viewed(packet), listener6)).toBe(false);
    expect(packet).toEqual(before);
  });

  it.each(families)(
    'answer a SYN with a reset that acknowledges it, and other segments at their number',
    ({ ends }) => {
      const answerTo = (fields: Parameters<typeof segment>[2]): Uint8Array | undefined => {
        const packet = segment(ends.source, ends.destination, fields);
        const ip = viewed(packet);
        const tcp = viewTcp(packet, ip);
        if (typeof tcp === 'string') throw new Error(tcp);
        return resetFor(packet, ip, tcp);
      };
      const syn = tell(answerTo({ flags: tcpFlag.syn, sequence: 0xffffffff }) ?? new Uint8Array());
      expect(syn.tcp).toMatchObject({ flags: tcpFlag.rst | tcpFlag.ack, sequence: 0, acknowledgment: 0 });
      const data = tell(answerTo({ flags: tcpFlag.ack, acknowledgment: 77 }) ?? new Uint8Array());
      expect(data.tcp).toMatchObject({ flags: tcpFlag.rst, sequence: 77 });
      expect(answerTo({ flags: tcpFlag.rst })).toBeUndefined();
    },
  );

  it.each(families)('answer an echo request, and tell what cannot be reached', ({ ends }) => {
    const request = echoRequest(ends.source, ends.destination);
    const ip = viewed(request);
    expect(checksumsAreRight(request, ip)).toBe(true);
    expect(isEchoRequest(request, ip)).toBe(true);
    const reply = echoReplyFor(request, ip);
    expect(tell(reply).icmp).toEqual(ip.version === 4 ? [0, 0] : [129, 0]);
    expect(checksumsAreRight(reply, viewed(reply))).toBe(true);
    const error = unreachableFor(request, ip, 'port');
    expect(tell(error).icmp).toEqual(ip.version === 4 ? [3, 3] : [1, 4]);
    expect(checksumsAreRight(error, viewed(error))).toBe(true);
    expect(error.subarray(-request.length)).toEqual(request);
  });

  it('have keys that differ exactly where an end differs', () => {
    const key = (from: typeof ends4): string => {
      const packet = segment(from.source, from.destination, { flags: 0 });
      return endsKey(packet, viewed(packet));
    };
    expect(key(ends4)).toBe(key({ ...ends4 }));
    const others = [
      { ...ends4, source: end('100.64.0.2', 40_000) },
      { ...ends4, source: end('100.64.0.1', 40_001) },
      { ...ends4, destination: end('100.64.3.10', 80) },
      { ...ends4, destination: end('100.64.3.9', 81) },
      ends6,
    ];
    expect(new Set([key(ends4), ...others.map(key)]).size).toBe(others.length + 1);
  });

  it('are parsed and rewritten a million times mutated, dropped by reason and never thrown at', () => {
    let state = 0x9e3779b9;
    const random = (limit: number): number => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) % limit;
    };
    const payload = new TextEncoder().encode('a payload of some bytes');
    const whole = families.flatMap(({ ends }) => [
      segment(ends.source, ends.destination, { flags: tcpFlag.syn, sequence: 9 }),
      segment(ends.source, ends.destination, { flags: tcpFlag.ack, payload }),
      udpPacket(ends.source, ends.destination, payload),
      echoRequest(ends.source, ends.destination),
    ]);
    const seen: Record<string, number> = {};
    for (let round = 0; round < 1_000_000; round++) {
      let packet = (whole[random(whole.length)] ?? payload).slice();
      for (let change = random(4); change > 0; change--) {
        packet[random(packet.length)] = random(2) === 0 ? random(256) : ([0, 0xff, 0x80, 0x7f][random(4)] ?? 0);
      }
      if (random(8) === 0) packet = packet.slice(0, random(packet.length + 1));
      const what = handle(packet);
      seen[what] = (seen[what] ?? 0) + 1;
    }
    for (const what of ['truncated', 'version', 'header-length', 'fragment', 'tcp', 'udp', 'echo', 'other']) {
      expect(seen[what], what).toBeGreaterThan(100);
    }
  }, 60_000);
});

/** As the flow room does, in short. */
function handle(packet: Uint8Array): string {
  const ip = viewIp(packet);
  if (typeof ip === 'string') return ip;
  if (ip.protocol === protocolTcp) {
    const tcp = viewTcp(packet, ip);
    if (typeof tcp === 'string') return tcp;
    endsKey(packet, ip);
    resetFor(packet, ip, tcp);
    rewriteTcp(packet, ip, ip.version === 4 ? listener4 : listener6);
    return 'tcp';
  }
  if (ip.protocol === protocolUdp) {
    const udp = viewUdp(packet, ip);
    if (typeof udp === 'string') return udp;
    unreachableFor(packet, ip, 'port');
    return 'udp';
  }
  if (!isEchoRequest(packet, ip)) return 'other';
  echoReplyFor(packet, ip);
  return 'echo';
}
