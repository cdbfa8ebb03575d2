import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FlowRequest } from '../../main/base/flow.ts';
import { createIntercept } from '../../main/intercept/intercept.ts';
import { parseMapping, type AddressMapping } from '../../main/intercept/mapping.ts';
import type { Intercept, MatchResult } from '../../main/intercept/match.ts';
import type { ZitiService } from '../../main/ziti/model.ts';
import { fuzzRounds } from '../support/fuzz-rounds.ts';

function service(
  name: string,
  configs: Record<string, unknown>,
  permissions: ('Dial' | 'Bind')[] = ['Dial'],
): ZitiService {
  return {
    id: `id-${name}`,
    name,
    encryptionRequired: true,
    permissions,
    configs,
    roleAttributes: [],
    terminatorStrategy: 'smartrouting',
    postureChecks: [],
  };
}

const claim = (
  addresses: string[],
  ports: [number, number] = [80, 80],
  extra: Record<string, unknown> = {},
): Record<string, unknown> => ({
  'intercept.v1': { protocols: ['tcp'], addresses, portRanges: [{ low: ports[0], high: ports[1] }], ...extra },
});

function flow(to: string, port = 80, more: Partial<FlowRequest> = {}): FlowRequest {
  const destination = /^[\d.]+$|:/.test(to) ? { address: to, port } : { hostname: to, port };
  return { entry: 'socks5', protocol: 'tcp', source: { address: '127.0.0.1', port: 50000 }, destination, ...more };
}

const names = (result: MatchResult): string[] =>
  result.kind === 'matched' ? result.matches.map((match) => match.service.name) : [];

function intercept(...services: ZitiService[]): Intercept {
  const made = createIntercept();
  made.replace('me', 'laptop', services);
  return made;
}

