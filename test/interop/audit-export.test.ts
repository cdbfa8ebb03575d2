/** Export to collectors that run here: rsyslog over TLS, an OTLP/HTTP receiver, a file. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openAudit, type Audit } from '../../main/audit/audit.ts';
import { openExporter, type Exporter } from '../../main/audit/export/exporter.ts';
import { journalSource } from '../../main/audit/export/journal-source.ts';
import { fileSink } from '../../main/audit/export/file.ts';
import { otlpSink } from '../../main/audit/export/otlp.ts';
import { syslogSink } from '../../main/audit/export/syslog.ts';
import type { ExportSink } from '../../main/audit/export/sink.ts';
import { systemClock } from '../../main/base/clock.ts';
import { silentLog } from '../../main/base/log.ts';
import { until } from '../support/until.ts';
import { mustSkip } from '../support/optional.ts';
import { findTool, toolsMissing } from '../support/tools.ts';
import { freePort } from '../support/child.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const device = { version: '0.1.0' };

async function journal(): Promise<{ audit: Audit; stateDirectory: string; export: (sink: ExportSink) => Exporter }> {
  const stateDirectory = await mkdtemp(join(tmpdir(), 'culvert-export-'));
  const audit = openAudit({ stateDirectory, clock: systemClock, log: silentLog });
  cleanUps.push(() => audit[Symbol.asyncDispose]());
  return {
    audit,
    stateDirectory,
    export(sink) {
      const exporter = openExporter(
        {
          stateDirectory,
          source: journalSource(stateDirectory, 'edge-7'),
          clock: systemClock,
          log: silentLog,
          onRecord: (listener) => audit.subscribe(listener),
        },
        sink,
      );
      cleanUps.push(() => exporter[Symbol.asyncDispose]());
      return exporter;
    },
  };
}

function call(audit: Audit, n: number): void {
  audit.record({
    kind: 'call',
    agent: 'claude-code',
    service: 'mcp',
    tool: `tool-${n}`,
    decision: n % 2 ? 'allow' : 'deny',
  });
}

describe('OCSF file', () => {
  it('holds each record once, in order, as a valid event', async () => {
    const { audit, stateDirectory, export: start } = await journal();
    const path = join(stateDirectory, 'ocsf.jsonl');
    const exporter = start(fileSink({ path, ...device }));
    for (let n = 1; n <= 500; n += 1) call(audit, n);
    await until(() => exporter.state().deliveredSeq === 500);
    const events = (await readFile(path, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.map((event) => (event['metadata'] as { sequence: number }).sequence)).toEqual(
      [...Array(500).keys()].map((n) => n + 1),
    );
    expect(events[0]).toMatchObject({
      class_uid: 6003,
      type_uid: 600399,
      actor: { app_name: 'claude-code' },
      api: { operation: 'tool-1' },
    });
  });
});

interface Receiver {
  readonly url: string;
  readonly sequences: number[];
  stop(): Promise<void>;
}

async function otlpReceiver(port: number): Promise<Receiver> {
  const sequences: number[] = [];
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as OtlpBody;
      for (const { attributes } of body.resourceLogs.flatMap((r) => r.scopeLogs.flatMap((s) => s.logRecords))) {
        const seq = attributes.find((attribute) => attribute.key === 'culvert.seq');
        sequences.push(Number(seq?.value.intValue));
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  cleanUps.push(stop);
  return { url: `http://127.0.0.1:${port}/v1/logs`, sequences, stop };
}

interface OtlpBody {
  resourceLogs: {
    scopeLogs: { logRecords: { attributes: { key: string; value: { intValue?: string | number } }[] }[] }[];
  }[];
}

describe('OTLP receiver', () => {
  it('away for a while: nothing lost, nothing doubled, order kept', async () => {
    const port = await freePort();
    const { audit, export: start } = await journal();
    const first = await otlpReceiver(port);
    const exporter = start(otlpSink({ url: first.url, ...device }));
    for (let n = 1; n <= 50; n += 1) call(audit, n);
    await until(() => exporter.state().deliveredSeq === 50);
    await first.stop();
    for (let n = 51; n <= 120; n += 1) call(audit, n);
    await until(() => exporter.state().error?.code === 'audit.export_failed', 20_000);
    const second = await otlpReceiver(port);
    await until(() => exporter.state().deliveredSeq === 120, 40_000);
    expect([...first.sequences, ...second.sequences]).toEqual([...Array(120).keys()].map((n) => n + 1));
    expect(exporter.state().error).toBeUndefined();
  }, 90_000);
});

/** A throw-away CA and server certificate by openssl, and rsyslogd on one TLS port writing the MSG part of each message. */
async function rsyslog(
  directory: string,
  port: number,
): Promise<{ ca: string; start(): ChildProcess; output: string }> {
  const run = (...args: string[]): void => void execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
  run(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-subj',
    '/CN=test-ca',
    '-days',
    '2',
  );
  run('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=127.0.0.1');
  await writeFile(join(directory, 'ext'), 'subjectAltName=IP:127.0.0.1\n');
  run(
    'x509',
    '-req',
    '-in',
    'server.csr',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-days',
    '2',
    '-out',
    'server.pem',
    '-extfile',
    'ext',
  );
  const output = join(directory, 'out.log');
  const config = join(directory, 'rsyslog.conf');
  await writeFile(
    config,
    `global(workDirectory="${directory}" defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="${directory}/ca.pem"
       defaultNetstreamDriverCertFile="${directory}/server.pem" defaultNetstreamDriverKeyFile="${directory}/server.key" maxMessageSize="128k")
     module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
     template(name="line" type="string" string="%msgid% %structured-data% %msg%\\n")
     ruleset(name="all") { action(type="omfile" file="${output}" template="line") }
     input(type="imtcp" port="${port}" address="127.0.0.1" ruleset="all")\n`,
  );
  return {
    ca: readFileSync(join(directory, 'ca.pem'), 'utf8'),
    output,
    start() {
      const child = spawn(findTool('rsyslogd') ?? 'rsyslogd', ['-n', '-f', config, '-i', join(directory, 'pid')], {
        stdio: 'ignore',
      });
      cleanUps.push(() => stopped(child));
      return child;
    },
  };
}

