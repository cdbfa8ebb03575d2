/**
 * The engine's figures, sent to an OpenTelemetry collector over OTLP/HTTP by the project's own exporter: calls to models under the names that
 * OpenTelemetry gives them, so that dashboards for models show them as they are, and sessions under our own.
 * Source: OpenTelemetry semantic conventions 1.37, "Generative AI client metrics" (`gen_ai.client.*`).
 */
import { hostname } from 'node:os';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AggregationType,
  MeterProvider,
  PeriodicExportingMetricReader,
  type ResourceMetrics,
  type ViewOptions,
} from '@opentelemetry/sdk-metrics';
import type { Log } from '../../base/log.ts';
import type { StatusView } from '../../api/views.ts';
import type { GuardCall } from '../../guard/guard.ts';
import { dialectOf, type Dialect } from '../../guard/http/refusal.ts';
import type { SessionEvent } from '../../session/sessions.ts';

/** Where figures go, and how often. */
export interface OtlpMetricsDeps {
  /** `https://collector:4318/v1/metrics`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly everySeconds: number;
  readonly version: string;
  readonly status: () => StatusView;
  readonly log: Log;
}

/** Is told of sessions. Disposing sends what was counted since, and waits no longer than a request may take. */
export interface OtlpMetrics extends AsyncDisposable {
  session(event: SessionEvent): void;
}

const timeoutMs = 5_000;
/** Boundaries that the conventions give, in tokens and in seconds. */
const tokenBounds = [
  1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
];
const secondBounds = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

/** A collector that is away is no error: what was counted goes with the next turn. */
export function openOtlpMetrics(deps: OtlpMetricsDeps): OtlpMetrics {
  const provider = new MeterProvider({
    resource: resourceFromAttributes({
      'service.name': 'culvert',
      'service.version': deps.version,
      'host.name': hostname(),
    }),
    views: [
      bounded('gen_ai.client.token.usage', tokenBounds),
      bounded('gen_ai.client.operation.duration', secondBounds),
    ],
    readers: [
      new PeriodicExportingMetricReader({
        exporter: new ToldExporter(deps),
        exportIntervalMillis: deps.everySeconds * 1_000,
        exportTimeoutMillis: Math.min(timeoutMs, deps.everySeconds * 1_000),
      }),
    ],
  });
  const meter = provider.getMeter('culvert', deps.version);
  const tokens = meter.createHistogram('gen_ai.client.token.usage', { unit: '{token}' });
  const duration = meter.createHistogram('gen_ai.client.operation.duration', { unit: 's' });
  const cost = meter.createCounter('culvert.model.cost', { description: 'What calls to models cost, by currency.' });
  const calls = meter.createCounter('culvert.guard.calls', { description: 'Calls that guards judged.' });
  const opened = meter.createCounter('culvert.sessions.opened');
  const closed = meter.createCounter('culvert.sessions.closed');
  const open = meter.createObservableGauge('culvert.sessions.open');
  open.addCallback((result) => result.observe(deps.status().sessions.open));

  const called = (service: string, call: GuardCall): void => {
    calls.add(1, { 'culvert.decision': call.decision });
    if (call.tokens === undefined) return;
    const about = attributesOf(service, call);
    tokens.record(call.tokens.input, { ...about, 'gen_ai.token.type': 'input' });
    tokens.record(call.tokens.output, { ...about, 'gen_ai.token.type': 'output' });
    const failed = call.failed === true ? { 'error.type': '_OTHER' } : {};
    if (call.durationMs !== undefined) duration.record(call.durationMs / 1_000, { ...about, ...failed });
    if (call.cost !== undefined) cost.add(call.cost.amount, { ...about, 'culvert.currency': call.cost.currency });
  };
  return {
    session(event) {
      if (event.kind === 'opened') opened.add(1);
      else if (event.kind === 'closed') closed.add(1, { 'culvert.reason': event.session.closeReason ?? 'unknown' });
      else if (event.kind === 'called') called(event.session.service, event.call);
    },
    [Symbol.asyncDispose]: () => provider.shutdown({ timeoutMillis: timeoutMs }),
  };
}

/** Says when a collector does not take what it was sent. */
class ToldExporter extends OTLPMetricExporter {
  readonly #deps: Pick<OtlpMetricsDeps, 'url' | 'log'>;

  constructor(deps: OtlpMetricsDeps) {
    super({ url: deps.url, headers: { ...deps.headers }, timeoutMillis: timeoutMs });
    this.#deps = deps;
  }

  override export(metrics: ResourceMetrics, done: Parameters<OTLPMetricExporter['export']>[1]): void {
    super.export(metrics, (result) => {
      const { url, log } = this.#deps;
      if (result.error !== undefined) log.warn('metrics.export_failed', { url, error: result.error.message });
      done(result);
    });
  }
}

function bounded(instrumentName: string, boundaries: number[]): ViewOptions {
  const aggregation = { type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM, options: { boundaries } } as const;
  return { instrumentName, aggregation };
}

/** As far as a call at its guard tells: which kind of service it is, is known by the words it is asked in. */
function attributesOf(service: string, { target, model }: GuardCall): Record<string, string> {
  return {
    'gen_ai.operation.name': operationOf(target),
    'gen_ai.provider.name': providers[dialectOf(target)],
    'server.address': service,
    ...(model === undefined ? {} : { 'gen_ai.request.model': model }),
  };
}

const providers: Readonly<Record<Dialect, string>> = {
  openai: 'openai',
  anthropic: 'anthropic',
  gemini: 'gcp.gemini',
  ollama: 'ollama',
  bedrock: 'aws.bedrock',
  cohere: 'cohere',
};

function operationOf(target: string): string {
  if (/embed/i.test(target)) return 'embeddings';
  if (/:(?:stream)?generateContent$/i.test(target)) return 'generate_content';
  return /\/(?:v1\/completions|v1\/complete|api\/generate)$/.test(target) ? 'text_completion' : 'chat';
}
