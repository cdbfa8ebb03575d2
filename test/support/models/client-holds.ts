/** What has to hold of each kept client of a provider, wherever it is run. */
import { expect } from 'vitest';
import { openGuardedPort } from '../guarded-port.ts';
import type { RunClient } from './environment.ts';
import { openProvider, promptTokens } from './provider.ts';

const budget = 2_000;
const terms = (tokens: number): object => ({
  http: { models: ['good-*'], tokenBudget: { tokens, perSeconds: 3_600 } },
});

/**
 * Answers, streams and tools arrive, what the provider told is booked, a refused model and a used budget are explained where their users read them, and
 * are asked for once. What was seen goes to standard error, for the table of the field.
 */
export async function clientHolds(language: string, name: string, runClient: RunClient): Promise<void> {
  await using provider = await openProvider();
  await using usual = await openGuardedPort(provider.port, terms(1_000_000));
  await using tight = await openGuardedPort(provider.port, terms(budget));
  const saw = await runClient(name, usual.port, tight.port);
  const booked = usual.calls().map(({ decision, tokens }) => [decision, tokens?.input, tokens?.output]);
  const [stopped, ...later] = tight.calls();
  const used = (stopped?.tokens?.input ?? 0) + (stopped?.tokens?.output ?? 0);
  process.stderr.write(
    `field: ${JSON.stringify({ language, name, ...saw, booked, spent: used, asked: later.length })}\n`,
  );

  expect(saw).toMatchObject({ text: 40, stream: 400, tool: 'weather' });
  for (const [at, told] of [40, 400].entries()) {
    const [decision, input, output] = booked[at] ?? [];
    expect(decision).toBe('allow');
    expect(Math.abs(Number(input) - promptTokens)).toBeLessThanOrEqual(0.02 * promptTokens);
    expect(Math.abs(Number(output) - told)).toBeLessThanOrEqual(0.02 * told);
  }
  expect(saw.refused).toContain('is not among the models allowed');
  expect(booked.filter(([decision]) => decision === 'deny')).toHaveLength(1);
  expect(Math.abs(used - budget)).toBeLessThanOrEqual(0.05 * budget);
  expect(saw.stopped).toBeGreaterThan(0.9 * budget);
  expect(saw.used).toContain(`the budget of ${budget} tokens`);
  // The AI SDK takes every 429 for one that passes, whatever it says.
  expect(later.length).toBeLessThanOrEqual(name.startsWith('ai-') ? 3 : 1);
}
