/** Engagements between agents: agreed on, counted and ended at both ends of a network, whichever vouches for the caller. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EngagementView } from '../../main/api/agora-views.ts';
import type { AuditRecordView } from '../../main/api/record-views.ts';
import { PulseAgent, type PulseAgentPlan } from '../../main/cli/demo/pulse-agent.ts';
import { A2aAgent, agentCard, runA2aClient, text } from '../support/a2a-programs.ts';
import { GovernedWorld, type GovernedService } from '../support/governed-world.ts';
import { describeGoverned } from '../support/networks.ts';
import { mustSkip } from '../support/optional.ts';
import { openPythonEnvironment } from '../support/python-environment.ts';

interface Answer {
  readonly parts?: readonly { readonly content: { readonly value: unknown } }[];
  readonly skills?: readonly unknown[];
  readonly error?: { readonly code?: number; readonly message: string };
}

const python = await openPythonEnvironment('a2a', join(import.meta.dirname, '../support/a2a-python/requirements.txt'));
const isPythonMissing = mustSkip('missing' in python ? python.missing : undefined);

/** An agent of the demo, by the Python SDK. */
function inPython(name: string, proxy: string, directory: string): Promise<PulseAgent> {
  const plan: PulseAgentPlan = {
    name,
    state: '',
    proxy,
    path: join(directory, `${name}.py`),
    python: 'missing' in python ? undefined : python.interpreter,
    spec: {
      card: agentCard(name, `http://${name}.dark/`, ['demand']),
      series: 'demand',
      points: 3,
      everyMs: 10,
      socket: undefined,
      sdk: undefined,
    },
  };
  return PulseAgent.start(plan, 'bound', AbortSignal.timeout(120_000));
}

