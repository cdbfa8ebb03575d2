/** The engine's figures for a scraper on this host. Source: Prometheus text format 0.0.4 (prometheus.io, exposition formats). */
import { createServer } from 'node:http';
import { TunnelerError } from '../../base/errors.ts';
import { isLoopback, parseHostPort } from '../../base/ip.ts';
import type { DisposalStack } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import type { StatusView } from '../../api/views.ts';
import type { GuardCall } from '../../guard/guard.ts';
import type { SessionEvent, Sessions } from '../../session/sessions.ts';
import type { EngineConfig } from '../runtime/config.ts';

/** Counters that a status does not hold. */
export interface SessionCounts {
  opened: number;
  closed: Record<string, number>;
  bytesSent: number;
  bytesReceived: number;
  calls: { allow: number; deny: number };
  violations: number;
  /** What calls to models used, by service and model. */
  models: ModelUse[];
}

/** What one model used at one service. */
export interface ModelUse {
  readonly service: string;
  readonly model: string;
  input: number;
  output: number;
  /** In units of each currency. */
  readonly cost: Record<string, number>;
}

/** The endpoint for scrapers, and its counters. */
export interface Metrics extends AsyncDisposable {
  session(event: SessionEvent): void;
  readonly listen: string;
}

/** Serve every scraper and send to every collector the settings name, told of sessions, until the stack closes. Throws as {@link openMetrics}. */
export async function serveMetrics(
  exporters: NonNullable<EngineConfig['exporters']>,
  deps: {
    readonly sessions: Pick<Sessions, 'subscribe'>;
    readonly log: Log;
    readonly version: string;
    readonly status: () => StatusView;
  },
  stack: DisposalStack,
): Promise<void> {
  for (const target of exporters) {
    if (target.type === 'otlp-metrics') {
      // OpenTelemetry's packages take megabytes, and few ask for them.
      const { openOtlpMetrics } = await import('./metrics-otlp.ts');
      const { url, headers = {}, everySeconds = 60 } = target;
      const sent = stack.use(openOtlpMetrics({ ...deps, url, headers, everySeconds }));
      stack.use(deps.sessions.subscribe((event) => sent.session(event)));
    }
    if (target.type !== 'prometheus') continue;
    const metrics = stack.use(await openMetrics({ listen: target.listen, status: deps.status }));
    stack.use(deps.sessions.subscribe(metrics.session));
    deps.log.info('metrics.listening', { listen: metrics.listen });
  }
}

