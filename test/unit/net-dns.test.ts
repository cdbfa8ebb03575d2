import { decode, encode } from 'dns-packet';
import type { Answer, DecodedPacket, RecordType } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryStreamPair } from '../support/memory-stream.ts';
import { requireCidr } from '../../main/base/ip.ts';
import { silentLog } from '../../main/base/log.ts';
import { NameTable } from '../../main/net/dns/name-table.ts';
import { Resolver } from '../../main/net/dns/resolver.ts';
import type { ResolverDeps } from '../../main/net/dns/resolver.ts';
import { framed, serveTcpQueries } from '../../main/net/dns/tcp-queries.ts';
import { settled } from '../support/flow-world.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { fuzzRounds } from '../support/fuzz-rounds.ts';

const range4 = requireCidr('100.64.0.0/16', 'range');
const range6 = requireCidr('fd00:1::/64', 'range');
const intercepted = {
  names: [{ name: 'build.dark', service: 'build' }],
  wildcards: [{ domain: 'wild.dark', service: 'wild' }],
};

function table(): NameTable {
  const names = new NameTable(range4, range6);
  names.replace(intercepted);
  return names;
}

function resolver(overrides: Partial<ResolverDeps> = {}): Resolver {
  return new Resolver({
    names: table(),
    resolveRemote: undefined,
    forward: undefined,
    signal: new AbortController().signal,
    log: silentLog,
    ...overrides,
  });
}

function query(name: string, type: string, edns?: number): Uint8Array {
  return encode({
    type: 'query',
    id: 4711,
    flags: 256,
    questions: [{ name, type: type as RecordType, class: 'IN' }],
    ...(edns === undefined
      ? {}
      : {
          additionals: [
            {
              type: 'OPT',
              name: '.',
              udpPayloadSize: edns,
              extendedRcode: 0,
              ednsVersion: 0,
              flags: 0,
              flag_do: false,
              options: [],
            },
          ],
        }),
  });
}

interface Reply {
  readonly rcode: number;
  readonly answers: readonly Answer[];
  readonly packet: DecodedPacket;
  readonly truncated: boolean;
}

async function ask(
  from: Resolver,
  name: string,
  type: string,
  edns?: number,
  transport: 'udp' | 'tcp' = 'udp',
): Promise<Reply> {
  const bytes = await from.answer(query(name, type, edns), transport);
  const packet = decode(Buffer.from(bytes ?? new Uint8Array()));
  expect(packet.id).toBe(4711);
  return {
    rcode: (packet.flags ?? 0) & 15,
    answers: packet.answers ?? [],
    packet,
    truncated: ((packet.flags ?? 0) & 512) !== 0,
  };
}

