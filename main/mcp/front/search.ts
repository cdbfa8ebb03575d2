/** Tools found by words: for clients that more tools than they can hold would only confuse. */
import type { Fields } from './anything.ts';

/** Name of the tool that finds tools. */
export const findToolsName = 'find_tools';
const defaultLimit = 10;
const maxLimit = 50;

/** As `tools/list` shows it. */
export function findTools(unlisted: number): Fields {
  return {
    name: findToolsName,
    title: 'Find tools',
    description:
      `There are ${unlisted} more tools than are listed. Say in a few words what you want to do; the tools that fit best ` +
      'come back with their schemas, are listed from then on, and can be called by their names.',
    inputSchema: {
      type: 'object',
      properties: {
        query: { type: 'string', description: 'what the tool should do' },
        limit: { type: 'integer', minimum: 1, maximum: maxLimit, description: `default ${defaultLimit}` },
      },
      required: ['query'],
    },
    annotations: { readOnlyHint: true, openWorldHint: false },
  };
}

/** Those that fit `query` best, best first. */
export function search(tools: readonly Fields[], args: Fields): readonly Fields[] {
  const words = wordsOf(String(args['query'] ?? ''));
  const limit = Math.min(maxLimit, Math.max(1, Number(args['limit'] ?? defaultLimit) || defaultLimit));
  const scored = tools.map((tool) => ({ tool, score: scoreOf(tool, words) })).filter(({ score }) => score > 0);
  return scored
    .sort((one, other) => other.score - one.score || textOf(one.tool, 'name').localeCompare(textOf(other.tool, 'name')))
    .slice(0, limit)
    .map(({ tool }) => tool);
}

/** A name says more than a description. */
function scoreOf(tool: Fields, words: readonly string[]): number {
  const name = wordsOf(`${textOf(tool, 'name')} ${textOf(tool, 'title')}`);
  const description = wordsOf(textOf(tool, 'description'));
  return words.reduce((sum, word) => sum + 3 * matches(name, word) + matches(description, word), 0);
}

function matches(words: readonly string[], word: string): number {
  if (words.includes(word)) return 1;
  return words.some((one) => one.startsWith(word) || word.startsWith(one)) ? 0.5 : 0;
}

function wordsOf(text: string): readonly string[] {
  const parts = text.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
  return parts.split(/[^\p{L}\p{N}]+/u).filter((word) => word.length > 1);
}

function textOf(tool: Fields, field: string): string {
  const value = tool[field];
  return typeof value === 'string' ? value : '';
}
