import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../main/base/clock.ts';
import type { Clock } from '../../main/base/clock.ts';
import { TunnelerError } from '../../main/base/errors.ts';
import { silentLog } from '../../main/base/log.ts';
import { memoryStreamPair } from '../support/memory-stream.ts';
import type { Reason } from '../../main/base/reason.ts';
import type { ByteStream, StreamKind } from '../../main/base/stream.ts';
import { createHosting } from '../../main/hosting/create-hosting.ts';
import type { HostingDeps } from '../../main/hosting/create-hosting.ts';
import type {
  HostedBindOptions,
  HostedDial,
  HostedRequest,
  HostedService,
  Hosting,
} from '../../main/hosting/hosting.ts';
import { answerMessage } from '../../main/hosting/resolver.ts';
import type { HostDns } from '../../main/hosting/resolver.ts';
import { splice } from '../../main/net/proxy/splice.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { RecordingSink } from '../support/recording-sink.ts';
import { fuzzRounds } from '../support/fuzz-rounds.ts';
import { listening } from '../support/listening.ts';
import { until } from '../support/until.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

function opened(server: Server): Promise<number> {
  cleanUps.push(() => server.close());
  return listening(server);
}

const echo = (): Promise<number> =>
  opened(
    createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      socket.pipe(socket);
    }),
  );

/** A controller and router in one: keeps what was bound, and lets a test dial it. */
class FakeNetwork {
  readonly bound: {
    options: HostedBindOptions;
    updates: unknown[];
    live: boolean;
    stop: (reason: Reason) => void;
  }[] = [];
  readonly #dials: ((dial: HostedDial) => void)[] = [];
  fail: TunnelerError | undefined;

  service(name: string, configs: Record<string, unknown>, more: Partial<HostedService> = {}): HostedService {
    return {
      identity: 'me',
      tunnelerName: 'edge box',
      tunnelerAppData: { site: 'north' },
      serviceId: `id-${name}`,
      serviceName: name,
      encryptionRequired: true,
      configs,
      bind: (options, onDial) => {
        if (this.fail !== undefined) return Promise.reject(this.fail);
        const stopListeners = new Set<(reason: Reason) => void>();
        const entry = {
          options,
          updates: [] as unknown[],
          live: true,
          stop: (reason: Reason) => stopListeners.forEach((listener) => listener(reason)),
        };
        this.bound.push(entry);
        this.#dials.push(onDial);
        return Promise.resolve({
          terminators: () => (entry.live ? 2 : 0),
          update: (change) => entry.updates.push(change),
          onStopped: (listener) => {
            stopListeners.add(listener);
            return { [Symbol.dispose]: () => stopListeners.delete(listener) };
          },
          onChanged: () => ({ [Symbol.dispose]: () => undefined }),
          [Symbol.asyncDispose]: () => {
            entry.live = false;
            return Promise.resolve();
          },
        });
      },
      ...more,
    };
  }

  /** Dial the latest binding; the dialer's end, or the text of the refusal. */
  dial(
    appData: Record<string, unknown> | Uint8Array | undefined,
    more: Partial<HostedDial> = {},
  ): Promise<{ stream: ByteStream; kind: StreamKind } | string> {
    const bytes =
      appData === undefined || appData instanceof Uint8Array
        ? appData
        : new TextEncoder().encode(JSON.stringify(appData));
    return new Promise((resolve) => {
      this.#dials.at(-1)?.({
        appData: bytes,
        caller: { name: 'alice', id: 'a1', asserted: true },
        circuitId: 'c1',
        routerName: 'er1',
        encrypted: true,
        accept: (kind) => {
          const [near, far] = memoryStreamPair({ kind });
          resolve({ stream: near, kind });
          return far;
        },
        reject: resolve,
        ...more,
      });
    });
  }
}

interface Hosted {
  readonly hosting: Hosting;
  readonly network: FakeNetwork;
  readonly asked: HostedRequest[];
  readonly failed: Reason[];
}

