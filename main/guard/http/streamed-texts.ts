/**
 * Which text of an answer each text of an event goes on with, and which texts an event ends. Pure.
 * Sources: API references of OpenAI (chat completion chunk, Responses), Anthropic (content blocks), Gemini (candidates), Ollama, Cohere.
 */
import { isRecord } from '../json/strict-json.ts';

/** A text of an event. */
export interface StreamedText {
  /** The same for each piece of one text. */
  readonly id: string;
  readonly within: Record<string | number, unknown>;
  readonly key: string | number;
  readonly text: string;
}

/** Fields whose texts go on from event to event. */
const goingOn: ReadonlySet<string> = new Set([
  'content',
  'text',
  'delta',
  'thinking',
  'partial_json',
  'arguments',
  'reasoning',
  'reasoning_content',
  'refusal',
  'response',
  'transcript',
]);

/** Every text of the event that is a piece of a longer one. */
export function streamedTexts(event: unknown): readonly StreamedText[] {
  const texts: StreamedText[] = [];
  for (const one of eventsIn(event)) visit(one, prefixOf(one), 0, texts);
  return texts;
}

/**
 * Of the texts that are under way, those whose block this event ends, so that others need not wait behind them. An event that ends an answer,
 * or one of its choices, ends none: the stream's own end is near, and whoever reads on would take more of the same text.
 */
export function endedTexts(event: unknown, underWay: Iterable<string>): readonly string[] {
  const ended = eventsIn(event)
    .filter(({ type }) => typeof type === 'string' && /(?:_stop|\.done|-end)$/.test(type))
    .map(blockOf)
    .filter((block) => block !== '');
  return ended.length === 0 ? [] : [...underWay].filter((id) => ended.some((block) => id.includes(block)));
}

/** Events may come several in a list, one after another. */
function eventsIn(event: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (Array.isArray(event)) return event.flatMap(eventsIn);
  return isRecord(event) ? [event] : [];
}

function prefixOf(event: Readonly<Record<string, unknown>>): string {
  const type = typeof event.type === 'string' ? event.type : '';
  return `${type}${blockOf(event)}`;
}

/** Which block of the answer the event is of; nothing where it does not say. */
function blockOf(event: Readonly<Record<string, unknown>>): string {
  const { index, output_index, content_index, summary_index } = event;
  const said = [index, output_index, content_index, summary_index].filter((one) => typeof one === 'number');
  return said.length === 0 ? '' : ` ${said.join('.')} `;
}

function visit(value: unknown, path: string, depth: number, texts: StreamedText[]): void {
  if (depth > 8) return;
  if (Array.isArray(value)) {
    for (const [at, item] of value.entries()) {
      const index = isRecord(item) && typeof item.index === 'number' ? item.index : at;
      visit(item, `${path}[${index}]`, depth + 1, texts);
    }
    return;
  }
  if (!isRecord(value)) return;
  for (const [key, field] of Object.entries(value)) {
    if (typeof field !== 'string') visit(field, `${path}.${key}`, depth + 1, texts);
    else if (goingOn.has(key) && field !== '') {
      texts.push({ id: `${path}.${key}`, within: value, key, text: field });
    }
  }
}
