/** A contract for A2A, held at both ends of a session between programs of the official SDK. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AuditRecordView } from '../../main/api/record-views.ts';
import { A2aAgent, agentCard, restCard, runA2aClient, text } from '../support/a2a-programs.ts';
import { GovernedWorld } from '../support/governed-world.ts';
import { describeGoverned } from '../support/networks.ts';
import { until } from '../support/until.ts';

interface Answer {
  readonly parts?: readonly { readonly content: { readonly value: unknown } }[];
  readonly skills?: readonly { readonly id: string }[];
  readonly error?: { readonly code?: number; readonly message: string };
}

describeGoverned('A2A between agents', (network) => {
  let world: GovernedWorld;
  let broker: A2aAgent;
  let few: A2aAgent;
  let rest: A2aAgent;

  beforeAll(async () => {
    broker = await A2aAgent.start(agentCard('broker', 'http://a2a-broker.dark/', ['quote', 'transfer']));
    few = await A2aAgent.start(agentCard('few', 'http://a2a-few.dark/', ['quote']));
    rest = await A2aAgent.start(restCard('rest', 'http://a2a-rest.dark/rest', ['quote', 'transfer']));
    const contract = { skills: ['quote'], messageTypes: ['text'], maxMessageBytes: 4_000 };
    world = await GovernedWorld.open(network(), {
      identities: ['laptop'],
      services: {
        'a2a-broker': { target: broker.port, contract: { a2a: contract }, dial: ['laptop'] },
        'a2a-rest': { target: rest.port, contract: { a2a: contract }, dial: ['laptop'] },
        'a2a-few': { target: few.port, contract: { a2a: { maxMessages: 2 } }, dial: ['laptop'] },
      },
    });
  }, 240_000);

  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    broker?.[Symbol.dispose]();
    few?.[Symbol.dispose]();
    rest?.[Symbol.dispose]();
  }, 60_000);

  const ask = (service: string, steps: Parameters<typeof runA2aClient>[2]): Promise<Answer[]> =>
    runA2aClient<Answer>(world.proxy, `http://${service}.dark/`, steps);
  const quote = { skillId: 'quote' };

  test('the official client sees and asks what the contract shows, and is told why it may not ask more', async () => {
    const [card, said, unnamed, other, data, big] = await ask('a2a-broker', [
      { card: true },
      { send: [text('hello')], metadata: quote },
      { send: [text('hello')] },
      { send: [text('hello')], metadata: { skillId: 'transfer' } },
      { send: [{ $case: 'data', value: { a: 1 } }], metadata: quote },
      { send: [text('x'.repeat(5_000))], metadata: quote },
    ]);
    expect(card?.skills?.map(({ id }) => id)).toEqual(['quote']);
    expect(said?.parts?.[0]?.content.value).toBe('you said hello');
    expect(unnamed?.error).toEqual({ code: -32004, message: 'The message names no skill in metadata.skillId' });
    expect(other?.error).toEqual({ code: -32004, message: 'Unknown skill: transfer' });
    expect(data?.error?.code).toBe(-32005);
    expect(big?.error?.message).toContain('a message is larger than 4000 bytes');
    await until(() => broker.said.length > 0);
    expect(broker.said).toEqual(['hello']);
  });

  test('answers are judged by the same rules, as events too', async () => {
    const [withheld, streamed, cut] = await ask('a2a-broker', [
      { send: [text('data')], metadata: quote },
      { stream: [text('task')], metadata: quote },
      { stream: [text('task data')], metadata: quote },
    ]);
    expect(withheld?.error).toMatchObject({ code: -32005 });
    expect(JSON.stringify(streamed)).toContain('"done"');
    expect(cut?.error?.message).toContain('application/json');
    expect(JSON.stringify([withheld, cut])).not.toContain('secret');
  });

  test('the official client is held to the same rules where it speaks REST', { timeout: 120_000 }, async () => {
    const [card, said, other, data, withheld, streamed, task] = await ask('a2a-rest', [
      { card: true },
      { send: [text('hello')], metadata: quote },
      { send: [text('hello')], metadata: { skillId: 'transfer' } },
      { send: [{ $case: 'data', value: { a: 1 } }], metadata: quote },
      { send: [text('data')], metadata: quote },
      { stream: [text('task')], metadata: quote },
      { task: 'nosuch' },
    ]);
    expect(card?.skills?.map(({ id }) => id)).toEqual(['quote']);
    expect(said?.parts?.[0]?.content.value).toBe('you said hello');
    expect(other?.error?.message).toContain('Unknown skill: transfer');
    expect(data?.error?.message).toContain('application/json');
    expect(withheld?.error?.message).toContain('application/json');
    expect(JSON.stringify(streamed)).toContain('"done"');
    // The agent's own word, through both guards.
    expect(task?.error?.message).toMatch(/not found/i);
    expect(rest.said).toEqual(['hello', 'data', 'task']);
    const calls = await world.records('call', '--service', 'a2a-rest');
    expect(calls.map(({ method, decision }) => `${String(method)} ${String(decision)}`)).toContain('SendMessage deny');
  });

  test('messages are counted over connections, at both ends, and each is recorded', async () => {
    for (const times of [1, 2]) {
      const [answer] = await ask('a2a-few', [{ send: [text(`few ${times}`)] }]);
      expect(answer?.parts?.[0]?.content.value).toBe(`you said few ${times}`);
    }
    const [refused] = await ask('a2a-few', [{ send: [text('few 3')] }]);
    expect(refused?.error).toMatchObject({ code: -32000, message: "The contract's 2 messages are used" });
    expect(few.said).toEqual(['few 1', 'few 2']);
    const calls = (await world.records('call', '--service', 'a2a-few')).map(({ decision, rule }) => [decision, rule]);
    expect(calls).toContainEqual(['deny', 'contract:a2a.maxMessages']);
    expect(calls.filter(([decision]) => decision === 'allow')).toHaveLength(2);
    const row = await world.newest('a2a-few');
    expect(row).toMatchObject({ guard: 'a2a', guardedAt: ['dial', 'host'] });
    const hosted = await world.json<AuditRecordView[]>(['audit', 'search', '--kind', 'call'], world.boxState);
    expect(hosted.filter(({ service, decision }) => service === 'a2a-few' && decision === 'allow')).toHaveLength(2);
  });
});