async function host(
  services: Record<string, Record<string, unknown>>,
  deps: Partial<HostingDeps> = {},
): Promise<Hosted> {
  const network = new FakeNetwork();
  const asked: HostedRequest[] = [];
  const failed: Reason[] = [];
  const hosting = createHosting({
    clock: systemClock,
    log: silentLog,
    admit: (request) => {
      asked.push(request);
      return { kind: 'accept', join: splice, failed: (reason) => failed.push(reason) };
    },
    ...deps,
  });
  cleanUps.push(() => hosting[Symbol.asyncDispose]());
  await hosting.replace(
    'me',
    Object.entries(services).map(([name, config]) => network.service(name, config)),
  );
  await new Promise((resolve) => setImmediate(resolve));
  return { hosting, network, asked, failed };
}

async function talk(dialled: { stream: ByteStream } | string, say: string): Promise<string> {
  if (typeof dialled === 'string') throw new Error(dialled);
  const sink = RecordingSink.on(dialled.stream);
  dialled.stream.write(new TextEncoder().encode(say));
  dialled.stream.end();
  await sink.until(() => sink.closes === 1);
  return sink.bytes().toString();
}

const tcp = (port: number, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  'host.v1': { protocol: 'tcp', address: '127.0.0.1', port, ...more },
});

