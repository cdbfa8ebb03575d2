/** OpenTelemetry logs over OTLP/HTTP, through the project's own exporter. */
import { SeverityNumber } from '@opentelemetry/api-logs';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { resourceFromAttributes, type Resource } from '@opentelemetry/resources';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import { orAborted } from '../../base/abort.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { ChainedRecord } from '../chain.ts';
import { sentenceOf } from './ocsf.ts';
import type { ExportedRecord, ExportSink } from './sink.ts';

/** Where records go, and with which headers. */
export interface OtlpOptions {
  /** `https://collector:4318/v1/logs`. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly version: string;
}

/** ExportResultCode.SUCCESS of @opentelemetry/core. */
const exportSuccess = 0;
const timeoutMs = 10_000;

/** A sink over OTLP/HTTP (JSON). The collector's answer is the acknowledgement. */
export function otlpSink(options: OtlpOptions): ExportSink {
  const exporter = new OTLPLogExporter({ url: options.url, headers: { ...options.headers }, timeoutMillis: timeoutMs });
  const resourceOf = (device: string): Resource =>
    resourceFromAttributes({
      'service.name': 'culvert',
      'service.version': options.version,
      'host.name': device,
    });
  const instrumentationScope = { name: 'culvert.audit', version: options.version };

  const toLogRecord = (record: ChainedRecord, resource: Resource): ReadableLogRecord => {
    const ms = Date.parse(record.at);
    const time: [number, number] = [Math.floor(ms / 1000), (ms % 1000) * 1_000_000];
    const warning =
      ['violation', 'alert', 'gap', 'quarantine.added'].includes(record.kind) || record['decision'] === 'deny';
    return {
      hrTime: time,
      hrTimeObserved: time,
      severityNumber: warning ? SeverityNumber.WARN : SeverityNumber.INFO,
      severityText: warning ? 'WARN' : 'INFO',
      eventName: `culvert.${record.kind}`,
      body: sentenceOf(record),
      resource,
      instrumentationScope,
      attributes: attributesOf(record),
      droppedAttributesCount: 0,
    };
  };

  const delivered = (records: readonly ExportedRecord[]): Promise<void> =>
    new Promise((resolve, reject) => {
      // One for all of a device's, for it is by the resource that they are put together.
      const resources = new Map([...new Set(records.map(({ device }) => device))].map((one) => [one, resourceOf(one)]));
      const told = records.map(({ record, device }) =>
        toLogRecord(record, resources.get(device) ?? resourceOf(device)),
      );
      exporter.export(told, (result) => {
        if (result.code === exportSuccess) resolve();
        else reject(exportFailed(options.url, result.error));
      });
    });

  let isCut = false;
  return {
    name: `otlp:${options.url}`,
    async deliver(records, signal) {
      try {
        await orAborted(delivered(records), signal);
      } catch (error) {
        isCut = signal.aborted;
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      const closed = exporter.shutdown();
      // It waits for what is under way, which a collector that does not answer draws out to its timeout.
      if (!isCut) await closed;
    },
  };
}

function attributesOf(record: ChainedRecord): Record<string, string | number | boolean> {
  const attributes: Record<string, string | number | boolean> = {};
  for (const [field, value] of Object.entries(record)) {
    if (value === null || value === undefined) continue;
    const plain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
    attributes[`culvert.${field}`] = plain ? value : JSON.stringify(value);
  }
  return attributes;
}

function exportFailed(url: string, error: Error | undefined): TunnelerError {
  return new TunnelerError('audit.export_failed', `OTLP ${url}: ${error?.message ?? 'refused'}`, {
    cause: error,
    details: { next: 'records wait in the journal and go out when the collector answers' },
  });
}
