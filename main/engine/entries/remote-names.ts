/**
 * MX, SRV and TXT below a wildcard, asked of the side that hosts it: one connection a domain, JSON messages, answers matched by id.
 * Source: openziti/ziti tunnel/dns and ziti-tunnel-sdk-c lib/ziti-tunnel/ziti_dns.c (`{"connType":"resolver"}`).
 */
import * as v from 'valibot';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { RemoteAnswer, RemoteRecord, ResolveRemote } from '../../net/dns/resolver.ts';
import type { ZitiStream } from '../../ziti/model.ts';

/** Numbers of RFC 1035 section 3.2.2 and RFC 2782. */
const typeNumbers = { MX: 15, TXT: 16, SRV: 33 } as const;
const typeNames: Readonly<Record<number, RemoteRecord['type']>> = { 15: 'MX', 16: 'TXT', 33: 'SRV' };
const answerMs = 5000;
/** A connection nobody asked over for this long is given up. */
const idleMs = 60_000;

const answerSchema = v.object({
  id: v.number(),
  status: v.optional(v.number(), 0),
  answer: v.optional(
    v.nullable(
      v.array(
        v.object({
          name: v.optional(v.string(), ''),
          type: v.number(),
          ttl: v.optional(v.number(), 60),
          data: v.string(),
          priority: v.optional(v.number()),
          weight: v.optional(v.number()),
          port: v.optional(v.number()),
        }),
      ),
    ),
  ),
});

/** How the hosting side is reached. */
export interface RemoteNamesDeps {
  readonly clock: Clock;
  /** Dial a wildcard service as its identity with this app data. */
  readonly dial: (service: string, appData: Uint8Array, signal: AbortSignal) => Promise<ZitiStream>;
}

interface Line {
  ask(question: object, id: number): Promise<RemoteAnswer>;
}

/** Ask hosting sides; dispose ends every connection. */
export class RemoteNames implements Disposable {
  readonly #deps: RemoteNamesDeps;
  readonly #lines = new Map<string, Promise<Line>>();
  readonly #closing = new AbortController();
  #nextId = 1;

  constructor(deps: RemoteNamesDeps) {
    this.#deps = deps;
  }

  readonly resolve: ResolveRemote = async ({ name, type, domain, service }) => {
    const key = `${service} ${domain}`;
    let line = this.#lines.get(key);
    if (line === undefined) {
      line = this.#open(key, service);
      this.#lines.set(key, line);
      line.catch(() => this.#lines.delete(key));
    }
    const id = this.#nextId++;
    return (await line).ask({ id, recursive: true, question: [{ name, type: typeNumbers[type] }] }, id);
  };

  [Symbol.dispose](): void {
    this.#closing.abort();
  }

  async #open(key: string, service: string): Promise<Line> {
    const { clock } = this.#deps;
    const appData = Buffer.from('{"connType":"resolver"}');
    const stream = await this.#deps.dial(service, appData, this.#closing.signal);
    const waiting = new Map<number, (answer: RemoteAnswer | TunnelerError) => void>();
    let idle = clock.after(idleMs, () => stream.reset());
    this.#closing.signal.addEventListener('abort', () => stream.reset(), { once: true });
    stream.start({
      data: (chunk) => {
        const parsed = parseAnswer(chunk);
        if (parsed !== undefined) waiting.get(parsed.id)?.(parsed.answer);
      },
      end: () => stream.end(),
      drain: () => undefined,
      closed: () => {
        idle[Symbol.dispose]();
        this.#lines.delete(key);
        for (const settle of waiting.values()) settle(new TunnelerError('base.closed', 'the host closed the resolver'));
      },
    });
    return {
      ask: (question, id) =>
        new Promise((resolve, reject) => {
          idle[Symbol.dispose]();
          idle = clock.after(idleMs, () => stream.reset());
          const settle = (outcome: RemoteAnswer | TunnelerError): void => {
            waiting.delete(id);
            timer[Symbol.dispose]();
            if (outcome instanceof TunnelerError) reject(outcome);
            else resolve(outcome);
          };
          const timer = clock.after(answerMs, () =>
            settle(new TunnelerError('base.timeout', 'the host did not answer')),
          );
          waiting.set(id, settle);
          stream.write(Buffer.from(JSON.stringify(question)));
        }),
    };
  }
}

/** One message is one object; what cannot be read is nobody's answer, and its asker's time runs out. */
function parseAnswer(chunk: Uint8Array): { readonly id: number; readonly answer: RemoteAnswer } | undefined {
  let raw: unknown;
  try {
    raw = JSON.parse(Buffer.from(chunk).toString('utf8'));
  } catch {
    return undefined;
  }
  const parsed = v.safeParse(answerSchema, raw);
  if (!parsed.success) return undefined;
  const { id, status, answer } = parsed.output;
  const records = (answer ?? []).flatMap((record): RemoteRecord[] => {
    const type = typeNames[record.type];
    if (type === undefined) return [];
    const { name, ttl, data, priority, weight, port } = record;
    return [
      {
        name,
        type,
        ttlSeconds: ttl,
        data,
        ...defined({ priority, weight, port }),
      },
    ];
  });
  return { id, answer: { status, records } };
}