/** Serve `GET /metrics` until disposed. Throws `net.listen_not_loopback`, `net.address_in_use`, `net.listen_failed`. */
export async function openMetrics(deps: {
  readonly listen: string;
  readonly status: () => StatusView;
}): Promise<Metrics> {
  const { host, port } = parseHostPort(deps.listen, 'exporters.prometheus.listen');
  if (!isLoopback(host)) {
    throw new TunnelerError('net.listen_not_loopback', `${deps.listen}: metrics are served on loopback only`);
  }
  const counts: SessionCounts = {
    opened: 0,
    closed: {},
    bytesSent: 0,
    bytesReceived: 0,
    calls: { allow: 0, deny: 0 },
    violations: 0,
    models: [],
  };
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404, { connection: 'close' }).end();
      return;
    }
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
    response.end(renderMetrics(deps.status(), counts));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'EADDRINUSE' ? 'net.address_in_use' : 'net.listen_failed';
      reject(new TunnelerError(code, `metrics on ${deps.listen}: ${error.message}`, { cause: error }));
    });
    server.listen(port, host, resolve);
  });
  const bound = server.address();
  return {
    listen: typeof bound === 'object' && bound !== null ? `${host}:${bound.port}` : deps.listen,
    session: (event) => count(counts, event),
    [Symbol.asyncDispose]() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function count(counts: SessionCounts, event: SessionEvent): void {
  switch (event.kind) {
    case 'opened':
      counts.opened += 1;
      break;
    case 'called':
      counts.calls[event.call.decision] += 1;
      countUse(counts.models, event.session.service, event.call);
      break;
    case 'violated':
      counts.violations += 1;
      break;
    case 'renamed':
    case 'met':
    case 'warned':
      break; // counts have no names
    case 'closed': {
      const { closeReason = 'unknown', bytesSent, bytesReceived } = event.session;
      counts.closed[closeReason] = (counts.closed[closeReason] ?? 0) + 1;
      counts.bytesSent += bytesSent;
      counts.bytesReceived += bytesReceived;
      break;
    }
  }
}

/** Programs name models as they like: beyond so many, those that were not met before are one. */
const maxModels = 200;
const others = 'other';

function countUse(uses: ModelUse[], service: string, { model = others, tokens, cost }: GuardCall): void {
  if (tokens === undefined) return;
  const find = (name: string): ModelUse | undefined =>
    uses.find((use) => use.service === service && use.model === name);
  const name = find(model) === undefined && uses.length >= maxModels ? others : model;
  let use = find(name);
  if (use === undefined) uses.push((use = { service, model: name, input: 0, output: 0, cost: {} }));
  use.input += tokens.input;
  use.output += tokens.output;
  if (cost !== undefined) use.cost[cost.currency] = (use.cost[cost.currency] ?? 0) + cost.amount;
}

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** The page for one scrape. */
export function renderMetrics(status: StatusView, counts: Readonly<SessionCounts>): string {
  const lines: string[] = [];
  const add = (name: string, type: 'counter' | 'gauge', help: string, samples: readonly Sample[]): void => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const [labels, value] of samples) {
      const text = Object.entries(labels).map(([label, shown]) => `${label}="${escape(shown)}"`);
      lines.push(`${name}${text.length === 0 ? '' : `{${text.join(',')}}`} ${value}`);
    }
  };
  add('culvert_info', 'gauge', 'Version and mode, always 1.', [[{ version: status.version, mode: status.mode }, 1]]);
  add('culvert_sessions_open', 'gauge', 'Sessions open now.', [[{}, status.sessions.open]]);
  add('culvert_sessions_opened_total', 'counter', 'Sessions ever opened.', [[{}, counts.opened]]);
  add(
    'culvert_sessions_closed_total',
    'counter',
    'Sessions closed, by reason.',
    Object.entries(counts.closed).map(([reason, value]) => [{ reason }, value]),
  );
  add('culvert_session_bytes_total', 'counter', 'Bytes of closed sessions, by direction.', [
    [{ direction: 'sent' }, counts.bytesSent],
    [{ direction: 'received' }, counts.bytesReceived],
  ]);
  add('culvert_guard_calls_total', 'counter', 'Calls that guards judged.', [
    [{ decision: 'allow' }, counts.calls.allow],
    [{ decision: 'deny' }, counts.calls.deny],
  ]);
  add(
    'culvert_model_tokens_total',
    'counter',
    'Tokens of calls to models, of prompts (input) and answers (output).',
    counts.models.flatMap(({ service, model, input, output }): Sample[] => [
      [{ service, model, kind: 'input' }, input],
      [{ service, model, kind: 'output' }, output],
    ]),
  );
  add(
    'culvert_model_cost_total',
    'counter',
    'What calls to models cost, in units of the currency, where their price is known.',
    counts.models.flatMap(({ service, model, cost }) =>
      Object.entries(cost).map(([currency, amount]): Sample => [{ service, model, currency }, amount]),
    ),
  );
  add('culvert_contract_violations_total', 'counter', 'Contract violations.', [[{}, counts.violations]]);
  add('culvert_services', 'gauge', 'Services by right.', [
    [{ right: 'dial' }, status.services.dial],
    [{ right: 'bind' }, status.services.bind],
  ]);
  add(
    'culvert_identity_ready',
    'gauge',
    '1 where an identity works.',
    status.identities.map(({ name, state }) => [{ identity: name, state }, state === 'ready' ? 1 : 0]),
  );
  add(
    'culvert_router_latency_seconds',
    'gauge',
    'Round trip to a connected edge router.',
    status.routers.flatMap(({ name, identity, latencyMs }): Sample[] =>
      latencyMs === undefined ? [] : [[{ router: name, identity }, latencyMs / 1000]],
    ),
  );
  add('culvert_audit_records', 'gauge', 'Records in the audit journal.', [[{}, status.audit.count]]);
  return `${lines.join('\n')}\n`;
}

function escape(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}
