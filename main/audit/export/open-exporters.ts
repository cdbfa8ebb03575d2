/** The exporters that `culvert.yaml` asks for, each on its own way through what is exported. */
import { readFile } from 'node:fs/promises';
import { TunnelerError } from '../../base/errors.ts';
import { parseHostPort } from '../../base/ip.ts';
import { DisposalStack } from '../../base/lifecycle.ts';
import { defined } from '../../base/defined.ts';
import { openExporter, type Exporter, type ExporterDeps, type ExporterState } from './exporter.ts';
import { fileSink } from './file.ts';
import type { ExportSink } from './sink.ts';
import { syslogSink } from './syslog.ts';

/** One entry under `exporters:` or `collect.exporters`; certificates and keys are paths of PEM files. */
export type ExportTarget =
  | { readonly type: 'ocsf'; readonly file: string }
  | {
      readonly type: 'syslog';
      readonly address: string;
      readonly ca?: string | undefined;
      readonly cert?: string | undefined;
      readonly key?: string | undefined;
      readonly facility?: number | undefined;
    }
  | { readonly type: 'otlp'; readonly url: string; readonly headers?: Readonly<Record<string, string>> | undefined };

/** All exporters of one record. */
export interface Exporters extends AsyncDisposable {
  states(): readonly ExporterState[];
}

/** Start them all. Throws `engine.config_invalid` where a named PEM file cannot be read; a collector that is away is no error. */
export async function openExporters(
  targets: readonly ExportTarget[],
  deps: ExporterDeps & { readonly version: string },
): Promise<Exporters> {
  const owned = new DisposalStack();
  const exporters: Exporter[] = [];
  for (const target of targets) exporters.push(owned.use(openExporter(deps, await sinkOf(target, deps))));
  return {
    states: () => exporters.map((exporter) => exporter.state()),
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

async function sinkOf(target: ExportTarget, deps: ExporterDeps & { readonly version: string }): Promise<ExportSink> {
  const { version } = deps;
  switch (target.type) {
    case 'ocsf':
      return fileSink({ path: target.file, version });
    case 'otlp': {
      // OpenTelemetry's packages take six megabytes, and few ask for them.
      const { otlpSink } = await import('./otlp.ts');
      return otlpSink(defined({ url: target.url, headers: target.headers, version }));
    }
    case 'syslog': {
      const { host, port } = parseHostPort(target.address, 'exporters.syslog.address');
      const pems = await Promise.all([pem('ca', target.ca), pem('cert', target.cert), pem('key', target.key)]);
      const [ca, cert, key] = pems;
      return syslogSink(defined({ host, port, clock: deps.clock, facility: target.facility, version, ca, cert, key }));
    }
  }
}

async function pem(field: 'ca' | 'cert' | 'key', path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new TunnelerError('engine.config_invalid', `exporters.syslog.${field}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
