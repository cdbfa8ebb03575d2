/** Questions to one dark service each: dialled as whoever asked, sent as they came, answered as the service answers. */
import {
  Agent,
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http';
import type { Duplex } from 'node:stream';
import type { App } from '../../apps/app.ts';
import type { Admit } from '../../base/flow.ts';
import type { Reason } from '../../base/reason.ts';
import type { HeldClaim } from '../../guard/held-budget.ts';
import { duplexEnd } from '../../sockets/duplex-end.ts';
import type { LoopbackCaller } from './loopback-caller.ts';

/** A body in which the model is looked for; larger ones are refused. */
export const maxBodyBytes = 32 * 1024 * 1024;

/** Of one connection: what the guard on the way writes itself, or what is between two neighbours only. */
const ownHeaders: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'upgrade',
  'te',
  'trailer',
  'proxy-connection',
]);

/** A question, and who asks it. */
export interface Asked {
  readonly caller: LoopbackCaller;
  readonly method: string;
  readonly target: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
}

/** The head of an answer; its body is still to come. */
export type Told = IncomingMessage & { readonly status: number };

/** Asks one service; rejects where it cannot be dialled or ends before it answers. `signal` gives the question up. */
export type Ask = (service: string, asked: Asked, signal: AbortSignal) => Promise<Told>;

/** A question over a session of its own, admitted as the program that asks. */
export function askOver(admitAs: (app: App) => Admit): Ask {
  return async (service, { caller, method, target, headers, body }, signal) => {
    const socket = await dialAs(admitAs, caller, service, signal);
    return new Promise((resolve, reject) => {
      const length = body.length === 0 && method !== 'POST' ? {} : { 'content-length': String(body.length) };
      const going = httpRequest({
        method,
        path: target,
        headers: { ...headers, ...length },
        agent: agentOver(socket),
        signal,
      });
      going.once('response', (response) => resolve(Object.assign(response, { status: response.statusCode ?? 502 })));
      going.on('error', reject);
      going.end(body);
    });
  };
}

/** A connection to one service, admitted as the program that asks. Rejects where that is not let in, or the service is not there. */
export async function dialAs(
  admitAs: (app: App) => Admit,
  { app, flow }: LoopbackCaller,
  service: string,
  signal: AbortSignal,
): Promise<Duplex> {
  const admission = await admitAs(app)({ ...flow, service }, { signal });
  if (admission.kind === 'dialled') {
    const { duplex, stream } = duplexEnd();
    admission.join(stream);
    return duplex;
  }
  throw new NotLetIn(admission.reason);
}

/** Codes of what keeps a service from being reached, whoever asks; any other is a word on the asker. */
const unreachable = /^(?:ziti|hosting|sockets|net)\./;

/** A service was not dialled. */
class NotLetIn extends Error {
  /** It is not there; false: whoever asks is not let in, which says nothing of it. */
  readonly isItsFault: boolean;

  constructor({ code, sentence }: Reason) {
    super(sentence);
    this.isItsFault = unreachable.test(code);
  }
}

/** A service was not reached, or did not begin to answer. */
export class Unanswered {
  readonly why: string;
  /** The failure is the service's own, and no word on whoever asked. */
  readonly isItsFault: boolean;

  constructor(error: unknown) {
    this.why = String(error);
    this.isItsFault = !(error instanceof NotLetIn) || error.isItsFault;
  }
}

/** What came of asking one service. */
export function orUnanswered<T>(asking: Promise<T>): Promise<T | Unanswered> {
  return asking.catch((error: unknown) => new Unanswered(error));
}

/** Hand an answer on as it comes. */
export function passOn(told: Told, answer: ServerResponse, more: OutgoingHttpHeaders): void {
  answer.writeHead(told.status, { ...headersOf(told), ...more });
  told.on('error', () => answer.destroy());
  told.on('aborted', () => answer.destroy());
  told.pipe(answer);
}

/** The whole of a body, which takes of `room` where it is given; `large` where it is too large, `crowded` where there is no room for it. */
export async function bodyOf(
  message: IncomingMessage,
  room?: { readonly claim: HeldClaim; nowMs(): number },
): Promise<Buffer | 'large' | 'crowded'> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of message) {
    parts.push(part as Buffer);
    length += (part as Buffer).length;
    if (length > maxBodyBytes) return 'large';
    if (room !== undefined && !room.claim.grow((part as Buffer).length, room.nowMs())) return 'crowded';
  }
  return Buffer.concat(parts);
}

/** What is said of a message itself, rather than of its connection. */
export function headersOf(message: IncomingMessage): OutgoingHttpHeaders {
  const kept = Object.entries(message.headers).filter(([name]) => !ownHeaders.has(name));
  return Object.fromEntries(kept.map(([name, value]) => [name, value ?? '']));
}

/** For one request over a connection that stands already. */
function agentOver(socket: Duplex): Agent {
  const agent = new Agent({ keepAlive: false });
  agent.createConnection = () => socket;
  return agent;
}
