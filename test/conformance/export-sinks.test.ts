/** Every sink of exported records, through the suite all of them keep to; test/interop/audit-export.test.ts has it with collectors of others. */
import { mkdirSync, readFileSync, renameSync } from 'node:fs';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { fileSink } from '../../main/audit/export/file.ts';
import { otlpSink } from '../../main/audit/export/otlp.ts';
import { syslogSink } from '../../main/audit/export/syslog.ts';
import { systemClock } from '../../main/base/clock.ts';
import { readIfThereSync } from '../../main/files/read-if-there.ts';
import { selfSigned } from '../support/self-signed.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { exportSinkConformance, type Collector } from './export-sink.ts';
import { listening } from '../support/listening.ts';

const device = { version: '0.2.0' };
type Mode = 'there' | 'away' | 'silent';

/** Whoever reads the file may take its directory away, or the file itself (as those who rotate do). */
function fileCollector(): Promise<Collector> {
  const above = temporaryDirectory('ocsf');
  const [directory, aside] = [join(above, 'events'), join(above, 'aside')];
  mkdirSync(directory);
  const path = join(directory, 'ocsf.jsonl');
  const rotated = join(above, 'rotated.jsonl');
  return Promise.resolve({
    sink: () => fileSink({ path, ...device }),
    sequences() {
      const text = (readIfThereSync(rotated) ?? '') + readFileSync(path, 'utf8');
      const events = text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { metadata: { sequence: number } });
      return Promise.resolve(events.map(({ metadata }) => metadata.sequence));
    },
    fail() {
      if (readIfThereSync(path) !== undefined) renameSync(path, rotated);
      renameSync(directory, aside);
      return Promise.resolve();
    },
    recover() {
      renameSync(aside, directory);
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
}

interface OtlpBody {
  readonly resourceLogs: readonly {
    readonly scopeLogs: readonly {
      readonly logRecords: readonly {
        readonly attributes: readonly { readonly key: string; readonly value: { readonly intValue?: string } }[];
      }[];
    }[];
  }[];
}

async function otlpCollector(): Promise<Collector> {
  const sequences: number[] = [];
  let mode: Mode = 'there';
  const answer = (body: string, response: ServerResponse): void => {
    if (mode === 'silent') return;
    // Not to be tried again by the exporter itself, so that the journal's own way is taken.
    if (mode === 'away') return void response.writeHead(401).end();
    const { resourceLogs } = JSON.parse(body) as OtlpBody;
    const rows = resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords));
    sequences.push(
      ...rows.map(({ attributes }) => Number(attributes.find(({ key }) => key === 'culvert.seq')?.value.intValue)),
    );
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  };
  const server = createHttpServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => answer(Buffer.concat(chunks).toString(), response));
  });
  const port = await listening(server);
  return {
    sink: () => otlpSink({ url: `http://127.0.0.1:${port}/v1/logs`, ...device }),
    sequences: () => Promise.resolve(sequences),
    fail: (how) => Promise.resolve(void (mode = how)),
    recover: () => Promise.resolve(void (mode = 'there')),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function syslogCollector(): Promise<Collector> {
  const { key, cert } = await selfSigned('127.0.0.1');
  const sequences: number[] = [];
  const sockets = new Set<Socket>();
  let mode: Mode = 'there';
  const server = createTlsServer({ key, cert }, (socket) => {
    if (mode === 'away') return void socket.destroy();
    sockets.add(socket);
    socket.on('error', () => undefined);
    // RFC 5425: the length in octets, a blank, the message.
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        const blank = rest.indexOf(0x20);
        const length = Number(rest.subarray(0, blank).toString());
        if (blank < 0 || rest.length < blank + 1 + length) return;
        const message = rest.subarray(blank + 1, blank + 1 + length).toString();
        sequences.push(Number(/\[culvert@32473 seq="(\d+)"/.exec(message)?.[1]));
        rest = rest.subarray(blank + 1 + length);
      }
    });
    if (mode === 'silent') socket.pause();
  });
  const port = await listening(server);
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  return {
    sink: () => syslogSink({ host: '127.0.0.1', port, ca: cert, clock: systemClock, ...device }),
    sequences: () => Promise.resolve(sequences),
    fail(how) {
      mode = how;
      cut();
      return Promise.resolve();
    },
    recover: () => Promise.resolve(void (mode = 'there')),
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

exportSinkConformance('an OCSF file', fileCollector, { canBeSilent: false });
exportSinkConformance('OTLP over HTTP', otlpCollector, { canBeSilent: true });
exportSinkConformance('syslog over TLS', syslogCollector, { canBeSilent: true });
