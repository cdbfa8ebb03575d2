import { afterEach, expect, test } from 'vitest';
import { openMetrics, type Metrics } from '../../main/engine/state/metrics.ts';
import type { SessionEvent } from '../../main/session/sessions.ts';
import { emptyState } from '../support/fake-engine.ts';

const open: Metrics[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
});

async function serve(listen = '127.0.0.1:0'): Promise<Metrics> {
  const status = emptyState().status;
  const metrics = await openMetrics({
    listen,
    status: () => ({
      ...status,
      identities: [{ name: 'a "b"', state: 'ready', controller: '', mfa: 'none' }],
      sessions: { open: 3, total: 9 },
    }),
  });
  open.push(metrics);
  return metrics;
}

test('a scrape shows what is open and what was counted, names escaped', async () => {
  const metrics = await serve();
  const session = { closeReason: 'idle_timeout', bytesSent: 5, bytesReceived: 7 };
  metrics.session({ kind: 'opened', session } as SessionEvent);
  metrics.session({ kind: 'closed', session } as SessionEvent);
  metrics.session({ kind: 'called', session, call: { decision: 'deny' } } as SessionEvent);
  const page = await (await fetch(`http://${metrics.listen}/metrics`)).text();
  expect(page).toContain('culvert_sessions_open 3\n');
  expect(page).toContain('culvert_sessions_closed_total{reason="idle_timeout"} 1\n');
  expect(page).toContain('culvert_session_bytes_total{direction="received"} 7\n');
  expect(page).toContain('culvert_guard_calls_total{decision="deny"} 1\n');
  expect(page).toContain('culvert_identity_ready{identity="a \\"b\\"",state="ready"} 1\n');
  for (const line of page.trim().split('\n')) expect(line).toMatch(/^(# (HELP|TYPE) |[a-z_]+(\{.*\})? [\d.]+$)/);
});

test('what models used is counted by service and model, and however many names there are the page stays small', async () => {
  const metrics = await serve();
  const called = (model: string, service = 'claude'): void =>
    metrics.session({
      kind: 'called',
      session: { service },
      call: { decision: 'allow', model, tokens: { input: 30, output: 5 }, cost: { amount: 0.25, currency: 'USD' } },
    } as SessionEvent);
  called('opus');
  called('opus');
  metrics.session({
    kind: 'called',
    session: { service: 'claude' },
    call: { decision: 'deny', model: 'x' },
  } as SessionEvent);
  for (let at = 0; at < 1_000; at += 1) called(`made-up-${at}`, `svc-${at % 2}`);
  called('opus');
  const page = await (await fetch(`http://${metrics.listen}/metrics`)).text();
  expect(page).toContain('culvert_model_tokens_total{service="claude",model="opus",kind="input"} 90\n');
  expect(page).toContain('culvert_model_tokens_total{service="claude",model="opus",kind="output"} 15\n');
  expect(page).toContain('culvert_model_cost_total{service="claude",model="opus",currency="USD"} 0.75\n');
  expect(page).not.toContain('model="x"');
  const inputs = [...page.matchAll(/culvert_model_tokens_total\{.*kind="input"\} (\d+)/g)];
  expect(inputs.length).toBeLessThanOrEqual(202);
  expect(inputs.reduce((sum, [, tokens]) => sum + Number(tokens), 0)).toBe(1_003 * 30);
});

test('anything else is not found, and other machines are not served', async () => {
  const metrics = await serve();
  expect((await fetch(`http://${metrics.listen}/`)).status).toBe(404);
  await expect(serve('0.0.0.0:0')).rejects.toMatchObject({ code: 'net.listen_not_loopback' });
  await expect(serve(metrics.listen)).rejects.toMatchObject({ code: 'net.address_in_use' });
});
