/** Sending a query on to the resolvers the system had before us, one after the other, until one has a use for it. */
import { createSocket } from 'node:dgram';
import { randomInt } from 'node:crypto';
import { isIP } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { connectTcp } from '../../sockets/connect-tcp.ts';
import { framed } from './tcp-queries.ts';

const dnsPort = 53;
/** Queries under way; more are not sent on, and their askers get SERVFAIL. */
const maxUnderWay = 512;

/** Which resolvers there are, and the clock that limits them. */
export interface ForwarderDeps {
  /** Asked anew for each query; `address` or `address#port`. */
  upstreams(): readonly string[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** How long one upstream may take. */
  readonly timeoutMs?: number;
}

interface Upstream {
  readonly host: string;
  readonly port: number;
}

const defaultTimeoutMs = 2_000;

/** Sends queries on, so many at a time. */
export class Forwarder {
  readonly #deps: ForwarderDeps;
  #underWay = 0;

  constructor(deps: ForwarderDeps) {
    this.#deps = deps;
  }

  /**
   * The first answer that says something of the name, with the asker's id; else the first that says it cannot (a resolver may not serve us, or
   * be broken, while the next one is fine); undefined where none answers. Never rejects.
   */
  async forward(query: Uint8Array, transport: 'udp' | 'tcp'): Promise<Uint8Array | undefined> {
    if (this.#underWay >= maxUnderWay) return undefined;
    this.#underWay += 1;
    try {
      let unable: Uint8Array | undefined;
      for (const text of this.#deps.upstreams()) {
        const upstream = parseUpstream(text);
        if (upstream === undefined || this.#deps.signal.aborted) continue;
        const answer = await (transport === 'udp' ? this.#overUdp(query, upstream) : this.#overTcp(query, upstream));
        if (answer !== undefined && !saysUnable(answer)) return answer;
        unable ??= answer;
      }
      return unable;
    } finally {
      this.#underWay -= 1;
    }
  }

  /** A socket and an id of its own for each query leave a forger two numbers to guess (RFC 5452). */
  #overUdp(query: Uint8Array, upstream: Upstream): Promise<Uint8Array | undefined> {
    return new Promise((resolve) => {
      const socket = createSocket(isIP(upstream.host) === 6 ? 'udp6' : 'udp4');
      const asked = withRandomId(query);
      const finish = (answer: Uint8Array | undefined): void => {
        timer[Symbol.dispose]();
        this.#deps.signal.removeEventListener('abort', give);
        socket.removeAllListeners();
        socket.on('error', () => undefined);
        socket.close();
        resolve(answer);
      };
      const give = (): void => finish(undefined);
      const timer = this.#deps.clock.after(this.#deps.timeoutMs ?? defaultTimeoutMs, give);
      this.#deps.signal.addEventListener('abort', give, { once: true });
      socket.on('error', give);
      socket.on('message', (message) => {
        if (isAnswerTo(message, asked)) finish(withId(message, query));
      });
      socket.connect(upstream.port, upstream.host, () => socket.send(asked));
    });
  }

  async #overTcp(query: Uint8Array, upstream: Upstream): Promise<Uint8Array | undefined> {
    const timeoutMs = this.#deps.timeoutMs ?? defaultTimeoutMs;
    const { clock, signal } = this.#deps;
    const socket = await connectTcp({ ...upstream, timeoutMs, clock, signal }).catch(() => undefined);
    if (socket === undefined) return undefined;
    const asked = withRandomId(query);
    return new Promise((resolve) => {
      const chunks: Buffer[] = [];
      const finish = (answer: Uint8Array | undefined): void => {
        timer[Symbol.dispose]();
        socket.destroy();
        resolve(answer);
      };
      const timer = clock.after(timeoutMs, () => finish(undefined));
      socket.on('error', () => finish(undefined));
      socket.on('close', () => finish(undefined));
      socket.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        const all = Buffer.concat(chunks);
        if (all.length < 2 || all.length < 2 + all.readUInt16BE(0)) return;
        const message = all.subarray(2, 2 + all.readUInt16BE(0));
        finish(isAnswerTo(message, asked) ? withId(message, query) : undefined);
      });
      socket.write(framed(asked));
    });
  }
}

/** SERVFAIL, NOTIMP, REFUSED: of the resolver, not of the name (RFC 1035 section 4.1.1). */
const unableCodes: readonly number[] = [2, 4, 5];

function saysUnable(answer: Uint8Array): boolean {
  return unableCodes.includes((answer[3] ?? 0) & 0x0f);
}

function parseUpstream(text: string): Upstream | undefined {
  const [host = '', port] = text.split('#');
  if (isIP(host.replace(/%.*$/, '')) === 0) return undefined;
  return { host, port: port === undefined ? dnsPort : Number(port) };
}

function withRandomId(query: Uint8Array): Uint8Array {
  const copy = new Uint8Array(query);
  const id = randomInt(0x10000);
  copy[0] = id >>> 8;
  copy[1] = id;
  return copy;
}

const headerBytes = 12;
const responseBit = 0x80;

/** The same id, an answer, and to the same question; a resolver that understood nothing of it may leave the question out. */
function isAnswerTo(message: Uint8Array, asked: Uint8Array): boolean {
  if (message.length < headerBytes || message[0] !== asked[0] || message[1] !== asked[1]) return false;
  if (((message[2] ?? 0) & responseBit) === 0) return false;
  const questions = ((message[4] ?? 0) << 8) | (message[5] ?? 0);
  if (questions === 0) return ((message[3] ?? 0) & 0x0f) !== 0;
  const end = questionEnd(asked);
  if (questions !== 1 || end === undefined || message.length < end) return false;
  for (let at = headerBytes; at < end; at += 1) if (folded(message[at]) !== folded(asked[at])) return false;
  return true;
}

/** Where the one question of a query ends: its labels (never compressed there), type and class (RFC 1035 section 4.1.2). */
function questionEnd(query: Uint8Array): number | undefined {
  let at = headerBytes;
  for (let length = query[at]; length !== undefined && length !== 0; length = query[at]) at += 1 + length;
  const end = at + 1 + 4;
  return end <= query.length ? end : undefined;
}

/** Names are equal whatever their letters' case (RFC 4343); other bytes of a question never are letters by chance in both. */
function folded(byte: number | undefined): number | undefined {
  return byte !== undefined && byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

function withId(message: Uint8Array, query: Uint8Array): Uint8Array {
  const copy = new Uint8Array(message);
  copy.set(query.subarray(0, 2));
  return copy;
}
