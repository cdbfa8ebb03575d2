/**
 * Scenario `macro-pulse`: five organisations share live figures through four workgroups. Eight agents, each a program and an identity of its own,
 * speak A2A under engagements; one of these waits for a person and ends with its time, one agent misbehaves and is cut off, alone.
 */
import { join } from 'node:path';
import type { EngagementView } from '../../api/agora-views.ts';
import type { Cli } from '../cli.ts';
import { PulseStage } from './pulse-stage.ts';
import {
  culprit,
  engagementSeconds,
  everyone,
  homeOf,
  identityOf,
  organisations,
  peersOf,
  seriesOf,
  serviceOf,
  tolerated,
  urlOf,
  workgroups,
} from './pulse-world.ts';
import { onStage, failed, waitUntil, type Demo, type Narrate } from './stage.ts';

/** While the demo stays everybody asks somebody this often. */
const pulseMs = 2_000;

/** Run the scenario; resolves with everything still up. Throws where any step fails, leaving nothing behind. */
export function openMacroPulse(cli: Cli, narrate: Narrate): Promise<Demo> {
  return onStage(async (stack, directory) => {
    const stage = new PulseStage(cli, stack, directory);
    await stage.startEngines();
    const groups = Object.entries(workgroups).map(([group, members]) => `${group}: ${members.join(', ')}`);
    narrate('Five organisations run an engine each, and share four workgroups', groups.join('; '));
    const { speak, started } = await stage.startAgents();
    narrate(`Eight agents start, programs that speak ${speak}`, started);
    await stage.offerAgents();
    narrate('Each is offered as a dark service, by a card that its identity signs', everyone.map(serviceOf).join(', '));
    await everyoneLooks(stage, narrate);
    await everyoneAsks(stage, narrate);
    await oneEngagementEnds(stage, cli, narrate);
    await oneMisbehaves(stage, cli, narrate);
    await bothEndsAgree(stage, narrate);
    for (const name of Object.keys(organisations)) {
      const verified = await cli.programs.verifyAudit(join(directory, name));
      if (!verified.ok) throw failed(`the record of ${name} does not verify`);
    }
    const state = stage.stateOf(culprit);
    return {
      state,
      mode: 'proxy',
      proxy: stage.proxies.get(homeOf(culprit)),
      sessions: await stage.sessions(),
      stay: () => stack.use(goOnAsking(stage, cli)),
      next: [
        [`CULVERT agora engagements --state ${state}`, 'with whom its agents are engaged, and how each of it ended'],
        [
          `CULVERT agora list --state ${state}`,
          'the agents that its own may ask; it does not know that there are others',
        ],
        [`CULVERT quarantine list --state ${state}`, 'who is cut off, by what, and why'],
        [`CULVERT audit calls --state ${state}`, 'which agent said what to whom, decided by which rule'],
        [`CULVERT why --app router --state ${state}`, 'all that one agent may reach'],
      ],
      [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
    };
  });
}

async function everyoneLooks(stage: PulseStage, narrate: Narrate): Promise<void> {
  const looks = everyone.map(async (name) => {
    const others = everyone.filter((other) => other !== name);
    const { told } = await stage.told(name, 'knock', { urls: others.map(urlOf) });
    const seen = others.filter((_other, at) => (told as readonly string[])[at] === '');
    const meant = others.filter((other) => peersOf(name).includes(other));
    if (seen.join() !== meant.join()) throw failed(`${name} finds ${seen.join(', ')}: ${JSON.stringify(told)}`);
    return seen.length;
  });
  const seen = (await Promise.all(looks)).reduce((sum, count) => sum + count, 0);
  const pairs = everyone.length * (everyone.length - 1);
  narrate('Each looks for all the others, and finds its own workgroups alone', `${seen} of ${pairs} are found`);
}

async function everyoneAsks(stage: PulseStage, narrate: Narrate): Promise<void> {
  const asking = everyone.flatMap((name) =>
    freeToAsk(name).map(async (peer) => `${peer} to ${name}: ${await stage.ask(name, peer)}`),
  );
  narrate(
    'Each asks those it finds for their newest figure: an engagement begins with the first message',
    (await Promise.all(asking)).join('; '),
  );
}

async function oneEngagementEnds(stage: PulseStage, cli: Cli, narrate: Narrate): Promise<void> {
  const [asks, answers] = ['reader', 'curator'];
  const watched = { url: urlOf(answers), skill: seriesOf[answers] };
  const early = await stage.tell(asks, 'ask', watched);
  if (early.failed === undefined) throw failed(`the ${answers} was asked without anybody's word`);
  const proposal = { service: serviceOf(answers), identity: identityOf(asks), reason: 'the quarterly review' };
  const { id } = await stage.at(asks, (engine) => engine.agora.propose(proposal));
  await stage.at(answers, (engine) => engine.agora.accept({ id, reason: 'as every quarter' }));
  narrate(
    `The ${answers} answers nobody without a person's word: ${homeOf(asks)} proposes, ${homeOf(answers)} accepts`,
    `before that: ${early.failed}`,
  );
  const { points, afterMs } = await stage.told(asks, 'watch', watched);
  // Its session, which began before its first message, may have ended some moments earlier.
  let over: EngagementView | undefined;
  await waitUntil(cli, 'the engagement ends with its time', async () => {
    over = (await stage.at(asks, (engine) => engine.agora.engagements())).find((row) => row.id === id);
    return over?.ended === 'max_duration_exceeded';
  });
  narrate(
    `The ${asks} watches for the ${engagementSeconds} s that were agreed on, then the engagement ends`,
    `${String(points)} figures in ${(Number(afterMs) / 1000).toFixed(1)} s; ${over?.closeReason ?? ''}: ${over?.reason ?? ''}`,
  );
}

async function oneMisbehaves(stage: PulseStage, cli: Cli, narrate: Narrate): Promise<void> {
  const [victim = ''] = peersOf(culprit);
  const asked = { url: urlOf(victim), skill: seriesOf[victim], wrong: 'transfer', times: tolerated };
  const { refusals, cutAfterMs } = await stage.told(culprit, 'misbehave', asked);
  const [refusal = ''] = refusals as readonly string[];
  await waitUntil(cli, `the ${culprit} is in quarantine`, async () => {
    const held = await stage.at(culprit, (engine) => engine.quarantine.list());
    return held.some((entry) => entry.subject.startsWith(`app:${culprit}@`) && entry.by === 'breaker');
  });
  narrate(
    `The ${culprit} watches the ${victim} and asks it ${tolerated} times for what its contract does not allow: it is cut off`,
    `${refusal}; its stream ended ${Math.round(Number(cutAfterMs))} ms after its last try`,
  );
  const { told } = await stage.told(culprit, 'knock', { urls: [urlOf(victim)] });
  const [again = ''] = told as readonly string[];
  if (again === '') throw failed(`the ${culprit} was let through once more`);
  await stage.ask('router', 'forecaster');
  narrate(`The ${culprit} reaches the ${victim} no more; the router beside it works on`, again);
}

async function bothEndsAgree(stage: PulseStage, narrate: Narrate): Promise<void> {
  const rows = await stage.engagements();
  const ids = [...new Set(rows.map(({ id }) => id))];
  for (const id of ids) {
    const ends = rows.filter((row) => row.id === id);
    if (ends.length !== 2 || new Set(ends.map(({ contractHash }) => contractHash)).size !== 1) {
      throw failed(`the two ends of ${id} do not agree`);
    }
  }
  const over = rows.filter(({ end, state }) => end === 'dial' && state === 'closed');
  narrate(
    `${ids.length} engagements stand in the records of both their ends, each under one id and one contract`,
    over.map(({ identity, service, ended }) => `${identity} and ${service}: ${ended ?? ''}`).join('; '),
  );
}

/** Everybody but who was cut off, each one of its own in turn. */
function goOnAsking(stage: PulseStage, cli: Cli): Disposable {
  let turn = 0;
  return cli.clock.every(pulseMs, () => {
    turn += 1;
    for (const name of everyone.filter((one) => one !== culprit)) {
      const peers = freeToAsk(name).filter((peer) => peer !== culprit);
      const peer = peers[turn % peers.length];
      if (peer !== undefined) void stage.tell(name, 'ask', { url: urlOf(peer), skill: seriesOf[peer] });
    }
  });
}

/** Peers whose contract accepts by itself. */
function freeToAsk(name: string): readonly string[] {
  return peersOf(name).filter((peer) => peer !== 'curator');
}