describe('which service claims a destination', () => {
  it('takes the most precise claim first: exact name, longer wildcard domain, longer prefix, narrower ports', () => {
    const made = intercept(
      service('wide', claim(['*.dark'])),
      service('domain', claim(['*.eu.dark'])),
      service('exact', claim(['build.eu.dark'])),
      service('exact-ports', claim(['build.eu.dark'], [1, 1000])),
      service('net16', claim(['10.20.0.0/16'])),
      service('net24', claim(['10.20.30.0/24'], [1, 65535])),
      service('host', claim(['10.20.30.40'], [1, 65535])),
    );
    expect(names(made.match(flow('build.eu.dark')))).toEqual(['exact', 'exact-ports', 'domain', 'wide']);
    expect(names(made.match(flow('10.20.30.40')))).toEqual(['host', 'net24', 'net16']);
    expect(names(made.match(flow('10.20.99.1')))).toEqual(['net16']);
  });

  it('breaks a tie by the name of the service, then of the identity', () => {
    const made = createIntercept();
    made.replace('z-id', 'z', [service('beta', claim(['x.dark'])), service('alpha', claim(['x.dark']))]);
    made.replace('a-id', 'a', [service('beta', claim(['x.dark']))]);
    const result = made.match(flow('x.dark'));
    expect(result.kind === 'matched' && result.matches.map((m) => [m.service.name, m.identity])).toEqual([
      ['alpha', 'z-id'],
      ['beta', 'a-id'],
      ['beta', 'z-id'],
    ]);
  });

  it('knows names in any case, with a trailing dot, and international ones', () => {
    const made = intercept(service('web', claim(['Build.Dark', 'münchen.dark'])));
    expect(names(made.match(flow('BUILD.dark.')))).toEqual(['web']);
    expect(names(made.match(flow('xn--mnchen-3ya.dark')))).toEqual(['web']);
    expect(names(made.match(flow('MÜNCHEN.dark')))).toEqual(['web']);
  });

  it('lets a wildcard claim its bare domain, but no name that just ends alike', () => {
    const made = intercept(service('web', claim(['*.x.y'])));
    expect(names(made.match(flow('x.y')))).toEqual(['web']);
    expect(names(made.match(flow('a.b.x.y')))).toEqual(['web']);
    expect(names(made.match(flow('evilx.y')))).toEqual([]);
    expect(names(made.match(flow('y')))).toEqual([]);
  });

  it('holds protocol, port range and source to the config', () => {
    const made = intercept(
      service('plc', claim(['10.0.0.7'], [500, 510], { allowedSourceAddresses: ['192.168.1.0/24', 'fd00::1'] })),
    );
    const from = (address: string): Partial<FlowRequest> => ({ source: { address, port: 1 } });
    expect(names(made.match(flow('10.0.0.7', 500, from('192.168.1.9'))))).toEqual(['plc']);
    expect(names(made.match(flow('10.0.0.7', 510, from('fd00:0::1'))))).toEqual(['plc']);
    expect(names(made.match(flow('10.0.0.7', 511, from('192.168.1.9'))))).toEqual([]);
    expect(names(made.match(flow('10.0.0.7', 500, { ...from('192.168.1.9'), protocol: 'udp' })))).toEqual([]);
    expect(names(made.match(flow('10.0.0.7', 500, from('192.168.2.9'))))).toEqual([]);
  });

  it('matches IPv6 prefixes and IPv4 written as IPv6, and a name that is an address', () => {
    const made = intercept(service('six', claim(['fd00:1::/32'])), service('four', claim(['10.1.2.3/16'])));
    expect(names(made.match(flow('fd00:1:2::9')))).toEqual(['six']);
    expect(names(made.match(flow('::ffff:10.1.9.9')))).toEqual(['four']);
    const literal = flow('x', 80, { destination: { hostname: '10.1.0.1', port: 80 } });
    expect(names(made.match(literal))).toEqual(['four']);
  });

  it('prefers what the name says over what the resolved address would match', () => {
    const made = intercept(service('range', claim(['100.64.0.0/10'])), service('name', claim(['*.dark'])));
    const resolved = flow('x', 80, { destination: { hostname: 'a.dark', address: '100.64.0.5', port: 80 } });
    const result = made.match(resolved);
    expect(names(result)).toEqual(['name']);
    expect(result.kind === 'matched' && result.matches[0]?.appData).toMatchObject({
      dst_hostname: 'a.dark',
      dst_ip: '100.64.0.5',
    });
    const other = flow('x', 80, { destination: { hostname: 'a.example', address: '100.64.0.5', port: 80 } });
    expect(names(made.match(other))).toEqual(['range']);
  });

  it('does not let a service that may only be hosted stand before one that may be dialled', () => {
    const made = intercept(service('bound', claim(['x.dark']), ['Bind']), service('dialled', claim(['*.dark'])));
    expect(names(made.match(flow('x.dark')))).toEqual(['dialled']);
    const alone = intercept(service('bound', claim(['x.dark']), ['Bind']));
    expect(names(alone.match(flow('x.dark')))).toEqual(['bound']);
    expect(alone.table().names).toEqual([]);
  });

  it('says why nothing matches: nobody claims it, or only for another port or protocol', () => {
    const made = intercept(service('web', claim(['build.dark'])));
    const unknown = made.match(flow('other.dark', 443));
    expect(unknown).toMatchObject({ kind: 'none', reason: { code: 'intercept.no_match' } });
    expect(unknown.kind === 'none' && unknown.reason.sentence).toContain('other.dark:443 (tcp)');
    const port = made.match(flow('build.dark', 443));
    expect(port.kind === 'none' && port.reason.sentence).toBe(
      'service web claims build.dark, but only tcp on port 80, not build.dark:443 (tcp)',
    );
  });
});

