/** Identities at work on a network under test: enrolled, opened, and what tests do with their streams. */
import { createHash } from 'node:crypto';
import { systemClock } from '../../main/base/clock.ts';
import { silentLog, type Log } from '../../main/base/log.ts';
import type { ByteStream } from '../../main/base/stream.ts';
import type { TunnelerError } from '../../main/base/errors.ts';
import {
  enroll,
  newSoftwareKey,
  openZitiContext,
  type IncomingDial,
  type ZitiContext,
  type ZitiContextOptions,
  type ZitiEvent,
  type ZitiStream,
} from '../../main/ziti/ziti.ts';
import type { Network, NewIdentity, NewService } from './network.ts';
import { until } from './until.ts';

export interface Member {
  readonly id: string;
  readonly context: ZitiContext;
  readonly events: ZitiEvent[];
  readonly options: ZitiContextOptions;
}

const stderrLog: Log = {
  trace: () => undefined,
  debug: (event, fields) => console.error(event, fields),
  info: (event, fields) => console.error(event, fields),
  warn: (event, fields) => console.error(event, fields),
  error: (event, fields) => console.error(event, fields),
  child: () => stderrLog,
};

let names = 0;

/** A name no other test of this process uses. */
export function uniqueName(what: string): string {
  names += 1;
  return `${what}-${names}-${process.pid}`;
}

/** Create, enrol and put to work; `ready` when it resolves. The caller disposes the context. */
export async function join(
  network: Pick<Network, 'admin'>,
  change: Partial<ZitiContextOptions> = {},
  identity: NewIdentity = {},
): Promise<Member> {
  const { id, jwt } = await network.admin.createIdentity(uniqueName('member'), identity);
  const key = await newSoftwareKey();
  const enrolment = await enroll({ jwt, clock: systemClock, prepareKey: () => Promise.resolve(key) });
  return open(id, {
    name: id,
    apis: enrolment.apis,
    caPem: enrolment.caPem,
    credential: { kind: 'certificate', certPem: enrolment.certPem ?? '', key },
    clock: systemClock,
    log: process.env['CULVERT_TEST_LOG'] === '1' ? stderrLog : silentLog,
    version: '0.0.0-test',
    pollPeriodMs: 1000,
    ...change,
  });
}

/** Put an enrolled identity to work (again). */
export async function open(id: string, options: ZitiContextOptions, wait = true): Promise<Member> {
  const context = await openZitiContext(options);
  const events: ZitiEvent[] = [];
  context.events.subscribe((event) => events.push(event));
  if (wait) await until(() => context.state().kind === 'ready', 20_000);
  return { id, context, events, options };
}

export interface Arranged {
  readonly serviceId: string;
  readonly name: string;
  readonly dialPolicy: string;
  readonly bindPolicy: string;
}

/** A service that `dialler` may dial and `host` may host (ids), known to both contexts when this resolves. */
export async function arrange(
  network: Pick<Network, 'admin'>,
  dialler: Member,
  host: Member | { readonly id: string },
  service: Partial<NewService> = {},
): Promise<Arranged> {
  const name = service.name ?? uniqueName('service');
  const serviceId = await network.admin.createService({ ...service, name });
  const policy = (type: 'Dial' | 'Bind', id: string): Promise<string> =>
    network.admin.createServicePolicy({ type, services: [serviceId], identities: [id] });
  const dialPolicy = await policy('Dial', dialler.id);
  const bindPolicy = await policy('Bind', host.id);
  await sees(dialler.context, serviceId, 'Dial');
  if ('context' in host) await sees(host.context, serviceId, 'Bind');
  return { serviceId, name, dialPolicy, bindPolicy };
}

export async function sees(context: ZitiContext, serviceId: string, permission: 'Dial' | 'Bind'): Promise<void> {
  await context.refresh();
  await until(() => context.services().some((s) => s.id === serviceId && s.permissions.includes(permission)), 15_000);
}

/** Host a service with `handle` for each accepted stream; established when this resolves. */
export async function host(
  network: Pick<Network, 'admin'>,
  member: Member,
  serviceId: string,
  handle: (stream: ZitiStream, dial: IncomingDial) => void,
): Promise<AsyncDisposable> {
  const binding = await member.context.bind(serviceId, {}, (dial) => handle(dial.accept(), dial));
  await until(() => binding.terminators() > 0, 15_000);
  await until(async () => (await network.admin.terminators(serviceId)).length > 0, 15_000);
  return binding;
}

/** Write everything back, half-close included. */
export function echo(stream: ByteStream): void {
  stream.start({
    data: (chunk) => {
      if (!stream.write(chunk)) stream.pause();
    },
    drain: () => stream.resume(),
    end: () => stream.end(),
    closed: () => undefined,
  });
}

/** What one end of a stream saw. Resolves when the stream is over, or at the far side's end. */
export interface Received {
  readonly bytes: number;
  readonly sha256: string;
  readonly text: string;
  readonly error: TunnelerError | undefined;
}

/** Read until the far side ends (`by: 'end'`) or the stream is over (`by: 'close'`). */
export function drain(stream: ByteStream, by: 'end' | 'close' = 'close'): Promise<Received> {
  const hash = createHash('sha256');
  const kept: Uint8Array[] = [];
  let bytes = 0;
  return new Promise((resolve) => {
    const finish = (error?: TunnelerError): void => {
      resolve({ bytes, sha256: hash.copy().digest('hex'), text: Buffer.concat(kept).toString(), error });
    };
    stream.start({
      data: (chunk) => {
        bytes += chunk.length;
        hash.update(chunk);
        if (bytes <= 65_536) kept.push(chunk);
      },
      end: () => {
        if (by === 'end') finish();
      },
      drain: () => undefined,
      closed: finish,
    });
  });
}

/** Send `total` bytes of `block` over and over, waiting where the stream asks to; then end. The sink tells of the other way. */
export function pour(
  stream: ByteStream,
  block: Uint8Array,
  total: number,
): { readonly received: Promise<Received>; readonly sha256: string } {
  const sent = createHash('sha256');
  const hash = createHash('sha256');
  let left = total;
  let bytes = 0;
  const feed = (): void => {
    while (left > 0) {
      const chunk = Uint8Array.from(block.subarray(0, Math.min(left, block.length)));
      left -= chunk.length;
      sent.update(chunk);
      if (!stream.write(chunk) && left > 0) return;
    }
    stream.end();
  };
  const received = new Promise<Received>((resolve) => {
    stream.start({
      data: (chunk) => {
        bytes += chunk.length;
        hash.update(chunk);
      },
      end: () => undefined,
      drain: feed,
      closed: (error) => resolve({ bytes, sha256: hash.digest('hex'), text: '', error }),
    });
    feed();
  });
  return {
    received,
    get sha256() {
      return sent.copy().digest('hex');
    },
  };
}
