/**
 * Prices that Culvert ships, of text alone, in US dollars for a million tokens, as providers publish them for calls that are answered at once.
 * Lines of `llm.prices` in `culvert.yaml` stand before these.
 *
 * Where a price grows with the prompt's length the dearer one stands, and what is kept for later costs as for five minutes: a budget ends
 * rather before its number than behind it.
 * Sources: the providers' own pages, named with each list; collected in pydantic/genai-prices (as of 2026-08-21), the day of each check there.
 */
import { defined } from '../../base/defined.ts';
import type { Price } from './prices.ts';

type Line = readonly [model: string, input: number, cached: number | undefined, output: number, cacheWrite?: number];

interface Published {
  readonly source: string;
  readonly checked: string;
  readonly lines: readonly Line[];
}

const published: readonly Published[] = [
  {
    source: 'https://www.anthropic.com/pricing#api',
    checked: '2026-07-29',
    lines: [
      ['claude-fable-5', 10, 1, 50, 12.5],
      ['claude-opus-5', 5, 0.5, 25, 6.25],
      ['claude-opus-4-8', 5, 0.5, 25, 6.25],
      ['claude-opus-4-7', 5, 0.5, 25, 6.25],
      ['claude-opus-4-6', 10, 1, 37.5, 12.5],
      ['claude-opus-4-5', 5, 0.5, 25, 6.25],
      ['claude-opus-4-1', 15, 1.5, 75, 18.75],
      ['claude-opus-4', 15, 1.5, 75, 18.75],
      ['claude-opus-4-0', 15, 1.5, 75, 18.75],
      ['claude-sonnet-5', 3, 0.3, 15, 3.75],
      ['claude-sonnet-4-6', 6, 0.6, 22.5, 7.5],
      ['claude-sonnet-4-5', 6, 0.6, 22.5, 7.5],
      ['claude-sonnet-4', 3, 0.3, 15, 3.75],
      ['claude-sonnet-4-0', 3, 0.3, 15, 3.75],
      ['claude-haiku-4-5', 1, 0.1, 5, 1.25],
      ['claude-3-7-sonnet', 3, 0.3, 15, 3.75],
      ['claude-3-5-haiku', 0.8, 0.08, 4, 1],
    ],
  },
  {
    source: 'https://platform.openai.com/docs/pricing',
    checked: '2026-08-02',
    lines: [
      ['gpt-5.6-sol', 10, 1, 45, 12.5],
      ['gpt-5.6-terra', 5, 0.5, 22.5, 6.25],
      ['gpt-5.6-luna', 2, 0.2, 9, 2.5],
    ],
  },
  {
    source: 'https://platform.openai.com/docs/pricing',
    checked: '2026-04-24',
    lines: [
      ['gpt-5.5', 5, 0.5, 30],
      ['gpt-5.5-pro', 30, undefined, 180],
    ],
  },
  {
    source: 'https://platform.openai.com/docs/pricing',
    checked: '2026-03-06',
    lines: [
      ['gpt-5.4', 5, 0.5, 22.5],
      ['gpt-5.4-pro', 60, undefined, 270],
      ['gpt-5.4-mini', 0.75, 0.075, 4.5],
      ['gpt-5.4-nano', 0.2, 0.02, 1.25],
    ],
  },
  {
    source: 'https://platform.openai.com/docs/pricing',
    checked: '2025-12-11',
    lines: [
      ['gpt-5.2', 1.75, 0.175, 14],
      ['gpt-5.2-pro', 21, undefined, 168],
    ],
  },
  {
    source: 'https://platform.openai.com/docs/pricing',
    checked: '2025-11-13',
    lines: [
      ['gpt-5.1', 1.25, 0.125, 10],
      ['gpt-5', 1.25, 0.125, 10],
      ['gpt-5-mini', 0.25, 0.025, 2],
      ['gpt-5-nano', 0.05, 0.005, 0.4],
      ['gpt-5-pro', 15, undefined, 120],
    ],
  },
  {
    source: 'https://platform.openai.com/docs/pricing',
    checked: '2025-07-04',
    lines: [
      ['gpt-4.1', 2, 0.5, 8],
      ['gpt-4.1-mini', 0.4, 0.1, 1.6],
      ['gpt-4.1-nano', 0.1, 0.025, 0.4],
      ['gpt-4o', 2.5, 1.25, 10],
      ['gpt-4o-mini', 0.15, 0.075, 0.6],
      ['o3', 2, 0.5, 8],
      ['o3-mini', 1.1, 0.55, 4.4],
      ['o4-mini', 1.1, 0.275, 4.4],
      ['text-embedding-3-large', 0.13, undefined, 0],
      ['text-embedding-3-small', 0.02, undefined, 0],
    ],
  },
  {
    source: 'https://ai.google.dev/gemini-api/docs/pricing',
    checked: '2026-07-22',
    lines: [
      ['gemini-3.5-flash', 1.5, 0.15, 9],
      ['gemini-3.5-flash-lite', 0.3, 0.03, 2.5],
      ['gemini-3.1-flash-lite', 0.25, 0.025, 1.5],
    ],
  },
  {
    source: 'https://ai.google.dev/gemini-api/docs/pricing',
    checked: '2025-11-18',
    lines: [
      ['gemini-3.1-pro-preview', 4, 0.4, 18],
      ['gemini-3-pro-preview', 4, 0.4, 18],
      ['gemini-3-flash-preview', 0.5, 0.05, 3],
    ],
  },
  {
    source: 'https://ai.google.dev/gemini-api/docs/pricing',
    checked: '2025-10-31',
    lines: [
      ['gemini-2.5-pro', 2.5, 0.25, 15],
      ['gemini-2.5-flash', 0.3, 0.03, 2.5],
      ['gemini-2.5-flash-lite', 0.1, 0.01, 0.4],
    ],
  },
];

/** A line for each spelling of each model's name. */
export const shippedPrices: readonly Price[] = published.flatMap(({ source, checked, lines }) =>
  lines.flatMap(([name, input, cached, output, cacheWrite]) =>
    spellings(name).map((model) => ({
      model,
      currency: 'USD',
      input,
      ...defined({ cached, cacheWrite }),
      output,
      checked,
      source,
    })),
  ),
);

/** A model's name alone, and with the day of a release as Anthropic and OpenAI write it: nothing else, for `-audio` or `-pro` is another model. */
function spellings(name: string): readonly string[] {
  return [name, `${name}-latest`, `${name}-20??????`, `${name}-20??-??-??`];
}