describe('names', () => {
  it('keep their address in another run, whatever other names there are', () => {
    const one = table();
    const other = new NameTable(range4, range6);
    other.replace({ names: [{ name: 'a.dark', service: 'a' }, ...intercepted.names], wildcards: [] });
    expect(other.addressesOf('build.dark')).toEqual(one.addressesOf('build.dark'));
  });

  it('keep their address while they are not intercepted, so that a cached answer leads nowhere else', () => {
    const names = table();
    const { 4: address = '' } = names.addressesOf('build.dark') ?? {};
    names.replace({ names: [], wildcards: [] });
    expect(names.addressesOf('build.dark')).toBeUndefined();
    expect(names.nameOf(address)).toBe('build.dark');
    names.replace(intercepted);
    expect(names.addressesOf('build.dark')?.[4]).toBe(address);
  });

  it('get addresses of the range that no two share and that lead back to them', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.domain(), { minLength: 1, maxLength: 60 }), (domains) => {
        const names = new NameTable(range4, range6);
        const lower = [...new Set(domains.map((domain) => domain.toLowerCase()))];
        names.replace({ names: lower.map((name) => ({ name, service: name })), wildcards: [] });
        const seen = new Set<string>();
        for (const name of lower) {
          const { 4: v4 = '', 6: v6 = '' } = names.addressesOf(name) ?? {};
          expect(range4.contains(v4) && range6.contains(v6)).toBe(true);
          expect([names.nameOf(v4), names.nameOf(v6)]).toEqual([name, name]);
          seen.add(v4).add(v6);
        }
        expect(seen.size).toBe(lower.length * 2);
      }),
      { numRuns: 30 },
    );
  });

  it('have the one family of their target where that is known, and both where they lead to more', () => {
    const names = table();
    names.replace({
      names: [
        { name: 'plc.dark', service: 'plc', family: 4 },
        { name: 'six.dark', service: 'six', family: 6 },
        { name: 'mixed.dark', service: 'four', family: 4 },
        { name: 'mixed.dark', service: 'six', family: 6 },
        { name: 'mixed.dark', service: 'four-again', family: 4 },
        { name: 'a.cell.dark', service: 'a', family: 4 },
      ],
      wildcards: [{ domain: 'cell.dark', service: 'cell', family: 6 }],
    });
    const families = (name: string): readonly string[] => Object.keys(names.addressesOf(name) ?? {});
    expect(families('plc.dark')).toEqual(['4']);
    expect(families('six.dark')).toEqual(['6']);
    expect(families('mixed.dark')).toEqual(['4', '6']);
    // The wildcard's machine may be what answers on another port.
    expect(families('a.cell.dark')).toEqual(['4', '6']);
    expect(families('b.cell.dark')).toEqual(['6']);
    expect(names.list().find(({ name }) => name === 'plc.dark')?.addresses).toHaveLength(1);
  });

  it('of IPv6 machines have an address all the same where there is no range of IPv6', async () => {
    const names = new NameTable(range4, undefined);
    names.replace({ names: [{ name: 'six.dark', service: 'six', family: 6 }], wildcards: [] });
    expect(Object.keys(names.addressesOf('six.dark') ?? {})).toEqual(['4']);
    const four = table();
    four.replace({ names: [{ name: 'plc.dark', service: 'plc', family: 4 }], wildcards: [] });
    const from = resolver({ names: four });
    expect((await ask(from, 'plc.dark', 'A')).answers).toHaveLength(1);
    // The name is there, and has none of that family.
    expect(await ask(from, 'plc.dark', 'AAAA')).toMatchObject({ rcode: 0, answers: [] });
  });

  it('in a full range take the place of the wildcard name not asked for longest, never of an exact one', () => {
    const names = new NameTable(requireCidr('100.64.0.0/22', 'range'), undefined, 3);
    names.replace(intercepted);
    names.addressesOf('a.wild.dark');
    names.addressesOf('b.wild.dark');
    names.addressesOf('a.wild.dark');
    names.addressesOf('c.wild.dark');
    expect(
      names
        .list()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['a.wild.dark', 'build.dark', 'c.wild.dark']);
    expect(names.nameOf('100.64.0.1')).toBeUndefined();
  });

  it('say which domains the system is to ask about', () => {
    expect(table().domains()).toEqual([
      { name: 'build.dark', below: false },
      { name: 'wild.dark', below: true },
    ]);
  });
});