describe('machines of two cells with the same addresses', () => {
  const mapping = (name: string, as: string): AddressMapping => {
    const read = parseMapping({ service: name, addresses: '10.20.0.0/24', as });
    if (read === undefined) throw new Error('no mapping');
    return read;
  };

  it('are dialled under prefixes of their own, and their hosts told of them as they are there', () => {
    const made = createIntercept([mapping('cell-a', '10.101.0.0/24'), mapping('cell-b', '10.102.0.0/24')]);
    const services = ['cell-a', 'cell-b'].map((name) => service(name, claim(['10.20.0.0/24'], [502, 502])));
    made.replace('me', 'laptop', [...services, service('single', claim(['10.20.0.9', 'press.dark'], [80, 80]))]);
    expect(made.table().prefixes.map(({ prefix }) => prefix)).toEqual([
      '10.101.0.0/24',
      '10.102.0.0/24',
      '10.20.0.9/32',
    ]);
    for (const [name, address] of [
      ['cell-a', '10.101.0.7'],
      ['cell-b', '10.102.0.7'],
    ] as const) {
      const found = made.match(flow(address, 502));
      expect(names(found)).toEqual([name]);
      expect(found).toMatchObject({ matches: [{ appData: { dst_ip: '10.20.0.7' } }] });
    }
    expect(names(made.match(flow('10.20.0.7', 502)))).toEqual([]);
    expect(names(made.match(flow('10.20.0.9')))).toEqual(['single']);
  });

  it('map a single machine of a cell too, and a port of its own', () => {
    const made = createIntercept([mapping('plc', '10.102.0.0/24')]);
    made.replace('me', 'laptop', [service('plc', claim(['10.20.0.7'], [502, 502]))]);
    expect(made.match(flow('10.102.0.7', 502))).toMatchObject({ matches: [{ appData: { dst_ip: '10.20.0.7' } }] });
    expect(made.matchService('plc', flow('127.0.0.1', 4000))).toMatchObject({
      matches: [{ appData: { dst_ip: '10.20.0.7', dst_port: '502' } }],
    });
  });

  it('asks for two prefixes of one family and length', () => {
    expect(parseMapping({ service: 'a', addresses: '10.20.0.0/24', as: '10.102.0.0/16' })).toBeUndefined();
    expect(parseMapping({ service: 'a', addresses: '10.20.0.0/24', as: 'fd00::/24' })).toBeUndefined();
  });
});

describe('which addresses a name has', () => {
  const hosted = (address: string): Record<string, unknown> => ({
    ...claim([`${address.replaceAll(/[.:]/g, '-')}.dark`]),
    'host.v1': { protocol: 'tcp', address, port: 80 },
  });

  it('is known where every target is an address of one family', () => {
    const made = intercept(
      service('four', hosted('10.20.0.7')),
      service('six', hosted('fd00:1::7')),
      service('named', hosted('press')),
      service('both', {
        ...claim(['*.both.dark']),
        'host.v2': { terminators: [{ address: '10.20.0.7' }, { address: 'fd00:1::7' }] },
      }),
      service('asked', { ...claim(['asked.dark']), 'host.v1': { forwardAddress: true, address: '10.20.0.7' } }),
    );
    const { names: exact, wildcards } = made.table();
    expect([...exact, ...wildcards].map(({ service: name, family }) => [name, family])).toEqual([
      ['four', 4],
      ['six', 6],
      ['named', undefined],
      ['asked', undefined],
      ['both', undefined],
    ]);
  });
});