describeGoverned('engagements between agents', (network) => {
  const contracts = {
    'eng-open': {},
    'eng-asks': { approval: { by: ['box'], forSeconds: 3_600, reason: 'required' } },
    'eng-bytes': { maxBytes: 6_000 },
    'eng-js': { a2a: { skills: ['quote'] } },
  };
  let world: GovernedWorld;
  let pulse: PulseAgent | undefined;
  let programs: string;
  const agents: A2aAgent[] = [];

  beforeAll(async () => {
    programs = await mkdtemp(join(tmpdir(), 'culvert-pulse-'));
    const services: Record<string, GovernedService> = {};
    for (const [name, terms] of Object.entries(contracts)) {
      const agent = await A2aAgent.start(agentCard(name, `http://${name}.dark/`, ['quote']));
      agents.push(agent);
      services[name] = { target: agent.port, contract: { a2a: {}, ...terms }, dial: ['laptop'] };
    }
    if (!isPythonMissing) {
      pulse = await inPython('eng-python', '127.0.0.1:9', programs);
      services['eng-python'] = {
        target: Number(pulse.at),
        contract: { a2a: { skills: ['demand'] } },
        dial: ['laptop'],
      };
    }
    world = await GovernedWorld.open(network(), { identities: ['laptop'], services });
  }, 240_000);

  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    for (const agent of agents) agent[Symbol.dispose]();
    await pulse?.[Symbol.asyncDispose]();
    await rm(programs, { recursive: true, force: true });
  }, 60_000);

  const ask = (service: string, steps: Parameters<typeof runA2aClient>[2]): Promise<Answer[]> =>
    runA2aClient<Answer>(world.proxy, `http://${service}.dark/`, steps);
  const say = async (service: string, said: string): Promise<unknown> => {
    const [answer] = await ask(service, [{ send: [text(said)] }]);
    return answer?.error?.message ?? answer?.parts?.[0]?.content.value;
  };
  const at = async (state: string, service: string): Promise<EngagementView[]> =>
    (await world.json<EngagementView[]>(['agora', 'engagements'], state)).filter((row) => row.service === service);
  const both = async (service: string): Promise<[EngagementView[], EngagementView[]]> => [
    await at(world.deviceState, service),
    await at(world.boxState, service),
  ];
  const steps = async (state: string, id: string): Promise<string[]> => {
    const records = await world.json<AuditRecordView[]>(['audit', 'search', id], state);
    return records
      .filter(({ kind }) => kind.startsWith('engagement.'))
      .map(({ kind, reason }) => `${kind.slice('engagement.'.length)}: ${String(reason)}`)
      .reverse();
  };

  test(
    'one begins with the first message, has one id at both ends, and outlives connections and the engine',
    { timeout: 120_000 },
    async () => {
      const [card] = await ask('eng-open', [{ card: true }]);
      expect(card?.skills).toHaveLength(1);
      expect(await both('eng-open')).toEqual([[], []]);
      for (const said of ['one', 'two']) expect(await say('eng-open', said)).toBe(`you said ${said}`);
      await world.restart();
      expect(await say('eng-open', 'three')).toBe('you said three');
      const [[mine, ...mores], [theirs, ...others]] = await both('eng-open');
      expect([mores, others]).toEqual([[], []]);
      expect(mine).toMatchObject({
        state: 'active',
        messages: 3,
        end: 'dial',
        identity: 'laptop',
        contractAgrees: true,
      });
      expect(theirs).toMatchObject({ id: mine?.id, contractHash: mine?.contractHash, messages: 3, end: 'host' });
      expect(theirs?.counterparty).toContain(GovernedWorld.controllerName('laptop', world.home));
      expect(mine?.bytes).toBeGreaterThan(500);
      for (const state of [world.deviceState, world.boxState]) {
        expect(await steps(state, mine?.id ?? '')).toEqual([
          'proposed: its first message',
          'accepting: accepted by the contract alone',
          'active: its first message',
        ]);
      }
    },
  );

  test('it is closed at either end, and only a proposal begins another', { timeout: 120_000 }, async () => {
    const [[first]] = await both('eng-open');
    const id = first?.id ?? '';
    const closed = await world.json<EngagementView>(['agora', 'close', id, '--reason', 'enough']);
    expect(closed).toMatchObject({ state: 'closed', closeReason: 'consumer_close', reason: 'enough' });
    expect((await at(world.boxState, 'eng-open'))[0]).toMatchObject({
      closeReason: 'consumer_close',
      reason: 'enough',
    });
    expect(await say('eng-open', 'four')).toContain('culvert agora propose eng-open');
    expect(agents[0]?.said).not.toContain('four');
    const proposed = await world.json<EngagementView>(['agora', 'propose', 'eng-open', '--reason', 'more']);
    expect(proposed).toMatchObject({ state: 'accepting', reason: 'accepted by the contract alone' });
    expect(await say('eng-open', 'five')).toBe('you said five');
    await world.json(['agora', 'close', proposed.id], world.boxState);
    const [[, mine], [, theirs]] = await both('eng-open');
    for (const row of [mine, theirs]) expect(row).toMatchObject({ id: proposed.id, closeReason: 'provider_close' });
    const again = await world.run(['agora', 'close', proposed.id, '--json']);
    expect(JSON.parse(again.err)).toMatchObject({ error: { code: 'agora.engagement_over' } });
  });

  test(
    'where the contract asks a person, the card is shown and nothing is said before that',
    { timeout: 120_000 },
    async () => {
      const [card, said] = await ask('eng-asks', [{ card: true }, { send: [text('hello')] }]);
      expect(card?.skills).toHaveLength(1);
      expect(said?.error?.message).toContain('culvert agora propose eng-asks');
      const proposed = await world.json<EngagementView>(['agora', 'propose', 'eng-asks', '--reason', 'quotes']);
      expect(proposed.state).toBe('proposed');
      expect(await say('eng-asks', 'hello')).toContain('waits for box');
      const [waiting] = await at(world.boxState, 'eng-asks');
      expect(waiting).toMatchObject({ id: proposed.id, state: 'proposed', reason: 'quotes' });
      const own = await world.run(['agora', 'accept', proposed.id, '--json']);
      expect(JSON.parse(own.err)).toMatchObject({ error: { code: 'agora.not_yours' } });
      const without = await world.run(['agora', 'accept', proposed.id, '--json'], world.boxState);
      expect(JSON.parse(without.err)).toMatchObject({ error: { code: 'approvals.reason_required' } });
      await world.json(['agora', 'accept', proposed.id, '--reason', 'known to us'], world.boxState);
      expect(await say('eng-asks', 'hello')).toBe('you said hello');
      const [[mine], [theirs]] = await both('eng-asks');
      for (const row of [mine, theirs]) expect(row).toMatchObject({ id: proposed.id, state: 'active', messages: 1 });
      expect(mine?.endsAt).toMatch(/Z$/);
      for (const state of [world.deviceState, world.boxState]) {
        expect(await steps(state, proposed.id)).toEqual([
          'proposed: quotes',
          'accepting: accepted by box: known to us',
          'active: its first message',
        ]);
      }
      await world.json(['agora', 'close', proposed.id], world.boxState);
      const second = await world.json<EngagementView>(['agora', 'propose', 'eng-asks']);
      await world.json(['agora', 'reject', second.id, '--reason', 'not now'], world.boxState);
      const [[, rejected]] = await both('eng-asks');
      expect(rejected).toMatchObject({ id: second.id, closeReason: 'rejected', reason: 'refused by box: not now' });
    },
  );

  test(
    'bytes are counted over connections, and the one beyond the last ends it at both ends',
    { timeout: 120_000 },
    async () => {
      let last: unknown;
      for (let times = 0; times < 12; times += 1) {
        last = await say('eng-bytes', `x${'y'.repeat(1_000)}`);
        if (typeof last !== 'string' || !last.startsWith('you said')) break;
      }
      const [[mine], [theirs]] = await both('eng-bytes');
      expect(mine).toMatchObject({ closeReason: 'contract_violation', ended: 'max_bytes_exceeded' });
      // Whichever counts it first: what the other end says of it is no more than its closing.
      expect(['max_bytes_exceeded', 'consumer_close']).toContain(theirs?.ended);
      for (const row of [mine, theirs]) {
        expect(row?.state).toBe('closed');
        expect(row?.bytes).toBeLessThanOrEqual(6_000);
        expect(row?.messages).toBeGreaterThan(1);
      }
      expect(await say('eng-bytes', 'more')).toContain('culvert agora propose eng-bytes');
    },
  );

  test.skipIf(isPythonMissing)(
    'the official SDKs of two languages meet, either way round, by messages and by streams',
    { timeout: 120_000 },
    async () => {
      const metadata = { skillId: 'demand' };
      const asked = [
        { send: [text('now')], metadata },
        { stream: [text('watch')], metadata },
      ];
      const [said, streamed] = await ask('eng-python', asked);
      expect(said?.parts?.[0]?.content.value).toMatch(/^demand /);
      expect(JSON.stringify(streamed).match(/"demand [\d.-]+"/g)?.length).toBeGreaterThanOrEqual(3);
      await using asker = await inPython('asker', world.proxy, programs);
      const url = 'http://eng-js.dark/';
      expect(await asker.tell('ask', { url, skill: 'quote' })).toMatchObject({ answer: 'you said now' });
      expect((await asker.tell('ask', { url, skill: 'transfer' })).failed).toContain('Unknown skill: transfer');
      for (const [service, messages] of [
        ['eng-python', 2],
        ['eng-js', 1],
      ] as const) {
        const [[mine], [theirs]] = await both(service);
        for (const row of [mine, theirs]) expect(row).toMatchObject({ id: mine?.id, state: 'active', messages });
      }
    },
  );

  test('its terms speak for an agent that is not there', { timeout: 120_000 }, async () => {
    agents[1]?.[Symbol.dispose]();
    const proposed = await world.json<EngagementView>(['agora', 'propose', 'eng-asks', '--reason', 'while away']);
    expect(proposed.state).toBe('proposed');
    expect((await at(world.boxState, 'eng-asks')).at(-1)).toMatchObject({ id: proposed.id, reason: 'while away' });
  });
});