describe('a hosted service', () => {
  it('connects the dialer to its target, half-close included, after asking for admission', async () => {
    const port = await echo();
    const { network, asked, hosting } = await host({ web: tcp(port) });
    expect(await talk(await network.dial({ dst_hostname: 'ignored' }), 'hello')).toBe('hello');
    expect(await talk(await network.dial(undefined), 'plain SDK')).toBe('plain SDK');
    expect(asked[0]).toMatchObject({
      identity: 'me',
      serviceName: 'web',
      protocol: 'tcp',
      target: { host: '127.0.0.1', port },
      caller: { name: 'alice' },
      appData: { dst_hostname: 'ignored' },
    });
    expect(hosting.states()).toEqual([
      {
        identity: 'me',
        serviceId: 'id-web',
        serviceName: 'web',
        terminators: 2,
        target: `tcp 127.0.0.1:${port}`,
        health: 'unchecked',
        problem: undefined,
      },
    ]);
  });

  it('refuses the dial where nothing listens at its target, and tells both sides so', async () => {
    const port = await echo();
    await cleanUps.pop()?.();
    const { network, failed } = await host({ web: tcp(port) });
    expect(await network.dial({})).toMatch(/connect 127\.0\.0\.1:\d+: .*ECONNREFUSED/);
    expect(failed[0]).toMatchObject({ code: 'hosting.connect_failed' });
  });

  it('refuses what admission refuses, without connecting', async () => {
    let connections = 0;
    const port = await opened(createServer(() => (connections += 1)));
    const { network } = await host(
      { web: tcp(port) },
      { admit: () => ({ kind: 'refuse', reason: { code: 'policy.refused', sentence: 'not on Sundays' } }) },
    );
    expect(await network.dial({})).toBe('not on Sundays');
    const broken = await host({ web: tcp(port) }, { admit: () => Promise.reject(new Error('secret detail')) });
    expect(await broken.network.dial({})).toBe('the host could not decide on this dial');
    expect(connections).toBe(0);
  });

  it('connects nothing where the engine answers by itself', async () => {
    let connections = 0;
    const port = await opened(createServer(() => (connections += 1)));
    const answer = (remote: ByteStream): void => {
      remote.write(Buffer.from('by itself'));
      remote.end();
    };
    const { network } = await host({ web: tcp(port) }, { admit: () => ({ kind: 'answer', answer }) });
    const joined = await network.dial({});
    if (typeof joined === 'string') throw new Error(joined);
    const heard = RecordingSink.on(joined.stream);
    await until(() => heard.ended);
    expect(Buffer.concat(heard.chunks).toString()).toBe('by itself');
    expect(connections).toBe(0);
  });

  it('refuses a dial in clear for a service that requires encryption', async () => {
    const { network } = await host({ web: tcp(await echo()) });
    expect(await network.dial({}, { encrypted: false })).toContain('encryption');
  });

  it('gives up connecting before the router stops waiting', async () => {
    const clock = new ManualClock();
    let reached: (() => void) | undefined;
    const asked = new Promise<void>((resolve) => (reached = resolve));
    const silent = await opened(createServer((socket) => void socket.once('data', () => reached?.())));
    const listenOptions = { connectTimeout: '1h' };
    const { network } = await host(
      { web: tcp(9, { listenOptions, proxy: { type: 'http', address: `127.0.0.1:${silent}` } }) },
      { clock },
    );
    const dialled = network.dial({});
    await asked;
    clock.advance(4_499);
    expect(await Promise.race([dialled, new Promise((resolve) => setTimeout(resolve, 30, 'waits'))])).toBe('waits');
    clock.advance(1);
    expect(await dialled).toContain('no answer in time');
  });

  it('forwards where its config says so, by TCP and UDP, one datagram a message', async () => {
    const server = createSocket('udp4').bind(0, '127.0.0.1');
    await once(server, 'listening');
    cleanUps.push(() => server.close());
    server.on('message', (bytes, from) =>
      server.send(Buffer.concat([bytes, Buffer.from('!')]), from.port, from.address),
    );
    const { network } = await host({
      any: {
        'host.v1': {
          forwardProtocol: true,
          allowedProtocols: ['udp', 'tcp'],
          forwardAddress: true,
          allowedAddresses: ['127.0.0.0/8'],
          forwardPort: true,
          allowedPortRanges: [{ low: 1024, high: 65535 }],
        },
      },
    });
    const to = { dst_ip: '127.0.0.1', dst_port: String(server.address().port) };
    const dialled = await network.dial({ ...to, dst_protocol: 'udp' });
    if (typeof dialled === 'string') throw new Error(dialled);
    expect(dialled.kind).toBe('datagram');
    const sink = RecordingSink.on(dialled.stream);
    for (const text of ['a', 'bb', 'ccc']) dialled.stream.write(new TextEncoder().encode(text));
    await sink.until(() => sink.chunks.length === 3);
    expect(sink.chunks.map((chunk) => Buffer.from(chunk).toString()).sort()).toEqual(['a!', 'bb!', 'ccc!']);
    dialled.stream.end();
    expect(await network.dial({ ...to, dst_port: '22', dst_protocol: 'tcp' })).toContain('port "22" is not allowed');
    expect(await network.dial(new Uint8Array([1, 2, 3]))).toContain('not JSON');
  });

  it('connects from the source address asked for', async () => {
    const from: (string | undefined)[] = [];
    const port = await opened(
      createServer((socket) => {
        from.push(socket.remoteAddress);
        socket.end();
      }),
    );
    const { network, hosting } = await host({ web: tcp(port, { allowedSourceAddresses: ['127.9.0.0/16'] }) });
    await talk(await network.dial({ source_addr: '127.9.8.7' }), '');
    expect(from).toEqual(['127.9.8.7']);
    expect(await network.dial({ source_addr: '127.8.8.7' })).toContain('not allowed');
    expect(hosting.targetHosts()).toEqual(['127.0.0.1']);
  });

  it('goes out by its HTTP proxy, and says what the proxy said', async () => {
    const heads: string[] = [];
    const proxy = await opened(
      createServer((socket) => {
        socket.once('data', (head: Buffer) => {
          heads.push(head.toString());
          if (head.includes('denied.corp')) {
            socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
            return;
          }
          socket.write('HTTP/1.1 200 OK\r\nX: y\r\n\r\nearly ');
          socket.pipe(socket);
        });
        socket.on('error', () => undefined);
      }),
    );
    const via = { type: 'http', address: `127.0.0.1:${proxy}` };
    const to = (address: string): Record<string, unknown> => ({
      'host.v1': { protocol: 'tcp', address, port: 443, proxy: via },
    });
    const good = await host({ web: to('inner.corp') });
    expect(await talk(await good.network.dial({}), 'hello')).toBe('early hello');
    expect(heads[0]).toMatch(/^CONNECT inner\.corp:443 HTTP\/1\.1\r\n/);
    const denied = await host({ web: to('denied.corp') });
    expect(await denied.network.dial({})).toContain('status 403');
    const udp = await host({ web: { 'host.v1': { protocol: 'udp', address: 'x', port: 1, proxy: via } } });
    expect(await udp.network.dial({})).toContain('UDP');
  });
});