describe('what a dial carries', () => {
  it('sends app data as the peers do, all strings, and renders the templates', () => {
    const made = createIntercept();
    made.replace(
      'me',
      'laptop 7',
      [
        service(
          'plc',
          claim(['*.plc.dark'], [502, 502], {
            sourceIp: '$src_ip:$src_port',
            dialOptions: { identity: '$dst_hostname/$tunneler_id.name/$tunneler_id.appData[line]/$dst_port/$nothing' },
          }),
        ),
      ],
      { line: 4 },
    );
    const result = made.match(flow('press.plc.dark', 502));
    expect(result).toMatchObject({
      kind: 'matched',
      matches: [
        {
          dialTimeoutMs: 15_000,
          terminatorIdentity: 'press.plc.dark/laptop 7/4/502/$nothing',
          appData: {
            dst_protocol: 'tcp',
            dst_hostname: 'press.plc.dark',
            dst_port: '502',
            src_protocol: 'tcp',
            src_ip: '127.0.0.1',
            src_port: '50000',
            source_addr: '127.0.0.1:50000',
          },
        },
      ],
    });
  });

  it('takes the time-out from dialOptions, 15 s with options alone, 5 s without', () => {
    const timeout = (extra: Record<string, unknown>): number | undefined => {
      const result = intercept(service('s', claim(['x.dark'], [80, 80], extra))).match(flow('x.dark'));
      return result.kind === 'matched' ? result.matches[0]?.dialTimeoutMs : undefined;
    };
    expect(timeout({})).toBe(15_000);
    expect(timeout({ dialOptions: {} })).toBe(15_000);
    expect(timeout({ dialOptions: { connectTimeoutSeconds: 9 } })).toBe(9000);
  });

  it('takes the older client config as tcp and udp on one port, and prefers intercept.v1', () => {
    const old = { 'ziti-tunneler-client.v1': { hostname: 'Old.Dark', port: 22 } };
    const made = intercept(service('old', old), service('both', { ...old, ...claim(['new.dark']) }));
    expect(names(made.match(flow('old.dark', 22)))).toEqual(['old']);
    expect(names(made.match(flow('old.dark', 22, { protocol: 'udp' })))).toEqual(['old']);
  });

  it('dials a service named outright, with the destination its claim leaves no choice about', () => {
    const made = intercept(
      service('plc', claim(['10.0.0.7'], [502, 502])),
      service('bare', {}),
      service('hosted', {}, ['Bind']),
    );
    const asked = flow('127.0.0.1', 15502, { entry: 'forward' });
    const plc = made.matchService('plc', asked);
    expect(plc.kind === 'matched' && plc.matches[0]?.appData).toMatchObject({ dst_ip: '10.0.0.7', dst_port: '502' });
    const bare = made.matchService('bare', asked);
    expect(bare.kind === 'matched' && bare.matches[0]?.appData).toMatchObject({ dst_port: '15502' });
    expect(names(made.matchService('hosted', asked))).toEqual(['hosted']);
    expect(made.matchService('nope', asked)).toMatchObject({ kind: 'none', reason: { code: 'intercept.no_match' } });
  });
});

describe('broken configs', () => {
  it('leave out just their own service, and are reported', () => {
    const made = createIntercept();
    const problems = made.replace('me', 'laptop', [
      service('good', claim(['good.dark'])),
      service('no-ports', { 'intercept.v1': { protocols: ['tcp'], addresses: ['a.dark'] } }),
      service('bad-type', { 'intercept.v1': 'x' }),
      service('bad-address', claim(['not a name'])),
    ]);
    expect(problems.map(({ service: name, refused }) => [name, refused])).toEqual([
      ['no-ports', true],
      ['bad-type', true],
      ['bad-address', true],
    ]);
    expect(problems[0]?.reason.sentence).toContain('portRanges');
    expect(names(made.match(flow('good.dark')))).toEqual(['good']);
  });

  it('are served as far as they are understood: unknown fields and odd entries are reported by name', () => {
    const made = createIntercept();
    const problems = made.replace('me', 'laptop', [
      service('odd', {
        'intercept.v1': {
          protocols: ['tcp', 'sctp'],
          addresses: ['odd.dark', '***'],
          portRanges: [
            { low: 80, high: 80, mid: 80 },
            { low: 9, high: 1 },
          ],
          surprise: true,
        },
      }),
    ]);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.refused).toBe(false);
    for (const said of ['surprise', 'portRanges.0.mid', 'sctp', '***', 'low not above high']) {
      expect(problems[0]?.reason.sentence).toContain(said);
    }
    expect(names(made.match(flow('odd.dark')))).toEqual(['odd']);
  });

  it('never throw, whatever the controller sends', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (one, two) => {
        const made = createIntercept();
        made.replace('me', 'laptop', [
          service('a', { 'intercept.v1': one }),
          service('b', { 'ziti-tunneler-client.v1': two }),
          service('c', { 'intercept.v1': { protocols: ['tcp'], addresses: [one], portRanges: two } }),
        ]);
        made.match(flow('x.dark'));
        made.table();
      }),
      { numRuns: fuzzRounds(500) },
    );
  });
});

