/**
 * Where an agent is spoken to: what its cards name, and nothing else of its server. Pure.
 * Source: A2A specification, revisions 0.3.0 ("url", "additionalInterfaces") and 1.0.0 ("supportedInterfaces").
 */
import { plainPath } from '../http/target.ts';
import { isRecord } from '../json/strict-json.ts';

/** Where one card says that its agent is: targets for JSON-RPC, and paths that those of REST begin with. */
export interface CardEndpoints {
  readonly rpc: readonly string[];
  readonly rest: readonly string[];
}

/** By the path of the card; plain data, JSON-safe. */
export type KeptEndpoints = Readonly<Record<string, CardEndpoints>>;

/** Where a card says nothing yet: most agents are at the root of their server. */
const root = ['/'];
/** Cards of one service, and ways in of one card, beyond which no more are kept. */
const most = 64;

/** The endpoints of one service's agents, as their cards named them last. */
export class AgentEndpoints {
  #kept: KeptEndpoints;
  readonly #save: (kept: KeptEndpoints) => void;

  constructor(kept: KeptEndpoints = {}, save: (kept: KeptEndpoints) => void = () => undefined) {
    this.#kept = kept;
    this.#save = save;
  }

  /** May a message be sent to this target? */
  has(target: string): boolean {
    const asked = plainTarget(target);
    if (asked === undefined) return false;
    const named = Object.values(this.#kept);
    const targets = named.flatMap(({ rpc }) => rpc);
    return (named.length === 0 ? root : targets).includes(asked);
  }

  /** Where requests of REST begin. */
  bases(): readonly string[] {
    return Object.values(this.#kept).flatMap(({ rest }) => rest);
  }

  /** A card came from `place`: what it names takes the place of what it named before. */
  learn(place: string, card: Readonly<Record<string, unknown>>): void {
    const named = endpointsIn(card);
    const before = this.#kept[place];
    if (named.rpc.length + named.rest.length === 0 && before === undefined) return;
    if (JSON.stringify(named) === JSON.stringify(before)) return;
    if (this.#kept[place] === undefined && Object.keys(this.#kept).length >= most) return;
    this.#kept = { ...this.#kept, [place]: named };
    this.#save(this.#kept);
  }
}

/** Of a card that was cut to the ways in that the guard speaks. */
function endpointsIn(card: Readonly<Record<string, unknown>>): CardEndpoints {
  const { url, supportedInterfaces, additionalInterfaces } = card;
  const listed = [supportedInterfaces, additionalInterfaces].flatMap((list) => (Array.isArray(list) ? list : []));
  const ways = listed.filter(isRecord);
  const rest = ways.filter((way) => isRest(way)).map((way) => way.url);
  const rpc = [url, ...ways.filter((way) => !isRest(way)).map((way) => way.url)];
  const targets = (urls: readonly unknown[]): readonly string[] =>
    [...new Set(urls.flatMap((one) => (typeof one === 'string' ? (targetOf(one) ?? []) : [])))].slice(0, most);
  return {
    rpc: targets(rpc),
    rest: targets(rest)
      .filter((target) => !target.includes('?'))
      .map((target) => target.replace(/\/+$/, '')),
  };
}

/** A way in by REST as revision 1.0 has it: what is written there before 1.0 is of another shape, and is not read. */
export function isRest({ protocolBinding, protocolVersion }: Readonly<Record<string, unknown>>): boolean {
  return (
    typeof protocolBinding === 'string' &&
    protocolBinding.toUpperCase() === 'HTTP+JSON' &&
    (typeof protocolVersion !== 'string' || !/^0\./.test(protocolVersion))
  );
}

function targetOf(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { pathname, search } = new URL(url);
  return plainTarget(`${pathname}${search}`);
}

/** The path as every server reads it, with its query as it came; undefined where servers differ. */
function plainTarget(target: string): string | undefined {
  const path = plainPath(target);
  const query = target.indexOf('?');
  return path === undefined || query < 0 ? path : `${path}${target.slice(query)}`;
}
