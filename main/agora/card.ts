/**
 * An agent's card as it is offered over a dark service: what of it is shown there, and the text that is signed. Pure.
 * Source: A2A specification, revisions 0.3.0 and 1.0.0: "AgentCard", "Agent Card Signing" (JCS over the card without empty values).
 */
import { TunnelerError } from '../base/errors.ts';
import { shownCard } from '../guard/a2a/cards.ts';
import { isRest } from '../guard/a2a/endpoints.ts';
import { canonicalJson } from '../guard/json/canonical-json.ts';
import { isRecord, parseStrictJson } from '../guard/json/strict-json.ts';

/** A card that was read; fields this build does not know stay in it. */
export type Card = Readonly<Record<string, unknown>>;

/** What a card says of itself under this name: the dark service it is offered as. */
const extension = 'urn:culvert:agora:1';

/** Read a card from a file. Throws `agora.card_invalid`. */
export function readCard(text: string): Card {
  const read = parseStrictJson(text);
  if (read.kind === 'fault') throw invalid(`it is no JSON that every reader reads alike (${read.why})`);
  const card = read.value;
  if (!isRecord(card)) throw invalid('it is no object');
  if (typeof card.name !== 'string' || card.name === '') throw invalid('it has no name');
  const { skills } = card;
  if (!Array.isArray(skills) || skills.some((skill) => !isRecord(skill) || typeof skill.id !== 'string')) {
    throw invalid('its skills are no list of objects that each have an id');
  }
  return card;
}

/** What a card is shown with. */
export interface Shown {
  readonly service: string;
  /** Where whoever asked finds the agent. */
  readonly url: string;
  shows(skill: string): boolean;
}

/** The card as a caller gets it, not signed yet: the skills that are shown, the one way in, and the service it is offered as. */
export function offeredCard(card: Card, { service, url, shows }: Shown): Card {
  const { signatures: _other, additionalInterfaces: _ways, ...shown } = shownCard(card, shows);
  return { ...shown, ...wayIn(shown, url), capabilities: capabilitiesOf(shown, service) };
}

/** The dark service a card says it is offered as; undefined where it says none. */
export function offeredAs(card: Card): string | undefined {
  const { capabilities } = card;
  const extensions = isRecord(capabilities) ? capabilities.extensions : undefined;
  const own: unknown = Array.isArray(extensions)
    ? extensions.find((one) => isRecord(one) && one.uri === extension)
    : undefined;
  const service = isRecord(own) && isRecord(own.params) ? own.params.service : undefined;
  return typeof service === 'string' ? service : undefined;
}

/** What is signed of a card: all but signatures and empty values, in one canonical form. */
export function signedText(card: Card): string {
  const { signatures: _signatures, ...signed } = card;
  return canonicalJson(withoutEmpty(signed) ?? {});
}

/** Ids of the skills it shows. */
export function skillsOf(card: Card): readonly string[] {
  const { skills } = card;
  return (Array.isArray(skills) ? skills : []).flatMap((skill: unknown) =>
    isRecord(skill) && typeof skill.id === 'string' ? [skill.id] : [],
  );
}

/** A card of 0.3 names one address, one of 1.0 a list of ways in. */
function wayIn(card: Card, url: string): Card {
  if (card.supportedInterfaces === undefined && card.url !== undefined) return { url, preferredTransport: 'JSONRPC' };
  // What is offered is led to one endpoint: REST has many.
  const listed = (Array.isArray(card.supportedInterfaces) ? (card.supportedInterfaces as readonly Card[]) : []).filter(
    (way) => !isRest(way),
  );
  const ways = listed.length === 0 ? [{ protocolBinding: 'JSONRPC', protocolVersion: '1.0' }] : listed;
  // A card for readers of both revisions names an address of its own as well.
  const older = card.url === undefined ? {} : { url, preferredTransport: 'JSONRPC' };
  return { supportedInterfaces: ways.map((way) => ({ ...way, url })), ...older };
}

function capabilitiesOf({ capabilities }: Card, service: string): Card {
  const own = isRecord(capabilities) ? capabilities : {};
  const others = Array.isArray(own.extensions) ? (own.extensions as readonly unknown[]) : [];
  const kept = others.filter((one) => !isRecord(one) || one.uri !== extension);
  // The guard of its contract lets no push notification through.
  return { ...own, pushNotifications: false, extensions: [...kept, { uri: extension, params: { service } }] };
}

function withoutEmpty(value: unknown): unknown {
  if (value === '' || value === null || value === undefined) return undefined;
  if (Array.isArray(value)) {
    const left = value.map(withoutEmpty).filter((item) => item !== undefined);
    return left.length === 0 ? undefined : left;
  }
  if (!isRecord(value)) return value;
  const left = Object.entries(value).flatMap(([name, field]) => {
    const kept = withoutEmpty(field);
    return kept === undefined ? [] : [[name, kept] as const];
  });
  return left.length === 0 ? undefined : Object.fromEntries(left);
}

function invalid(why: string): TunnelerError {
  return new TunnelerError('agora.card_invalid', `the agent's card cannot be offered: ${why}`, {
    details: { next: 'give it the card that the agent itself would show, as JSON' },
  });
}