describe('binding', () => {
  it('uses identity templates, costs and precedences, weakest first', async () => {
    const network = new FakeNetwork();
    const hosting = createHosting({
      clock: systemClock,
      log: silentLog,
      admit: () => ({ kind: 'refuse', reason: { code: 'hosting.refused', sentence: 'x' } }),
    });
    cleanUps.push(() => hosting[Symbol.asyncDispose]());
    const options = { identity: '$tunneler_id.name@$tunneler_id.appData[site]', cost: 7, maxConnections: 5 };
    const defaults = { defaultCost: 3, defaultPrecedence: 'required', serviceCost: 9 } as const;
    await hosting.replace('me', [
      network.service('templated', tcp(1, { listenOptions: options })),
      network.service('itself', tcp(1, { listenOptions: { bindUsingEdgeIdentity: true } }), {
        hostingDefaults: { defaultCost: 3 },
      }),
      network.service('decided', tcp(1, { listenOptions: options }), { hostingDefaults: defaults }),
      network.service('two', { 'host.v2': { terminators: [tcp(1)['host.v1'], tcp(2)['host.v1']] } }),
    ]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(network.bound.map(({ options: bound }) => bound)).toEqual([
      { terminatorIdentity: 'edge box@north', cost: 7, precedence: 'default', maxConnections: 5 },
      { terminatorIdentity: 'edge box', cost: 3, precedence: 'default', maxConnections: 3 },
      { terminatorIdentity: 'edge box@north', cost: 9, precedence: 'required', maxConnections: 5 },
      { cost: 0, precedence: 'default', maxConnections: 3 },
      { cost: 0, precedence: 'default', maxConnections: 3 },
    ]);
    expect(hosting.states().find(({ serviceName }) => serviceName === 'two')).toMatchObject({
      terminators: 4,
      target: 'tcp 127.0.0.1:1, tcp 127.0.0.1:2',
    });
  });

  it('binds what is new, keeps what stays, re-binds what changed, unbinds what is gone', async () => {
    const { hosting, network } = await host({ stays: tcp(1), changes: tcp(2), goes: tcp(3) });
    await hosting.replace('me', [
      network.service('stays', tcp(1)),
      network.service('changes', tcp(22)),
      network.service('new', tcp(4)),
    ]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(network.bound.map(({ live }) => live)).toEqual([true, false, false, true, true]);
    expect(hosting.states().map(({ serviceName, target }) => [serviceName, target])).toEqual([
      ['stays', 'tcp 127.0.0.1:1'],
      ['changes', 'tcp 127.0.0.1:22'],
      ['new', 'tcp 127.0.0.1:4'],
    ]);
    await hosting.remove('me');
    expect(network.bound.every(({ live }) => !live)).toBe(true);
    expect(hosting.states()).toEqual([]);
  });

  it('leaves a service with a bad config out, says why, and hosts the others', async () => {
    const { hosting, network } = await host({
      broken: { 'host.v1': { protocol: 'tcp', address: 'x' } },
      bare: {},
      odd: tcp(1, { mystery: true }),
      good: tcp(1),
    });
    const problems = Object.fromEntries(
      hosting.states().map(({ serviceName, problem }) => [serviceName, problem?.sentence]),
    );
    expect(problems['broken']).toContain('port: missing');
    expect(problems['bare']).toContain('no host config');
    expect(problems['odd']).toContain('mystery');
    expect(problems['good']).toBeUndefined();
    expect(network.bound).toHaveLength(2);
  });

  it('tries again where a bind fails or is stopped, and says why meanwhile', async () => {
    const clock: Clock & ManualClock = new ManualClock();
    const { hosting, network } = await host({}, { clock });
    const states: string[] = [];
    hosting.subscribe(({ problem, terminators }) => states.push(`${terminators} ${problem?.code ?? 'fine'}`));
    network.fail = new TunnelerError('ziti.bind.failed', 'no router');
    await hosting.replace('me', [network.service('web', tcp(1))]);
    await clock.advanceSlowly(1_000);
    expect(hosting.states()[0]?.problem).toMatchObject({ code: 'ziti.bind.failed' });
    network.fail = undefined;
    await clock.advanceSlowly(10_000, 500);
    expect(hosting.states()[0]).toMatchObject({ terminators: 2, problem: undefined });
    network.bound[0]?.stop({ code: 'ziti.bind.refused', sentence: 'bind access lost' });
    expect(hosting.states()[0]).toMatchObject({ terminators: 0, problem: { code: 'ziti.bind.refused' } });
    expect(network.bound[0]?.live).toBe(false);
    await clock.advanceSlowly(70_000, 5_000);
    expect(hosting.states()[0]).toMatchObject({ terminators: 2, problem: undefined });
    expect(states).toContain('0 ziti.bind.failed');
    expect(states).toContain('2 fine');
  });

  it('publishes what its health checks find', async () => {
    const port = await echo();
    const actions = [
      { trigger: 'fail', consecutiveEvents: 2, action: 'mark unhealthy' },
      { trigger: 'pass', action: 'mark healthy' },
    ];
    const portChecks = [{ interval: '100ms', timeout: '1s', address: `127.0.0.1:${port}`, actions }];
    const { hosting, network } = await host({ web: tcp(port, { portChecks }) });
    await expect.poll(() => hosting.states()[0]?.health).toBe('healthy');
    expect(network.bound[0]?.updates).toEqual([]);
    await cleanUps.shift()?.();
    await expect.poll(() => network.bound[0]?.updates.at(-1)).toEqual({ cost: 0, precedence: 'failed' });
    expect(hosting.states()[0]?.health).toBe('unhealthy');
    const again = createServer().listen(port, '127.0.0.1');
    await once(again, 'listening');
    cleanUps.push(() => again.close());
    await expect.poll(() => network.bound[0]?.updates.at(-1)).toEqual({ cost: 0, precedence: 'default' });
    await hosting.remove('me');
  });
});

describe('the resolver connection', () => {
  const dns: HostDns = {
    mx: (name) => Promise.resolve([{ exchange: `mail.${name}`, priority: 10 }]),
    txt: () => Promise.resolve([['part one, ', 'part two'], ['other']]),
    srv: (name) =>
      name.startsWith('none.')
        ? Promise.reject(Object.assign(new Error('x'), { code: 'ENOTFOUND' }))
        : name.startsWith('slow.')
          ? Promise.reject(Object.assign(new Error('x'), { code: 'ETIMEOUT' }))
          : Promise.resolve([{ name: 'sip.corp', port: 5060, priority: 1, weight: 2 }]),
  };
  const wildcard = { 'host.v1': { protocol: 'tcp', forwardAddress: true, allowedAddresses: ['*.corp'], port: 1 } };

  it('answers MX, TXT and SRV for allowed names, one JSON object a message', async () => {
    const { network } = await host({ names: wildcard }, { dns });
    const dialled = await network.dial({ connType: 'resolver' });
    if (typeof dialled === 'string') throw new Error(dialled);
    const sink = RecordingSink.on(dialled.stream);
    const ask = async (question: unknown, id = 1): Promise<unknown> => {
      const before = sink.chunks.length;
      dialled.stream.write(new TextEncoder().encode(JSON.stringify({ id, recursive: true, question: [question] })));
      await sink.until(() => sink.chunks.length > before);
      return JSON.parse(Buffer.from(sink.chunks.at(-1)!).toString());
    };
    expect(await ask({ name: 'a.corp', type: 15 }, 7)).toEqual({
      id: 7,
      status: 0,
      question: [{ name: 'a.corp', type: 15 }],
      answer: [{ name: 'a.corp', type: 15, ttl: 86_400, data: 'mail.a.corp', priority: 10 }],
    });
    expect(await ask({ name: 'a.corp', type: 16 })).toMatchObject({
      answer: [{ data: 'part one, part two' }, { data: 'other' }],
    });
    expect(await ask({ name: '_sip._tcp.corp', type: 33 })).toMatchObject({
      answer: [{ data: 'sip.corp', port: 5060, priority: 1, weight: 2 }],
    });
    expect(await ask({ name: 'a.corp', type: 1 })).toMatchObject({ status: 4 });
    expect(await ask({ name: 'a.other', type: 15 })).toMatchObject({ status: 3 });
    expect(await ask({ name: 'none.corp', type: 33 })).toMatchObject({ status: 3 });
    expect(await ask({ name: 'slow.corp', type: 33 })).toMatchObject({ status: 2 });
    expect(await ask('nonsense')).toMatchObject({ status: 1 });
    dialled.stream.end();
  });

  it('is refused by services that resolve no names', async () => {
    const { network } = await host({ web: tcp(1) }, { dns });
    expect(await network.dial({ connType: 'resolver' })).toContain('resolves no names');
  });

  it('survives whatever a dialer sends', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.json(), fc.string()), async (text) => {
        const answer = await answerMessage(new TextEncoder().encode(text), [], dns);
        expect(answer['status']).toBeTypeOf('number');
      }),
      { numRuns: fuzzRounds(300) },
    );
  });
});
