/** The controllers of one network: the one that works is kept, others are tried where it fails. */
import { TunnelerError, isTunnelerError } from '../../base/errors.ts';
import type { HttpTransport, OpenTransport, TransportCredential } from './transport.ts';

/** The controllers of one network, and how they are reached. */
export interface EndpointsOptions {
  /** API URLs (`https://host:port/edge/client/v1`); the first is preferred. */
  readonly apis: readonly string[];
  readonly credential: TransportCredential;
  readonly open: OpenTransport;
  readonly random?: () => number;
}

/** Owns one transport a controller. Disposing closes them. */
export class Endpoints implements AsyncDisposable {
  readonly #options: EndpointsOptions;
  readonly #transports = new Map<string, HttpTransport>();
  #origins: string[];
  #current: string;

  constructor(options: EndpointsOptions) {
    this.#options = options;
    this.#origins = distinctOrigins(options.apis);
    const first = this.#origins[0];
    if (first === undefined) throw new TunnelerError('base.invalid', 'an identity needs at least one controller URL');
    this.#current = first;
  }

  /** Origin that last worked, or the preferred one. */
  get current(): string {
    return this.#current;
  }

  get origins(): readonly string[] {
    return this.#origins;
  }

  /** Controllers learnt since; known ones stay. */
  add(apis: readonly string[]): void {
    this.#origins = [...new Set([...this.#origins, ...distinctOrigins(apis)])];
  }

  /** The network changed: connect anew. */
  renew(): void {
    for (const transport of this.#transports.values()) transport.renew?.();
  }

  transport(): HttpTransport {
    return this.#transport(this.#current);
  }

  /**
   * Run `work` against the current controller; where that one cannot be reached or is not able to answer, against the
   * others in random order, from the start. The one that worked becomes current. Throws the first failure if all fail, or one for
   * which `worthTrying` another controller is not.
   */
  async run<T>(
    work: (http: HttpTransport) => Promise<T>,
    worthTrying: (error: unknown) => boolean = isElsewhereWorthTrying,
  ): Promise<T> {
    const rest = shuffled(
      this.#origins.filter((origin) => origin !== this.#current),
      this.#options.random ?? Math.random,
    );
    let first: unknown;
    for (const origin of [this.#current, ...rest]) {
      try {
        const result = await work(this.#transport(origin));
        this.#current = origin;
        return result;
      } catch (error) {
        first ??= error;
        if (!worthTrying(error)) throw error;
      }
    }
    throw first;
  }

  /** Does any controller but the current one answer? All are asked at once. */
  async othersAnswer(ask: (http: HttpTransport) => Promise<unknown>): Promise<boolean> {
    const others = this.#origins.filter((origin) => origin !== this.#current);
    const answers = await Promise.allSettled(others.map((origin) => ask(this.#transport(origin))));
    return answers.some((answer) => answer.status === 'fulfilled');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const transports = [...this.#transports.values()];
    this.#transports.clear();
    await Promise.all(transports.map((transport) => transport[Symbol.asyncDispose]()));
  }

  #transport(origin: string): HttpTransport {
    let transport = this.#transports.get(origin);
    if (transport === undefined) {
      transport = this.#options.open(origin, this.#options.credential);
      this.#transports.set(origin, transport);
    }
    return transport;
  }
}

/** Network failures and "this node cannot now" answers; a refusal would be the same everywhere. */
export function isElsewhereWorthTrying(error: unknown): boolean {
  return (
    isTunnelerError(error, 'ziti.controller.unreachable') ||
    isTunnelerError(error, 'ziti.controller.certificate') ||
    isTunnelerError(error, 'ziti.controller.busy') ||
    isTunnelerError(error, 'ziti.controller.malformed')
  );
}

/** `https://host:port` of API URLs, in order, each once. Throws `base.invalid` for what is no https URL. */
export function distinctOrigins(apis: readonly string[]): string[] {
  const origins = apis.map((api) => {
    const url = URL.canParse(api) ? new URL(api) : undefined;
    if (url?.protocol !== 'https:') {
      throw new TunnelerError('base.invalid', `controller URL: expected https://host:port, got "${api}"`);
    }
    return url.origin;
  });
  return [...new Set(origins)];
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
