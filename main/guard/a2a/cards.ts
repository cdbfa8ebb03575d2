/** An agent's card as the contract lets it be seen. Pure. Source: A2A specification, revisions 0.3.0 and 1.0.0, "AgentCard". */
import { foldName } from '../json/fold-name.ts';
import { isRest } from './endpoints.ts';
import { isRecord } from '../json/strict-json.ts';

type Card = Readonly<Record<string, unknown>>;

/**
 * The card without the skills that are not shown and without ways in that the guard does not speak; the very same one where nothing is taken
 * out. What was signed is not what is left, so signatures go with it.
 */
export function shownCard(card: Card, shows: (skill: string) => boolean): Card {
  const changed: Record<string, unknown> = {};
  const keep = (field: string, keeps: (item: Card) => boolean): void => {
    const items = card[field];
    if (items === undefined || items === null) return;
    const left = (Array.isArray(items) ? items : []).filter((item) => isRecord(item) && keeps(item));
    if (!Array.isArray(items) || left.length < items.length) changed[field] = left;
  };
  keep('skills', ({ id }) => typeof id === 'string' && shows(id));
  keep('supportedInterfaces', (way) => isJsonRpc(way.protocolBinding) || isRest(way));
  keep('additionalInterfaces', ({ transport }) => isJsonRpc(transport));
  const misspelt = Object.keys(card).filter((name) => isMisspelt(name));
  if (Object.keys(changed).length === 0 && misspelt.length === 0) return card;
  const kept = Object.entries(card).filter(([name]) => !misspelt.includes(name));
  return { ...Object.fromEntries(kept), ...changed, ...('signatures' in card ? { signatures: [] } : {}) };
}

const cutFields: ReadonlyMap<string, string> = new Map(
  ['skills', 'supportedInterfaces', 'additionalInterfaces'].map((name) => [foldName(name), name]),
);

/** Another spelling of a field that is cut, which some readers take for it. */
function isMisspelt(name: string): boolean {
  const known = cutFields.get(foldName(name).replace(/[_-]/g, ''));
  return known !== undefined && known !== name;
}

function isJsonRpc(binding: unknown): boolean {
  return typeof binding === 'string' && binding.toUpperCase() === 'JSONRPC';
}
