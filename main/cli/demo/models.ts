/**
 * Scenario `models`: two providers as dark services, three agents that ask them through one local endpoint, each as itself and with a key that is
 * worth nothing anywhere else; one spends too much and is stopped in mid-sentence.
 */
import { join } from 'node:path';
import type { DisposalStack } from '../../base/lifecycle.ts';
import type { Cli } from '../cli.ts';
import { askAs, writeModelAgent, type ModelQuestion, type ModelRun } from './model-agent.ts';
import { openModelProvider, type DemoProvider } from './model-provider.ts';
import { darkConfigs, failed, onStage, startDevice, waitUntilHosted, type Demo, type Narrate } from './stage.ts';

const studio = 'studio';
const house = 'model-house';
const agents = ['writer', 'analyst', 'spender'] as const;
type Agent = (typeof agents)[number];
/** Of each agent at each service, in an hour. */
const budgetTokens = 300;
/** What the spender asks for, many times its budget. */
const tooManyWords = 4_000;

/** Run the scenario; resolves with everything still up. Throws where any step fails, leaving nothing behind. */
export function openModels(cli: Cli, narrate: Narrate): Promise<Demo> {
  return onStage((stack, directory) => scenario(cli, narrate, stack, directory));
}

async function scenario(cli: Cli, narrate: Narrate, stack: DisposalStack, directory: string): Promise<Demo> {
  const { programs } = cli;
  const swift = stack.use(await openModelProvider('openai'));
  const deep = stack.use(await openModelProvider('anthropic'));
  const overlay = stack.use(
    await programs.openOverlay({ directory: join(directory, 'overlay'), seed: seed(swift.port, deep.port) }),
  );
  const { tokens } = overlay;
  await startDevice({ name: house, mode: 'host', tokens, directory, programs }, stack);
  await waitUntilHosted(cli, join(directory, house));
  narrate(
    `"${house}" hosts two providers as dark services`,
    `swift.models speaks OpenAI's dialect, deep.models Anthropic's; ${budgetTokens} tokens an hour for each agent at each`,
  );

  for (const agent of agents) await writeModelAgent(pathOf(directory, agent));
  const config = settings(directory);
  await startDevice({ name: studio, mode: 'proxy', tokens, identities: agents, config, directory, programs }, stack);
  const state = join(directory, studio);
  const url = await openEndpoint(cli, state, stack);
  const keys = await keysOf(cli, state);
  narrate(
    `"${studio}" runs ${agents.join(', ')}, each bound to an identity of its own`,
    `one endpoint for all models: ${url}`,
  );

  const ask = (who: Agent, question: Omit<ModelQuestion, 'key'>, key = keys[who]): Promise<ModelRun> =>
    askAs(pathOf(directory, who), url, { ...question, key }, cli.signal);
  await everyoneAsks(ask, narrate);
  await oneOverspends(ask, swift, narrate);
  await keysAreWorthless(ask, keys, [swift, deep], narrate);
  await recordTells(cli, state, narrate);

  const sessions = await cli.withEngine({ state }, (client) => client.session.list());
  return {
    state,
    mode: 'proxy',
    proxy: undefined,
    sessions,
    next: [
      [`curl ${url}/v1/models`, 'the models that this shell may ask: none, for it is no agent here'],
      [`CULVERT audit calls --state ${state}`, 'who asked which model, what it used, and what was refused'],
      [`CULVERT llm keys list --state ${state}`, 'keys that are worth nothing anywhere else; revoke one'],
    ],
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

type Ask = (who: Agent, question: Omit<ModelQuestion, 'key'>, key?: string) => Promise<ModelRun>;

async function everyoneAsks(ask: Ask, narrate: Narrate): Promise<void> {
  const short = await ask('writer', { path: '/v1/chat/completions', model: 'swift-1', words: 12 });
  if (short.status !== 200 || short.ended !== 'stop') throw failed(`the writer was not answered: ${short.text}`);
  narrate(`The writer asks swift-1, which ${short.service} has`, `"${short.text.trim()}"`);
  const alias = await ask('analyst', { path: '/v1/messages', model: 'best', words: 12 });
  if (alias.status !== 200 || alias.service !== 'deep.models')
    throw failed(`the analyst was not answered: ${alias.text}`);
  narrate('The analyst asks "best", an alias for deep-1', `${alias.service}: "${alias.text.trim()}"`);
  const refused = await ask('writer', { path: '/v1/chat/completions', model: 'secret-1', words: 12 });
  if (refused.status !== 404) throw failed('a model that nobody may ask was answered');
  narrate('The writer asks secret-1', `refused: ${refused.text}`);
}

async function oneOverspends(ask: Ask, provider: DemoProvider, narrate: Narrate): Promise<void> {
  const long: Omit<ModelQuestion, 'key'> = { path: '/v1/chat/completions', model: 'swift-1', words: tooManyWords };
  const stopped = await ask('spender', long);
  const shown = stopped.text.trim().split(' ');
  // Its prompt counts as well.
  const near = shown.length > budgetTokens * 0.75 && shown.length <= budgetTokens;
  if (stopped.ended !== 'length' || !near)
    throw failed(`the spender was not stopped at its budget: ${shown.length} words`);
  narrate(
    `The spender asks for ${tooManyWords} words: stopped in mid-sentence after ${shown.length}`,
    `"… ${shown.slice(-8).join(' ')}"; the provider was let go`,
  );
  const again = await ask('spender', long);
  if (again.status !== 429) throw failed('a used budget let another question through');
  narrate('It asks once more', `429: ${again.text}`);
  const other = await ask('writer', { ...long, words: 5 });
  if (other.status !== 200 || provider.served() === 0) throw failed('the writer was stopped with the spender');
  narrate('The writer beside it is answered as before', 'a budget is of an identity at a service');
}

async function keysAreWorthless(
  ask: Ask,
  keys: Readonly<Record<Agent, string>>,
  providers: readonly DemoProvider[],
  narrate: Narrate,
): Promise<void> {
  const question: Omit<ModelQuestion, 'key'> = { path: '/v1/messages', model: 'deep-1', words: 5 };
  const borrowed = await ask('analyst', question, keys.writer);
  if (borrowed.status !== 401) throw failed('a key was good in other hands');
  const seen = providers.flatMap((provider) => provider.keys());
  if (seen.length > 0) throw failed('a key went on to a provider');
  narrate('The analyst shows the writer’s key', `401: ${borrowed.text}; no key of theirs ever reached a provider`);
}

async function recordTells(cli: Cli, state: string, narrate: Narrate): Promise<void> {
  const calls = await cli.withEngine({ state }, (client) => client.audit.search({ kind: 'call', limit: 100 }));
  const used = agents.map((agent) => {
    const own = calls.filter((call) => call['agent'] === agent);
    const sum = own.reduce(
      (total, { tokensIn, tokensOut }) => total + Number(tokensIn ?? 0) + Number(tokensOut ?? 0),
      0,
    );
    return `${agent} ${sum} tokens`;
  });
  const verified = await cli.programs.verifyAudit(state);
  if (!verified.ok) throw failed('the record does not verify');
  narrate('What each of them used stands in the record', used.join(', '));
}

/** Open until the demo ends. */
function openEndpoint(cli: Cli, state: string, stack: DisposalStack): Promise<string> {
  const ending = new AbortController();
  return new Promise((resolve, reject) => {
    const served = cli.withEngine({ state }, async (engine) => {
      const places = engine.llm.listen({ host: '127.0.0.1', port: 0 }, { signal: ending.signal });
      for await (const { url } of places) resolve(url);
    });
    // It ends by being aborted.
    const ended = served.catch((error: unknown) => reject(error as Error));
    stack.defer(() => {
      ending.abort();
      return ended;
    });
  });
}

async function keysOf(cli: Cli, state: string): Promise<Readonly<Record<Agent, string>>> {
  const made = await cli.withEngine({ state }, (engine) =>
    Promise.all(agents.map(async (agent) => [agent, (await engine.llm.createKey({ agent })).value] as const)),
  );
  return Object.fromEntries(made) as Record<Agent, string>;
}

function pathOf(directory: string, agent: Agent): string {
  return join(directory, 'agents', `${agent}.mjs`);
}

/** JSON is YAML: nothing in a path has to be escaped by hand. */
function settings(directory: string): string {
  const bound = agents.map((agent) => [agent, { identity: agent, path: pathOf(directory, agent) }]);
  const aliases = { best: [{ model: 'deep-1' }, { model: 'swift-1', weight: 0 }] };
  return JSON.stringify({
    agents: Object.fromEntries(bound) as unknown,
    policy: { unbound: 'refuse' },
    llm: { aliases },
  });
}

function seed(swiftPort: number, deepPort: number): unknown {
  const service = (name: string, port: number, models: readonly string[]): object => ({
    name,
    configs: {
      ...darkConfigs(name, 80, port),
      'culvert.contract.v1': { http: { models, tokenBudget: { tokens: budgetTokens, perSeconds: 3_600 } } },
    },
    dial: agents,
    bind: [house],
  });
  return {
    identities: [house, ...agents],
    services: [service('swift.models', swiftPort, ['swift-*']), service('deep.models', deepPort, ['deep-*'])],
  };
}
