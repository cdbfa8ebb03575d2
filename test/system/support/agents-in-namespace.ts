/**
 * Real command-line agents in a namespace that holds nothing but loopback: each with what `culvert mcp config` and `culvert env` say asks a provider
 * of ours through a dark service, and calls the tool of another. Those in the file that `CULVERT_AGENTS` names. Runs inside a namespace: see
 * `inside.ts`.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import type { SessionView } from '../../../main/api/views.ts';
import { pathsOf, quiet, realAgents, type AgentRun, type RealAgent } from '../../support/agents/agents.ts';
import type { InstalledAgent } from '../../support/agents/environment.ts';
import { answerText, openAgentProvider, plainText, told, type AgentProvider } from '../../support/agents/provider.ts';
import { culvertJson } from '../../support/culvert.ts';
import { RunningServer } from '../../support/mcp-matrix.ts';
import { ownPeers } from '../../support/mcp-peers.ts';
import { McpWorld } from '../../support/mcp-world.ts';
import { expectThat, say, scenarioMain } from './tun-world.ts';

const runMs = 150_000;
const [goodModel, secretModel] = ['good-1', 'secret-1'] as const;
const prompt = 'Use the search tool of docs on the text abc, and say what it answers.';

interface Stage {
  readonly world: McpWorld;
  readonly provider: AgentProvider;
  readonly docs: RunningServer;
  readonly home: string;
}

async function scenario(): Promise<void> {
  const installed = JSON.parse(await readFile(process.env['CULVERT_AGENTS'] ?? '', 'utf8')) as InstalledAgent[];
  const chosen = realAgents.flatMap((agent) => {
    const { program } = installed.find(({ name }) => name === agent.name) ?? {};
    return program === undefined ? [] : [{ agent, program }];
  });
  const home = await mkdtemp(join(tmpdir(), 'culvert-agents-'));
  const [first] = ownPeers().servers;
  if (first === undefined) throw new Error('no server');
  try {
    await using provider = await openAgentProvider('docs__search');
    await using docs = await RunningServer.start(
      { ...first, service: 'docs', command: [...first.command.slice(0, 2), 'docs', 'events'] },
      home,
    );
    const bound = chosen.map(({ agent }) => [agent.name, { identity: 'laptop', path: pathsOf(agent) }]);
    await using world = await McpWorld.open(
      {
        docs: { target: docs.port, contract: { mcp: { deny: ['delete_*'] } } },
        models: {
          target: provider.port,
          contract: { http: { models: ['good-*'], tokenBudget: { tokens: 1_000_000, perSeconds: 3_600 } } },
        },
      },
      { laptopConfig: JSON.stringify({ agents: Object.fromEntries(bound) as object }) },
    );
    for (const { agent, program } of chosen) await one(agent, program, { world, provider, docs, home });
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function one(agent: RealAgent, program: string, stage: Stage): Promise<void> {
  const { world, provider, docs } = stage;
  const home = join(stage.home, agent.name);
  await mkdir(join(home, 'project'), { recursive: true });
  const variables = await world.json<Record<string, string>>(['env', '--agent', agent.name]);
  const ask = async (model: string): Promise<string> => {
    const run = { model, prompt, home, variables };
    return start(program, agent.args(run), environment(agent, run), join(home, 'project'));
  };
  for (const [name, text] of Object.entries(agent.files?.({ model: goodModel, prompt, home, variables }) ?? {})) {
    await mkdir(dirname(join(home, name)), { recursive: true });
    await writeFile(join(home, name), text);
  }

  if (agent.client !== undefined) {
    const { client } = agent;
    await finding(`${agent.name} is configured`, async () => {
      const args = ['mcp', 'config', '--client', client, '--state', world.laptop];
      const { file } = await culvertJson<{ file: string }>(args, {
        env: { HOME: home, XDG_CONFIG_HOME: join(home, '.config') },
      });
      expectThat(file.startsWith(home), file);
    });
  }
  const [before, ranBefore] = [provider.asked.length, docs.told().length];
  const screen = await ask(goodModel);
  const asked = provider.asked.slice(before);
  if (agent.client !== undefined) {
    await finding(`${agent.name} lists the tools of a dark service`, async () => {
      if (agent.noModel === undefined) {
        const offered = asked.map(
          ({ tools }) => `${tools.length}: ${tools.filter((tool) => /docs|mcp/i.test(tool)).join(' ')}`,
        );
        expectThat(
          asked.some(({ tools }) => tools.some((tool) => tool.endsWith('docs__search'))),
          `${offered.join('; ')}\n${tail(screen)}`,
        );
        expectThat(docs.told(ranBefore).includes('"ran":"search"'), tail(screen));
      } else expectThat(screen.includes('docs__search'), tail(screen));
      const rows = await sessionsOf(world, agent, 'docs');
      expectThat(rows.length > 0, 'no session under its name');
    });
  }
  if (agent.noModel !== undefined) return;
  await finding(`${agent.name} is answered, and what it used is booked`, async () => {
    expectThat(screen.includes(agent.client === undefined ? plainText : answerText), tail(screen));
    const calls = await world.json<AuditRecordView[]>([
      'audit',
      'search',
      '--kind',
      'call',
      '--service',
      'models',
      '--agent',
      agent.name,
    ]);
    const used = calls.filter(({ model, tokensOut }) => model === goodModel && Number(tokensOut) > 0);
    const questions = asked.filter(({ path }) => !/count_?tokens/i.test(path)).length;
    expectThat(
      used.length === questions &&
        used.every(({ tokensIn, tokensOut }) => tokensIn === told.input && tokensOut === told.output),
      JSON.stringify([questions, used.map(({ tokensIn, tokensOut }) => [tokensIn, tokensOut])]),
    );
    expectThat((await sessionsOf(world, agent, 'models')).length > 0, 'no session under its name');
  });
  await finding(`${agent.name} says why a model is refused`, async () => {
    const from = provider.asked.length;
    const refused = await ask(secretModel);
    expectThat((agent.refusal ?? /not among the models/).test(refused), tail(refused));
    expectThat(
      provider.asked.slice(from).every(({ model }) => model !== secretModel),
      'it was asked',
    );
  });
}

async function sessionsOf(world: McpWorld, { name }: RealAgent, service: string): Promise<readonly SessionView[]> {
  const rows = await world.json<SessionView[]>(['sessions']);
  return rows.filter((row) => row.service === service && row.app.agent === name && row.app.attribution === 'exact');
}

function environment(agent: RealAgent, run: AgentRun): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    LANG: 'C.UTF-8',
    HOME: run.home,
    ...quiet,
    ...run.variables,
    ...agent.env?.(run),
  };
}

/** What it shows, however it ends; it and what it started end with its time. */
function start(program: string, args: readonly string[], env: Record<string, string>, cwd: string): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let screen = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (part: string) => (screen += part));
    const late = setTimeout(() => {
      screen += '\n(it did not end)';
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    }, runMs);
    child.once('error', (error) => {
      clearTimeout(late);
      resolve(String(error));
    });
    child.once('close', () => {
      clearTimeout(late);
      resolve(screen);
    });
  });
}

async function finding(check: string, body: () => Promise<void>): Promise<void> {
  const since = performance.now();
  try {
    await body();
    say({ check, ok: true, ms: Math.round(performance.now() - since) });
  } catch (error) {
    say({ check, ok: false, detail: (error as Error).message });
  }
}

const tail = (screen: string): string => screen.slice(-1_500);

await scenarioMain(scenario);
