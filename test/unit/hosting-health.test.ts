import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../main/base/clock.ts';
import { Health } from '../../main/hosting/health.ts';
import { runProbe } from '../../main/hosting/health-probe.ts';
import { parseHostConfigs } from '../../main/hosting/host-config.ts';
import type { HealthCheck } from '../../main/hosting/host-config.ts';
import { listening } from '../support/listening.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

function opened(server: Server): Promise<number> {
  cleanUps.push(() => server.close());
  return listening(server);
}

function checks(config: Record<string, unknown>): readonly HealthCheck[] {
  const parsed = parseHostConfigs({ 'host.v1': { protocol: 'tcp', address: 'x', port: 1, ...config } });
  const [first] = parsed?.terminators ?? [];
  if (first === undefined) throw new Error(parsed?.problems.join());
  return first.checks;
}

const actions = (...list: Record<string, unknown>[]): HealthCheck['actions'] =>
  checks({ portChecks: [{ interval: '1s', timeout: '1s', address: 'x:1', actions: list }] })[0]?.actions ?? [];

const never = new AbortController().signal;

describe('health of a terminator', () => {
  it('fails after so many failures in a row, and comes back to its own precedence', () => {
    const health = new Health({ cost: 10, precedence: 'required' });
    const rules = actions(
      { trigger: 'fail', consecutiveEvents: 3, action: 'mark unhealthy' },
      { trigger: 'pass', consecutiveEvents: 2, action: 'mark healthy' },
    );
    const seen = [false, false, true, false, false, false, true, true].map((passed, at) => {
      health.report(0, passed, rules, at);
      return health.state.precedence;
    });
    expect(seen).toEqual(['required', 'required', 'required', 'required', 'required', 'failed', 'failed', 'required']);
  });

  it('raises and lowers the cost between its own and the highest, and not while it is out of service', () => {
    const health = new Health({ cost: 100, precedence: 'default' });
    const rules = actions(
      { trigger: 'fail', action: 'increase cost 40000' },
      { trigger: 'pass', action: 'decrease cost 50000' },
    );
    const cost = (passed: boolean): number => {
      health.report(0, passed, rules, 0);
      return health.state.cost;
    };
    expect([cost(false), cost(false), cost(true), cost(true)]).toEqual([40_100, 65_535, 15_535, 100]);
    health.report(1, false, actions({ trigger: 'fail', action: 'mark unhealthy' }), 0);
    expect(cost(false)).toBe(100);
  });

  it('acts on durations, on changes, and sends events', () => {
    const health = new Health({ cost: 0, precedence: 'default' });
    const after10s = actions({ trigger: 'fail', duration: '10s', action: 'mark unhealthy' });
    health.report(0, false, after10s, 0);
    health.report(0, false, after10s, 9_999);
    expect(health.state.precedence).toBe('default');
    health.report(0, false, after10s, 10_000);
    expect(health.state.precedence).toBe('failed');
    const onChange = actions({ trigger: 'change', action: 'send event' });
    const events = [true, true, false, false, true].map((passed) => health.report(1, passed, onChange, 0).sendEvent);
    expect(events).toEqual([true, false, true, false, true]);
  });

  it('is unchecked before the first result, and healthy only while every check passes', () => {
    const health = new Health({ cost: 0, precedence: 'default' });
    expect(health.summary).toBe('unchecked');
    health.report(0, true, [], 0);
    expect(health.summary).toBe('healthy');
    health.report(1, false, [], 0);
    expect(health.summary).toBe('unhealthy');
  });
});

describe('a probe', () => {
  const http = (port: number, more: Record<string, unknown>): HealthCheck =>
    checks({ httpChecks: [{ interval: '1s', timeout: '300ms', url: `http://127.0.0.1:${port}/`, ...more }] })[0]!;

  it('of a port passes while something listens there', async () => {
    const port = await opened(createServer((socket) => socket.end()));
    const check = (at: number): HealthCheck =>
      checks({ portChecks: [{ interval: '1s', timeout: '1s', address: `127.0.0.1:${at}` }] })[0]!;
    expect(await runProbe(check(port), systemClock, never)).toEqual({ passed: true });
    await cleanUps.pop()?.();
    expect(await runProbe(check(port), systemClock, never)).toMatchObject({ passed: false });
  });

  it('of a page goes by its method, body, status and text', async () => {
    const port = await opened(
      createHttpServer((request, response) => {
        let body = '';
        request.on('data', (chunk: Buffer) => (body += chunk.toString()));
        request.on('end', () => response.writeHead(body === '' ? 200 : 202).end(`${request.method} ok ${body}`));
      }),
    );
    const passed = async (more: Record<string, unknown>): Promise<boolean> =>
      (await runProbe(http(port, more), systemClock, never)).passed;
    expect(await passed({})).toBe(true);
    expect(await passed({ expectStatus: 204 })).toBe(false);
    expect(await passed({ expectInBody: 'GET ok' })).toBe(true);
    expect(await passed({ expectInBody: 'not ok' })).toBe(false);
    expect(await passed({ method: 'POST', body: 'ping', expectStatus: 202, expectInBody: 'POST ok ping' })).toBe(true);
  });

  it('fails when the page takes too long, or says too much', async () => {
    const port = await opened(createHttpServer(() => undefined));
    expect(await runProbe(http(port, {}), systemClock, never)).toMatchObject({ passed: false });
    const endless = await opened(
      createHttpServer((_request, response) => {
        const more = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(65_536, 'x')));
        };
        response.on('drain', more);
        more();
      }),
    );
    const check = { ...http(endless, { expectInBody: 'never' }), timeoutMs: 10_000 };
    expect(await runProbe(check, systemClock, never)).toMatchObject({ passed: false });
  });
});
