/**
 * The resolver connection: MX, TXT and SRV questions about names of a wildcard service, answered from the host's own DNS. One JSON object a
 * message. Sources: openziti/ziti tunnel/intercept/hosting_resolv.go, openziti/ziti-tunnel-sdk-c lib/ziti-tunnel-cbs/dns_host.c.
 */
import { Resolver } from 'node:dns/promises';
import type { MxRecord, SrvRecord } from 'node:dns';
import { defined } from '../base/defined.ts';
import { canonicalName } from '../base/hostname.ts';
import type { Log } from '../base/log.ts';
import type { ByteStream } from '../base/stream.ts';
import { errnoOf } from '../sockets/socket-error.ts';
import { allowsName } from './allow-list.ts';
import type { AllowedAddress } from './allow-list.ts';

/** RR types, RFC 1035 section 3.2.2 and RFC 2782. */
const recordType = { mx: 15, txt: 16, srv: 33 } as const;
/** RCODE, RFC 1035 section 4.1.1. */
const status = { noError: 0, formatError: 1, serverFailure: 2, nameError: 3, notImplemented: 4 } as const;
/** As the Go tunneler has it. */
const ttlSeconds = 86_400;
const maxMessageBytes = 4 * 1024;
/** Questions of one connection under way; more are answered with a server failure. */
const maxPending = 32;

/** The look-ups the host offers. Rejections carry Node's DNS error codes. */
export interface HostDns {
  mx(name: string): Promise<readonly MxRecord[]>;
  txt(name: string): Promise<readonly (readonly string[])[]>;
  srv(name: string): Promise<readonly SrvRecord[]>;
}

/** The system's DNS servers, 2 s a try, two tries. */
export function systemDns(): HostDns {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  return {
    mx: (name) => resolver.resolveMx(name),
    txt: (name) => resolver.resolveTxt(name),
    srv: (name) => resolver.resolveSrv(name),
  };
}

interface Answer {
  readonly name: string;
  readonly type: number;
  readonly ttl: number;
  readonly data: string;
  readonly priority?: number;
  readonly weight?: number;
  readonly port?: number;
}

/** Serve one accepted resolver connection until the dialer ends it. Owns the stream. */
export function serveResolver(stream: ByteStream, allowed: readonly AllowedAddress[], dns: HostDns, log: Log): void {
  let pending = 0;
  let open = true;
  const send = (message: Readonly<Record<string, unknown>>): void => {
    if (open) stream.write(new TextEncoder().encode(JSON.stringify(message)));
  };
  stream.start({
    data(chunk) {
      if (pending >= maxPending) {
        log.debug('hosting.resolver_busy');
        send({ status: status.serverFailure });
        return;
      }
      pending += 1;
      void answerMessage(chunk, allowed, dns).then((message) => {
        pending -= 1;
        send(message);
      });
    },
    end: () => stream.end(),
    drain: () => undefined,
    closed() {
      open = false;
    },
  });
}

/** One request to one response. Never rejects, whatever the bytes. */
export async function answerMessage(
  bytes: Uint8Array,
  allowed: readonly AllowedAddress[],
  dns: HostDns,
): Promise<Readonly<Record<string, unknown>>> {
  const request = parseRequest(bytes);
  if (request === undefined) return { status: status.formatError };
  const { id, question } = request;
  const name = canonicalName(question.name);
  const head = { ...defined({ id }), question: [question] };
  if (name === undefined || !allowsName(allowed, name)) return { ...head, status: status.nameError };
  try {
    const answer = await lookUp(name, question.type, dns);
    return answer === undefined
      ? { ...head, status: status.notImplemented, comment: `record type ${question.type} is not answered here` }
      : { ...head, status: status.noError, answer: answer.map((one) => ({ ...one, name: question.name })) };
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENODATA') return { ...head, status: status.noError, answer: [] };
    if (errno === 'ENOTFOUND') return { ...head, status: status.nameError };
    return { ...head, status: status.serverFailure, comment: errno ?? 'look-up failed' };
  }
}

function parseRequest(
  bytes: Uint8Array,
):
  { readonly id: number | undefined; readonly question: { readonly name: string; readonly type: number } } | undefined {
  if (bytes.length > maxMessageBytes) return undefined;
  let raw: unknown;
  try {
    raw = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
  if (typeof raw !== 'object' || raw === null || !('question' in raw) || !Array.isArray(raw.question)) return undefined;
  const questions: readonly unknown[] = raw.question;
  const [question] = questions;
  if (questions.length !== 1 || typeof question !== 'object' || question === null) return undefined;
  if (!('name' in question) || typeof question.name !== 'string') return undefined;
  if (!('type' in question) || typeof question.type !== 'number') return undefined;
  const id = 'id' in raw && typeof raw.id === 'number' ? raw.id : undefined;
  return { id, question: { name: question.name, type: question.type } };
}

async function lookUp(name: string, type: number, dns: HostDns): Promise<Answer[] | undefined> {
  const common = { name, type, ttl: ttlSeconds };
  switch (type) {
    case recordType.mx:
      return (await dns.mx(name)).map(({ exchange, priority }) => ({ ...common, data: exchange, priority }));
    case recordType.txt:
      return (await dns.txt(name)).map((parts) => ({ ...common, data: parts.join('') }));
    case recordType.srv:
      return (await dns.srv(name)).map(({ name: target, priority, weight, port }) => ({
        ...common,
        data: target,
        priority,
        weight,
        port,
      }));
    default:
      return undefined;
  }
}