describe('the resolver', () => {
  it('answers A and AAAA with TTL 60, whatever the case, and nothing for other types', async () => {
    const here = resolver();
    const a = await ask(here, 'Build.DARK', 'A');
    expect(a.answers).toMatchObject([{ name: 'Build.DARK', type: 'A', ttl: 60 }]);
    expect(a.packet.flag_aa && a.packet.flag_ra && a.packet.flag_rd).toBe(true);
    expect((await ask(here, 'build.dark', 'AAAA')).answers).toMatchObject([{ type: 'AAAA' }]);
    for (const type of ['MX', 'TXT', 'SRV', 'HTTPS', 'NS', 'SOA']) {
      expect(await ask(here, 'build.dark', type)).toMatchObject({ rcode: 0, answers: [] });
    }
    expect(here.counts()).toEqual({ answered: 8, forwarded: 0, refused: 0 });
  });

  it('answers for a wildcard at any depth, and for its domain itself', async () => {
    const here = resolver();
    for (const name of ['x.wild.dark', 'y.x.wild.dark', 'wild.dark']) {
      expect((await ask(here, name, 'A')).answers).toHaveLength(1);
    }
    expect(await ask(here, 'notwild.dark', 'A')).toMatchObject({ rcode: 5 });
  });

  it('names the address again, in both families', async () => {
    const names = table();
    const here = resolver({ names });
    const { 4: v4 = '', 6: v6 = '' } = names.addressesOf('build.dark') ?? {};
    const reverse4 = `${v4.split('.').reverse().join('.')}.in-addr.arpa`;
    expect((await ask(here, reverse4, 'PTR')).answers).toMatchObject([{ data: 'build.dark' }]);
    const full = v6
      .replace('::', ':'.repeat(9 - v6.split(':').filter(Boolean).length))
      .split(':')
      .map((group) => group.padStart(4, '0'))
      .join('');
    const reverse6 = `${[...full].reverse().join('.')}.ip6.arpa`;
    expect((await ask(here, reverse6, 'PTR')).answers).toMatchObject([{ data: 'build.dark' }]);
    expect(await ask(here, '9.9.64.100.in-addr.arpa', 'PTR')).toMatchObject({ rcode: 3 });
    expect(await ask(here, '1.0.0.10.in-addr.arpa', 'PTR')).toMatchObject({ rcode: 5 });
  });

  it('asks the hosting side for MX, SRV and TXT below a wildcard', async () => {
    const asked: unknown[] = [];
    const here = resolver({
      resolveRemote: (question) => {
        asked.push(question);
        return Promise.resolve({
          status: question.type === 'TXT' ? 3 : 0,
          records:
            question.type === 'TXT'
              ? []
              : [
                  {
                    name: '',
                    type: question.type,
                    ttlSeconds: 9,
                    data: 'h.wild.dark',
                    priority: 1,
                    weight: 2,
                    port: 3,
                  },
                ],
        });
      },
    });
    const srv = await ask(here, '_sip._tcp.wild.dark', 'SRV');
    expect(srv.answers).toMatchObject([
      { name: '_sip._tcp.wild.dark', ttl: 9, data: { priority: 1, weight: 2, port: 3, target: 'h.wild.dark' } },
    ]);
    expect((await ask(here, 'wild.dark', 'MX')).answers).toMatchObject([
      { data: { preference: 1, exchange: 'h.wild.dark' } },
    ]);
    expect(await ask(here, 'wild.dark', 'TXT')).toMatchObject({ rcode: 3 });
    expect(asked[0]).toEqual({ name: '_sip._tcp.wild.dark', type: 'SRV', domain: 'wild.dark', service: 'wild' });
    const broken = resolver({ resolveRemote: () => Promise.reject(new Error('gone')) });
    expect(await ask(broken, 'wild.dark', 'MX')).toMatchObject({ rcode: 2 });
  });

  it('sends other names on, and says so when none answers', async () => {
    const sent: string[] = [];
    const here = resolver({
      forward: (message, transport) => {
        sent.push(transport);
        return Promise.resolve(sent.length === 1 ? message : undefined);
      },
    });
    expect(await here.answer(query('example.org', 'A'), 'udp')).toEqual(query('example.org', 'A'));
    expect(await ask(here, 'example.org', 'A', undefined, 'tcp')).toMatchObject({ rcode: 2 });
    expect(sent).toEqual(['udp', 'tcp']);
    expect(here.counts().forwarded).toBe(2);
  });

  it('follows a public alias of a name that only it knows', async () => {
    const chain: Answer[] = [
      { name: 'www.example.org', type: 'CNAME', class: 'IN', ttl: 300, data: 'front.example.org' },
      { name: 'front.example.org', type: 'CNAME', class: 'IN', ttl: 300, data: 'Build.dark' },
    ];
    const forward = (message: Uint8Array): Promise<Uint8Array> => {
      const { id = 0, questions = [] } = decode(Buffer.from(message));
      // The public side knows the alias, and nothing of where it leads.
      return Promise.resolve(encode({ type: 'response', id, flags: 0x8183, questions, answers: chain }));
    };
    const reply = await ask(resolver({ forward }), 'www.example.org', 'A');
    expect(reply.rcode).toBe(0);
    expect(reply.answers.map(({ type, name }) => [type, name.toLowerCase()])).toEqual([
      ['CNAME', 'www.example.org'],
      ['CNAME', 'front.example.org'],
      ['A', 'build.dark'],
    ]);
    expect((await ask(resolver({ forward }), 'www.example.org', 'TXT')).rcode).toBe(3);
  });

  it('truncates over UDP what the asker has no room for, and not over TCP', async () => {
    const records = Array.from({ length: 40 }, (_, index) => ({
      name: 'wild.dark',
      type: 'TXT' as const,
      ttlSeconds: 1,
      data: `record ${index} with some text`,
    }));
    const here = resolver({ resolveRemote: () => Promise.resolve({ status: 0, records }) });
    expect(await ask(here, 'wild.dark', 'TXT')).toMatchObject({ truncated: true, answers: [] });
    expect(await ask(here, 'wild.dark', 'TXT', 4096)).toMatchObject({ truncated: true });
    const whole = await ask(here, 'wild.dark', 'TXT', undefined, 'tcp');
    expect([whole.truncated, whole.answers.length]).toEqual([false, 40]);
  });

  it('answers EDNS with EDNS, and only then', async () => {
    const opts = async (edns?: number): Promise<number> => {
      const { packet } = await ask(resolver(), 'build.dark', 'A', edns);
      return packet.additionals?.filter((record) => record.type === 'OPT').length ?? 0;
    };
    expect([await opts(1232), await opts()]).toEqual([1, 0]);
  });

  it('never throws at bytes, and answers no answer', async () => {
    const here = resolver();
    const good = query('build.dark', 'A', 1232);
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 80 }),
          fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 6 }).map((changes) => {
            const bytes = new Uint8Array(good);
            for (const [at, value] of changes) bytes[at] = value;
            return bytes;
          }),
        ),
        async (bytes) => {
          const reply = await here.answer(bytes, 'udp');
          if (bytes.length < 12 || ((bytes[2] ?? 0) & 0x80) !== 0) expect(reply).toBeUndefined();
          else expect([reply?.[0], reply?.[1]]).toEqual([bytes[0], bytes[1]]);
        },
      ),
      { numRuns: fuzzRounds(5_000) },
    );
  }, 60_000);

  it('serves several queries of one connection, in pieces, and closes after the asker', async () => {
    const [far, near] = memoryStreamPair();
    const here = resolver();
    serveTcpQueries(near, (message) => here.answer(message, 'tcp'), new ManualClock());
    const got: number[] = [];
    let ended = false;
    far.start({
      data: (chunk) => got.push(...chunk),
      end: () => {
        ended = true;
      },
      drain: () => undefined,
      closed: () => undefined,
    });
    const bytes = [...framed(query('build.dark', 'A')), ...framed(query('build.dark', 'AAAA'))];
    for (let at = 0; at < bytes.length; at += 7) far.write(Uint8Array.from(bytes.slice(at, at + 7)));
    far.end();
    for (let turn = 0; turn < 50 && !ended; turn++) await settled();
    const first = (got[0] ?? 0) * 256 + (got[1] ?? 0);
    const second = (got[2 + first] ?? 0) * 256 + (got[3 + first] ?? 0);
    expect(got.length).toBe(4 + first + second);
    expect(ended).toBe(true);
  });

  it('gives up a silent connection', async () => {
    const [far, near] = memoryStreamPair();
    const clock = new ManualClock();
    serveTcpQueries(near, () => Promise.resolve(undefined), clock);
    let closed = false;
    const nothing = (): void => undefined;
    far.start({
      data: nothing,
      end: nothing,
      drain: nothing,
      closed: () => {
        closed = true;
      },
    });
    clock.advance(10_001);
    for (let turn = 0; turn < 20 && !closed; turn++) await settled();
    expect(closed).toBe(true);
  });
});
