import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideTarget, parseAppData } from '../../main/hosting/dial-target.ts';
import type { TargetDecision } from '../../main/hosting/dial-target.ts';
import { parseHostConfigs } from '../../main/hosting/host-config.ts';
import type { HostTerminator } from '../../main/hosting/host-config.ts';
import { parseDurationMs } from '../../main/hosting/host-schema.ts';
import { fuzzRounds } from '../support/fuzz-rounds.ts';

const plain = { protocol: 'tcp', address: '127.0.0.1', port: 8080 };

function terminator(config: Record<string, unknown>): HostTerminator {
  const parsed = parseHostConfigs({ 'host.v1': config });
  const first = parsed?.terminators?.[0];
  if (first === undefined) throw new Error(parsed?.problems.join('; '));
  return first;
}

function decide(config: Record<string, unknown>, data: Record<string, string>): string {
  const decision: TargetDecision = decideTarget(terminator(config), data);
  if (decision.kind === 'refused') return `refused: ${decision.sentence}`;
  const { protocol, host, port, source } = decision.target;
  return `${protocol} ${host} ${port}${source === undefined ? '' : ` from ${source.host}:${source.port}`}`;
}

describe('a host config', () => {
  it('goes by host.v2 before host.v1 before ziti-tunneler-server.v1', () => {
    const configs = {
      'ziti-tunneler-server.v1': { hostname: 'old', port: 1 },
      'host.v1': { ...plain, address: 'one' },
      'host.v2': { terminators: [{ ...plain, address: 'two' }, plain] },
    };
    const addresses = (...types: (keyof typeof configs)[]): unknown =>
      parseHostConfigs(Object.fromEntries(types.map((type) => [type, configs[type]])))?.terminators?.map(
        ({ address }) => !address.forward && address.value,
      );
    expect(addresses('ziti-tunneler-server.v1', 'host.v1', 'host.v2')).toEqual(['two', '127.0.0.1']);
    expect(addresses('ziti-tunneler-server.v1', 'host.v1')).toEqual(['one']);
    expect(addresses('ziti-tunneler-server.v1')).toEqual(['old']);
    expect(parseHostConfigs({})).toBeUndefined();
  });

  it('limits the connect time to what a router waits, connectTimeout before connectTimeoutSeconds', () => {
    const timeout = (listenOptions: Record<string, unknown>): number =>
      terminator({ ...plain, listenOptions }).connectTimeoutMs;
    expect(timeout({})).toBe(4500);
    expect(timeout({ connectTimeout: '900ms', connectTimeoutSeconds: 2 })).toBe(900);
    expect(timeout({ connectTimeoutSeconds: 2 })).toBe(2000);
    expect(timeout({ connectTimeout: '1m' })).toBe(4500);
    expect([parseDurationMs('2h'), parseDurationMs('3m'), parseDurationMs('x'), parseDurationMs(undefined)]).toEqual([
      7_200_000,
      180_000,
      undefined,
      undefined,
    ]);
  });

  it('is refused with the field that is wrong', () => {
    const problem = (config: unknown): string | undefined => {
      const parsed = parseHostConfigs({ 'host.v1': config });
      return parsed?.terminators === undefined ? parsed?.problems[0] : undefined;
    };
    expect(problem({ address: 'x', port: 1 })).toContain('protocol');
    expect(problem({ protocol: 'tcp', port: 1 })).toContain('address');
    expect(problem({ protocol: 'tcp', address: 'x' })).toContain('port');
    expect(problem({ protocol: 'sctp', address: 'x', port: 1 })).toContain('protocol');
    expect(problem({ ...plain, port: 70_000 })).toContain('port');
    expect(problem({ ...plain, forwardPort: true })).toContain('allowedPortRanges');
    expect(problem({ ...plain, forwardAddress: true, allowedAddresses: ['* bad'] })).toContain('allowedAddresses');
    expect(problem({ ...plain, portChecks: [{ interval: 'often', timeout: '1s', address: 'x:1' }] })).toContain(
      'interval',
    );
    expect(problem({ ...plain, httpChecks: [{ interval: '1s', timeout: '1s', url: 'file:///etc/passwd' }] })).toContain(
      'url',
    );
    expect(problem({ ...plain, proxy: { type: 'socks', address: 'x:1' } })).toContain('proxy');
    expect(problem('nonsense')).toBeDefined();
  });

  it('works with unknown fields, but names them', () => {
    const parsed = parseHostConfigs({ 'host.v1': { ...plain, surprise: 1, listenOptions: { cots: 3 } } });
    expect(parsed?.terminators).toHaveLength(1);
    expect(parsed?.problems.join()).toMatch(/surprise.*listenOptions\.cots/);
  });

  it('never throws, whatever the controller sends', () => {
    fc.assert(
      fc.property(fc.constantFrom('host.v2', 'host.v1', 'ziti-tunneler-server.v1'), fc.jsonValue(), (type, value) => {
        parseHostConfigs({ [type]: value });
        parseHostConfigs({ 'host.v1': { ...plain, listenOptions: value, portChecks: [value], proxy: value } });
      }),
      { numRuns: fuzzRounds(500) },
    );
  });
});

