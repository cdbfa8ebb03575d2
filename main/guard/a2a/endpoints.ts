/**
 * Where an agent is spoken to: what its cards name, and nothing else of its server. Pure.
 * Source: A2A specification, revisions 0.3.0 ("url", "additionalInterfaces") and 1.0.0 ("supportedInterfaces").
 */
import { plainPath } from '../http/target.ts';
import { isRecord } from '../json/strict-json.ts';

/** Targets by the path of the card that names them; plain data, JSON-safe. */
export type KeptEndpoints = Readonly<Record<string, readonly string[]>>;

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
    const named = Object.values(this.#kept).flat();
    return (named.length === 0 ? root : named).includes(asked);
  }

  /** A card came from `place`: what it names takes the place of what it named before. */
  learn(place: string, card: Readonly<Record<string, unknown>>): void {
    const targets = [...new Set(addressesIn(card).flatMap((url) => targetOf(url) ?? []))].slice(0, most);
    const before = this.#kept[place] ?? [];
    if (targets.join('\n') === before.join('\n')) return;
    if (this.#kept[place] === undefined && Object.keys(this.#kept).length >= most) return;
    this.#kept = { ...this.#kept, [place]: targets };
    this.#save(this.#kept);
  }
}

/** Of a card that was cut to the ways in that the guard speaks. */
function addressesIn({ url, supportedInterfaces, additionalInterfaces }: Readonly<Record<string, unknown>>): string[] {
  const listed = [supportedInterfaces, additionalInterfaces].flatMap((list) => (Array.isArray(list) ? list : []));
  return [url, ...listed.map((way: unknown) => (isRecord(way) ? way.url : undefined))].filter(
    (one) => typeof one === 'string',
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
