/** RFC 5424 messages over TLS with octet counting (RFC 5425); the whole record travels as OCSF JSON in the message. */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { orAborted } from '../../base/abort.ts';
import { sleep, type Clock } from '../../base/clock.ts';
import { TunnelerError } from '../../base/errors.ts';
import { defined } from '../../base/defined.ts';
import type { ChainedRecord } from '../chain.ts';
import { ocsfOf } from './ocsf.ts';
import type { ExportedRecord, ExportSink } from './sink.ts';

/** Where records go, and how the connection is secured. */
export interface SyslogOptions {
  readonly host: string;
  readonly port: number;
  /** PEM trust anchors; absent: the system's. */
  readonly ca?: string;
  /** Client certificate, where the collector asks for one. */
  readonly cert?: string;
  readonly key?: string;
  /** 0–23; default {@link auditFacility}. */
  readonly facility?: number;
  readonly version: string;
  readonly clock: Clock;
}

/** Facility 13, log audit (RFC 5424 section 6.2.1). */
const auditFacility = 13;
/** RFC 5424 severities: 4 warning for what was refused or found, 6 informational. */
const severityOf = (record: ChainedRecord): number =>
  ['violation', 'alert', 'gap', 'quarantine.added'].includes(record.kind) || record['decision'] === 'deny' ? 4 : 6;

/** Private enterprise number 32473 is the one for documentation (RFC 5612); a registered one would stand here. */
const structuredDataId = 'culvert@32473';
const connectTimeoutMs = 10_000;
const ackTimeoutMs = 10_000;

/** One framed message: `LENGTH SP <PRI>1 TIME HOST APP PROCID MSGID [SD] MSG`. */
export function encodeSyslog(
  exported: ExportedRecord,
  options: { readonly version: string; readonly facility?: number },
): string {
  const { record, device } = exported;
  const priority = (options.facility ?? auditFacility) * 8 + severityOf(record);
  const hostname = device.replace(/[^\x21-\x7e]/g, '') || '-';
  const data = `[${structuredDataId} seq="${record.seq}" hash="${record.hash}"]`;
  const message = JSON.stringify(ocsfOf(exported, options.version));
  const text = `<${priority}>1 ${record.at} ${hostname} culvert - ${record.kind} ${data} ${message}`;
  return `${Buffer.byteLength(text)} ${text}`;
}

/** A sink that keeps one connection and opens it anew where it broke. */
export function syslogSink(options: SyslogOptions): ExportSink {
  let socket: TLSSocket | undefined;

  async function connected(signal: AbortSignal): Promise<TLSSocket> {
    if (socket !== undefined && !socket.destroyed && socket.writable) return socket;
    socket = await openConnection(options, signal);
    return socket;
  }

  return {
    name: `syslog:${options.host}:${options.port}`,
    async deliver(records, signal) {
      const connection = await connected(signal);
      const bytes = records.map((record) => encodeSyslog(record, options)).join('');
      try {
        await orAborted(written(connection, bytes), signal);
        await acknowledged(connection, options.clock, signal);
      } catch (error) {
        connection.destroy();
        throw exportFailed(options, error);
      }
    },
    async [Symbol.asyncDispose]() {
      const connection = socket;
      if (connection === undefined || connection.destroyed) return;
      await new Promise<void>((resolve) => connection.end(resolve));
      connection.destroy();
    },
  };
}

function openConnection(options: SyslogOptions, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: options.host,
      port: options.port,
      minVersion: 'TLSv1.2',
      ...(isIP(options.host) === 0 ? { servername: options.host } : {}),
      ...defined({ ca: options.ca, cert: options.cert, key: options.key }),
    });
    const fail = (error: Error): void => {
      socket.destroy();
      reject(exportFailed(options, error));
    };
    const onAbort = (): void => fail(new Error('closing'));
    signal.addEventListener('abort', onAbort, { once: true });
    socket.setTimeout(connectTimeoutMs, () => fail(new Error('no answer')));
    socket.once('error', fail);
    socket.once('secureConnect', () => {
      signal.removeEventListener('abort', onAbort);
      socket.setTimeout(0);
      socket.off('error', fail);
      // What breaks it later shows at the next delivery.
      socket.on('error', () => socket.destroy());
      socket.resume();
      resolve(socket);
    });
  });
}

function written(socket: TLSSocket, bytes: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = (): void => reject(new Error('the collector closed the connection'));
    const onTimeout = (): void => reject(new Error('the collector takes nothing in'));
    socket.once('close', onClose);
    socket.setTimeout(ackTimeoutMs, onTimeout);
    socket.write(bytes, (error) => {
      socket.off('close', onClose);
      socket.off('timeout', onTimeout);
      socket.setTimeout(0);
      if (error) reject(error);
      else resolve();
    });
  });
}

/**
 * Syslog has no acknowledgement; TCP's own is the nearest thing. Linux shows the bytes not yet acknowledged; elsewhere handing them to
 * the system must do. (A collector that dies with the bytes unread still loses them: RFC 5425 section 4.4 says so of the protocol.)
 */
async function acknowledged(socket: TLSSocket, clock: Clock, signal: AbortSignal): Promise<void> {
  const deadline = clock.monotonic() + ackTimeoutMs;
  while (process.platform === 'linux' && (await unacknowledgedBytes(socket)) > 0) {
    if (clock.monotonic() > deadline) throw new Error('the collector does not acknowledge');
    await sleep(clock, 5, signal);
  }
  if (socket.destroyed || socket.readableEnded) throw new Error('the collector closed the connection');
}

/** `tx_queue` of our socket in /proc/net/tcp{,6} (Linux Documentation/networking/proc_net_tcp.rst). */
async function unacknowledgedBytes(socket: TLSSocket): Promise<number> {
  const { localPort, remotePort } = socket;
  if (localPort === undefined || remotePort === undefined) return 0;
  const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0');
  const pattern = new RegExp(
    `^ *\\d+: [0-9A-F]+:${hex(localPort)} [0-9A-F]+:${hex(remotePort)} [0-9A-F]{2} ([0-9A-F]{8}):`,
    'm',
  );
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const match = pattern.exec(await readFile(table, 'utf8').catch(() => ''));
    if (match?.[1] !== undefined) return Number.parseInt(match[1], 16);
  }
  return 0;
}

function exportFailed(options: SyslogOptions, error: unknown): TunnelerError {
  return new TunnelerError(
    'audit.export_failed',
    `syslog ${options.host}:${options.port}: ${(error as Error).message}`,
    {
      cause: error,
      details: { next: 'records wait in the journal and go out when the collector answers' },
    },
  );
}
