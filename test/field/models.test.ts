/**
 * Kept clients of providers through a guarded session: answers, streams and tools arrive, what the provider told is booked, a refused model and a
 * used budget are explained where their users read them, and are asked for once. `npm run field -- models`; the table is in resources/docs/field.
 */
import { describe, it } from 'vitest';
import { clientHolds } from '../support/models/client-holds.ts';
import { nodeClients, pythonClients, type RunClient } from '../support/models/environment.ts';

describe.each<[string, () => Promise<RunClient>, readonly string[]]>([
  [
    'Node',
    nodeClients,
    ['openai', 'openai-responses', 'anthropic', 'google-genai', 'ollama', 'ai-openai', 'ai-anthropic', 'ai-google'],
  ],
  ['Python', pythonClients, ['openai', 'anthropic', 'google_genai', 'ollama', 'litellm']],
])('%s', (language, open, names) => {
  it.each(names)('%s', { timeout: 900_000 }, async (name) => {
    await clientHolds(language, name, await open());
  });
});