describe('the table', () => {
  it('follows a config that changes under the same name', () => {
    const made = intercept(service('web', claim(['old.dark'])));
    made.replace('me', 'laptop', [service('web', claim(['new.dark']))]);
    expect(names(made.match(flow('old.dark')))).toEqual([]);
    expect(names(made.match(flow('new.dark')))).toEqual(['web']);
  });

  it('lists names, wildcard domains and prefixes, and changes with replace and remove', () => {
    const made = createIntercept();
    made.replace('one', 'one', [service('a', claim(['a.dark', '*.w.dark', '10.1.2.3/8', 'fd00::5']))]);
    made.replace('two', 'two', [service('b', claim(['b.dark']))]);
    expect(made.table()).toEqual({
      names: [
        { name: 'a.dark', service: 'a', identity: 'one' },
        { name: 'b.dark', service: 'b', identity: 'two' },
      ],
      wildcards: [{ domain: 'w.dark', service: 'a', identity: 'one' }],
      prefixes: [
        { prefix: '10.0.0.0/8', service: 'a', identity: 'one' },
        { prefix: 'fd00::5/128', service: 'a', identity: 'one' },
      ],
    });
    made.remove('one');
    made.replace('two', 'two', []);
    expect(made.table()).toEqual({ names: [], wildcards: [], prefixes: [] });
    expect(made.match(flow('a.dark')).kind).toBe('none');
  });
});

describe('with thousands of services', () => {
  it('agrees with a plain walk over all of them', () => {
    const random = fc.record({
      addresses: fc.array(
        fc.oneof(
          fc.constantFrom('a.x', 'b.x', '*.x', '*.a.x', 'c.a.x', '10.0.0.1', '10.0.0.0/24', '10.0.0.0/8', 'fd00::/16'),
        ),
        { minLength: 1, maxLength: 3 },
      ),
      low: fc.integer({ min: 1, max: 5 }),
      width: fc.integer({ min: 0, max: 5 }),
    });
    fc.assert(
      fc.property(
        fc.array(random, { minLength: 1, maxLength: 12 }),
        fc.constantFrom('a.x', 'x', 'c.a.x', 'd.c.a.x', '10.0.0.1', '10.0.0.9', '10.9.9.9', 'fd00::1'),
        fc.integer({ min: 1, max: 8 }),
        (configs, to, port) => {
          const services = configs.map(({ addresses, low, width }, i) =>
            service(`s${String(i).padStart(2, '0')}`, claim(addresses, [low, low + width])),
          );
          const one = (index: number): boolean => names(intercept(services[index]!).match(flow(to, port))).length > 0;
          const all = names(intercept(...services).match(flow(to, port)));
          expect([...all].sort()).toEqual(services.filter((_, i) => one(i)).map(({ name }) => name));
        },
      ),
      { numRuns: fuzzRounds(300) },
    );
  });

  it('finds each of 5,000 services by name, wildcard and prefix', () => {
    const services = Array.from({ length: 5000 }, (_, i) =>
      service(`service-${i}`, claim([`host-${i}.dark`, `*.zone-${i}.dark`, `10.${i >> 8}.${i & 255}.0/24`], [1, 1000])),
    );
    const made = intercept(...services);
    for (let i = 0; i < 5000; i += 1) {
      for (const to of [`host-${i}.dark`, `a.zone-${i}.dark`, `10.${i >> 8}.${i & 255}.9`]) {
        expect(names(made.match(flow(to, 80)))).toEqual([`service-${i}`]);
      }
    }
  });
});
