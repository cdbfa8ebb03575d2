/** Figures for a collector: calls to models under the names of OpenTelemetry's conventions. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { silentLog } from '../../main/base/log.ts';
import { openOtlpMetrics } from '../../main/engine/state/metrics-otlp.ts';
import type { SessionEvent } from '../../main/session/sessions.ts';
import { emptyState } from '../support/fake-engine.ts';

interface Point {
  readonly attributes: { readonly key: string; readonly value: { readonly stringValue?: string } }[];
  readonly sum?: number;
  readonly asDouble?: number;
  readonly explicitBounds?: number[];
}

interface Sent {
  readonly resourceMetrics: {
    readonly scopeMetrics: {
      readonly metrics: (Record<'histogram' | 'sum' | 'gauge', { readonly dataPoints: Point[] } | undefined> & {
        readonly name: string;
        readonly unit: string;
      })[];
    }[];
  }[];
}

const called = (call: object): SessionEvent =>
  ({
    kind: 'called',
    session: { service: 'claude' },
    call: { decision: 'allow', target: '/v1/messages', ...call },
  }) as unknown as SessionEvent;

test('what is counted reaches the collector by the end at the latest, named as others name it', async () => {
  const posted: { readonly path: string; readonly key: unknown; readonly sent: Sent }[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.on('end', () => {
      posted.push({ path: request.url ?? '', key: request.headers['x-key'], sent: JSON.parse(text) as Sent });
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const metrics = openOtlpMetrics({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/metrics`,
    headers: { 'x-key': 'k' },
    everySeconds: 3_600,
    version: '1',
    status: () => ({ ...emptyState().status, sessions: { open: 3, total: 9 } }),
    log: silentLog,
  });
  const cost = { amount: 0.25, currency: 'USD' };
  metrics.session(called({ model: 'opus', tokens: { input: 30, output: 5 }, durationMs: 1_500, cost }));
  metrics.session(called({ model: 'opus', tokens: { input: 12, output: 2 }, durationMs: 250, failed: true }));
  metrics.session(called({ decision: 'deny', model: 'secret' }));
  await metrics[Symbol.asyncDispose]();
  server.close();

  expect(posted.map(({ path, key }) => [path, key])).toEqual([['/v1/metrics', 'k']]);
  const all =
    posted[0]?.sent.resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics: some }) => some)) ??
    [];
  const points = (name: string): { readonly attributes: object; readonly value: number | undefined }[] => {
    const found = all.find((one) => one.name === name);
    const { dataPoints = [] } = found?.histogram ?? found?.sum ?? found?.gauge ?? {};
    return dataPoints.map(({ attributes, sum, asDouble }) => ({
      attributes: Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue])),
      value: sum ?? asDouble,
    }));
  };
  const about = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'anthropic',
    'gen_ai.request.model': 'opus',
    'server.address': 'claude',
  };
  expect(points('gen_ai.client.token.usage')).toEqual([
    { attributes: { ...about, 'gen_ai.token.type': 'input' }, value: 42 },
    { attributes: { ...about, 'gen_ai.token.type': 'output' }, value: 7 },
  ]);
  expect(points('gen_ai.client.operation.duration')).toEqual([
    { attributes: about, value: 1.5 },
    { attributes: { ...about, 'error.type': '_OTHER' }, value: 0.25 },
  ]);
  expect(points('culvert.model.cost')).toMatchObject([{ attributes: { 'culvert.currency': 'USD' }, value: 0.25 }]);
  expect(points('culvert.guard.calls').map(({ value }) => value)).toEqual([2, 1]);
  expect(points('culvert.sessions.open').map(({ value }) => value)).toEqual([3]);
  const usage = all.find(({ name }) => name === 'gen_ai.client.token.usage');
  expect([usage?.unit, usage?.histogram?.dataPoints[0]?.explicitBounds?.at(-1)]).toEqual(['{token}', 67_108_864]);
});

test('a collector that is away is told of, and holds nobody up at the end', async () => {
  const told: string[] = [];
  const metrics = openOtlpMetrics({
    url: 'http://127.0.0.1:1/v1/metrics',
    headers: {},
    everySeconds: 3_600,
    version: '1',
    status: () => emptyState().status,
    log: { ...silentLog, warn: (event: string) => void told.push(event) },
  });
  metrics.session(called({ model: 'opus', tokens: { input: 1, output: 1 } }));
  await metrics[Symbol.asyncDispose]();
  expect(told).toEqual(['metrics.export_failed']);
});