function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}

describe.skipIf(mustSkip(toolsMissing('rsyslogd', 'rsyslog-gnutls', 'openssl')))('rsyslog over TLS', () => {
  it('gets each record once, in order, also after it was away', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'culvert-rsyslog-'));
    const port = await freePort();
    const collector = await rsyslog(directory, port);
    const first = collector.start();
    const { audit, export: start } = await journal();
    const sink = syslogSink({ host: '127.0.0.1', port, ca: collector.ca, clock: systemClock, ...device });
    const exporter = start(sink);
    for (let n = 1; n <= 100; n += 1) call(audit, n);
    await until(() => exporter.state().deliveredSeq === 100, 30_000);
    await stopped(first);
    for (let n = 101; n <= 200; n += 1) call(audit, n);
    await until(() => exporter.state().error !== undefined, 20_000);
    collector.start();
    await until(() => exporter.state().deliveredSeq === 200, 60_000);
    const sequences = async (): Promise<number[]> =>
      [...(await readFile(collector.output, 'utf8')).matchAll(/seq="(\d+)"/g)].map((match) => Number(match[1]));
    await until(async () => (await sequences()).length >= 200, 10_000);
    expect(await sequences()).toEqual([...Array(200).keys()].map((n) => n + 1));
    const [line] = (await readFile(collector.output, 'utf8')).split('\n');
    expect(line).toMatch(/^call \[culvert@32473 seq="1" hash="[0-9a-f]{64}"\] +\{"time":/);
  }, 120_000);

  it('of another authority is refused, and the records wait', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'culvert-rsyslog-'));
    const port = await freePort();
    const collector = await rsyslog(directory, port);
    collector.start();
    const { audit, export: start } = await journal();
    const exporter = start(syslogSink({ host: '127.0.0.1', port, clock: systemClock, ...device }));
    call(audit, 1);
    await until(() => exporter.state().error?.code === 'audit.export_failed', 20_000);
    expect(exporter.state().deliveredSeq).toBe(0);
  }, 60_000);
});