describe('where a hosted dial goes', () => {
  const forwarding = {
    forwardProtocol: true,
    allowedProtocols: ['tcp', 'udp'],
    forwardAddress: true,
    allowedAddresses: ['10.20.0.0/16', 'db.corp', '*.apps.corp', 'fd00::/16'],
    forwardPort: true,
    allowedPortRanges: [
      { low: 80, high: 90 },
      { low: 443, high: 443 },
    ],
  };
  const to = (fields: Record<string, string>): string =>
    decide(forwarding, { dst_protocol: 'tcp', dst_port: '80', ...fields });

  it('is the configured place where nothing is forwarded, whatever the dialer says', () => {
    expect(decide(plain, { dst_hostname: 'evil', dst_port: '22', dst_protocol: 'udp' })).toBe('tcp 127.0.0.1 8080');
  });

  it('is the dialer’s protocol, address and port within the allow-lists', () => {
    expect(to({ dst_ip: '10.20.30.40' })).toBe('tcp 10.20.30.40 80');
    expect(to({ dst_hostname: 'DB.corp.', dst_protocol: 'udp', dst_port: '443' })).toBe('udp db.corp 443');
    expect(to({ dst_hostname: 'a.b.apps.corp' })).toBe('tcp a.b.apps.corp 80');
    expect(to({ dst_hostname: 'apps.corp' })).toBe('tcp apps.corp 80');
    expect(to({ dst_ip: 'fd00::1' })).toBe('tcp fd00::1 80');
  });

  it('is refused outside of them', () => {
    expect(to({ dst_ip: '10.21.0.1' })).toBe('refused: address 10.21.0.1 is not allowed');
    expect(to({ dst_hostname: 'evilapps.corp' })).toBe('refused: name "evilapps.corp" is not allowed');
    expect(to({ dst_ip: '10.20.0.1', dst_port: '91' })).toBe('refused: port "91" is not allowed');
    expect(to({ dst_ip: '10.20.0.1', dst_port: '65616' })).toBe('refused: port "65616" is not allowed');
    expect(to({ dst_ip: '10.20.0.1', dst_protocol: 'icmp' })).toBe('refused: protocol "icmp" is not allowed');
    expect(to({})).toContain('named none');
    expect(decide(forwarding, {})).toContain('named none');
  });

  it('lets the name decide where there is one, even beside an allowed address', () => {
    expect(to({ dst_hostname: 'other.corp', dst_ip: '10.20.0.1' })).toContain('refused: name');
    expect(to({ dst_hostname: '10.99.0.1', dst_ip: '10.20.0.1' })).toContain('refused: address 10.99.0.1');
  });

  it('translates addresses by the longest prefix, keeping the host bits', () => {
    const translating = {
      ...forwarding,
      forwardAddressTranslations: [
        { from: '10.20.0.0', to: '192.168.0.0', prefixLength: 16 },
        { from: '10.20.30.0', to: '172.16.5.128', prefixLength: 25 },
      ],
    };
    const at = (ip: string): string => decide(translating, { dst_protocol: 'tcp', dst_port: '80', dst_ip: ip });
    expect(at('10.20.9.7')).toBe('tcp 192.168.9.7 80');
    expect(at('10.20.30.5')).toBe('tcp 172.16.5.133 80');
    expect(at('10.20.30.200')).toBe('tcp 192.168.30.200 80');
    expect(at('fd00::7')).toBe('tcp fd00::7 80');
  });

  it('binds a source address only where the config allows it', () => {
    const config = { ...plain, allowedSourceAddresses: ['10.1.0.0/16', 'fd00::5'] };
    expect(decide(config, { source_addr: '10.1.2.3' })).toBe('tcp 127.0.0.1 8080 from 10.1.2.3:0');
    expect(decide(config, { source_addr: '10.1.2.3:4444' })).toBe('tcp 127.0.0.1 8080 from 10.1.2.3:4444');
    expect(decide(config, { source_addr: '[fd00::5]:9' })).toBe('tcp 127.0.0.1 8080 from fd00::5:9');
    expect(decide(config, { source_addr: '10.2.0.1' })).toContain('not allowed');
    expect(decide(config, { source_addr: 'somebody' })).toContain('is none');
    expect(decide(config, { source_addr: '10.1.2.3:99999' })).toContain('is none');
    expect(decide(plain, { source_addr: '10.1.2.3' })).toContain('not allowed');
  });
});

describe('app data', () => {
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

  it('is optional, and gives its string values', () => {
    expect(parseAppData(undefined)).toEqual({ kind: 'data', values: {} });
    const data = encode('{"dst_port":"80","n":1,"o":{},"__proto__":"x"}');
    expect(parseAppData(data)).toMatchObject({ kind: 'data', values: { dst_port: '80' } });
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('is refused where it is no JSON object, or endless', () => {
    for (const text of ['', 'x', '[]', '"s"', 'null', '{"a":']) {
      expect(parseAppData(encode(text)).kind).toBe(text === '' ? 'data' : 'broken');
    }
    expect(parseAppData(new Uint8Array(100_000)).kind).toBe('broken');
    expect(parseAppData(Uint8Array.of(0xff, 0xfe)).kind).toBe('broken');
  });

  it('never throws and never leaves the allow-lists, whatever a dialer sends', () => {
    const config = terminator({
      protocol: 'tcp',
      forwardAddress: true,
      allowedAddresses: ['10.20.0.0/16'],
      forwardPort: true,
      allowedPortRanges: [{ low: 80, high: 90 }],
    });
    const values = fc.dictionary(
      fc.constantFrom('dst_ip', 'dst_hostname', 'dst_port', 'source_addr', 'dst_protocol', '__proto__'),
      fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.nat(99_999).map(String), fc.constant('10.20.1.1'), fc.jsonValue()),
    );
    fc.assert(
      fc.property(values, (raw) => {
        const data = parseAppData(encode(JSON.stringify(raw)));
        if (data.kind !== 'data') return;
        const decision = decideTarget(config, data.values);
        if (decision.kind === 'refused') return;
        expect(decision.target.host).toMatch(/^10\.20\./);
        expect(decision.target.port).toBeGreaterThanOrEqual(80);
        expect(decision.target.port).toBeLessThanOrEqual(90);
      }),
      { numRuns: fuzzRounds(1_000) },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void parseAppData(bytes)));
  });
});
