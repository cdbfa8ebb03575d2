import type { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import type { EngagementView } from '../../api/agora-views.ts';
import type { CheckedCardView } from '../../api/views.ts';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import { runAgent, type RunningAgent } from '../agora/agent-program.ts';
import { readCatalogue } from '../agora/catalogue.ts';
import { offerUntil, placeAt } from '../agora/offered-agent.ts';
import { addVerb, usage, type Cli, type CommonOptions } from '../cli.ts';
import { bytes, relative, table } from '../table.ts';
import { stateTint } from '../tint.ts';

type OfferOptions = CommonOptions & { readonly card: string; readonly backend?: string; readonly identity?: string };

/** An agent as `agora list` shows it. */
type AgentRow = Partial<CheckedCardView> &
  Pick<CheckedCardView, 'service' | 'agent' | 'skills'> & { readonly here: boolean };

/** `culvert agora …`: agents that are offered over dark services, those one may ask, and what both agree on. */
export function addAgora(program: Command, cli: Cli): void {
  const group = program.command('agora').description('agents offered as dark services');

  addVerb(group, 'list', 'agents you may ask, and those offered here').action(async (options: CommonOptions) => {
    const rows = await cli.withEngine(options, async (engine): Promise<readonly AgentRow[]> => {
      const offered = await engine.agora.offers();
      const here = new Set(offered.map(({ service }) => service));
      const found = await readCatalogue(engine, cli.signal);
      const asked = new Set(found.map(({ service }) => service));
      return [
        ...found.map((row) => ({ ...row, here: here.has(row.service) })),
        ...offered
          .filter(({ service }) => !asked.has(service))
          .map(({ service, agent, skills }) => ({ service, agent, skills, here: true })),
      ];
    });
    cli.print(options, rows, (all) => describe(all, cli));
  });

  addVerb(group, 'offer <service> [command...]', 'offer an agent as a dark service, until it ends or is withdrawn')
    .usage('[options] NAME --card FILE [--backend URL | -- COMMAND…]')
    .requiredOption('--card <file>', "the agent's card, JSON")
    .option('--backend <url>', 'where the agent listens on this machine (http://127.0.0.1:PORT/PATH)')
    .option('--identity <name>', 'offer it as this identity alone')
    .action((service: string, command: string[], options: OfferOptions) => offer(service, command, options, cli));

  addVerb(group, 'withdraw <service>', 'take an offered agent back, and cut off who talks to it')
    .option('--identity <name>', 'the one that this identity offers')
    .action(async (service: string, options: CommonOptions & { readonly identity?: string }) => {
      const { identity } = options;
      const identities = identity === undefined ? undefined : [identity];
      await cli.withEngine(options, (engine) => engine.agora.withdraw({ service, ...defined({ identities }) }));
      cli.print(options, { service, withdrawn: true }, () => `${service} is offered no more\n`);
    });

  addEngagements(group, cli);
}

type DecideOptions = CommonOptions & { readonly reason?: string };

function addEngagements(group: Command, cli: Cli): void {
  const told = (row: EngagementView): string =>
    `${row.id} with ${row.service} is ${row.state}: ${row.reason}\n${row.state === 'proposed' ? waits(row) : ''}`;

  addVerb(group, 'propose <service>', 'propose an engagement to whoever offers the agent')
    .option('--identity <name>', 'propose as this identity')
    .option('--reason <text>', 'why, for whoever decides and for both records')
    .action(async (service: string, options: DecideOptions & { readonly identity?: string }) => {
      const request = { service, ...defined({ identity: options.identity, reason: options.reason }) };
      const row = await cli.withEngine(options, (engine) => engine.agora.propose(request));
      cli.print(options, row, told);
    });
  for (const [verb, what] of decisions) {
    addVerb(group, `${verb} <id>`, what)
      .option('--reason <text>', 'why, for both records')
      .action(async (id: string, options: DecideOptions) => {
        const request = { id, ...defined({ reason: options.reason }) };
        const row = await cli.withEngine(options, (engine) => engine.agora[verb](request));
        cli.print(options, row, told);
      });
  }
  addVerb(group, 'engagements', 'with whom this engine is or was engaged, and under what').action(
    async (options: CommonOptions) => {
      const rows = await cli.withEngine(options, (engine) => engine.agora.engagements());
      cli.print(options, rows, (all) => describeEngagements(all, cli));
    },
  );
}

const decisions = [
  ['accept', 'accept a proposal, or let those meet again whose engagement is over'],
  ['reject', 'reject a proposal'],
  ['close', 'end an engagement, and cut what flows under it'],
] as const;

function waits({ end, id }: EngagementView): string {
  return end === 'host' ? `culvert agora accept ${id}, or reject\n` : 'it waits for a person at its other end\n';
}

function describeEngagements(rows: readonly EngagementView[], cli: Cli): string {
  if (rows.length === 0) return 'There are no engagements.\n';
  const now = cli.clock.now();
  return table(
    rows,
    [
      { title: 'ID', text: (row) => row.id, whole: true },
      { title: 'STATE', text: (row) => row.state, tint: (row) => stateTint(row.state), whole: true },
      { title: 'SERVICE', text: (row) => row.service },
      { title: 'AS', text: (row) => row.identity, spare: 3 },
      { title: 'WITH', text: (row) => row.counterparty ?? '', spare: 1 },
      { title: 'MESSAGES', text: (row) => String(row.messages), align: 'right', spare: 4 },
      { title: 'BYTES', text: (row) => bytes(row.bytes), align: 'right', spare: 5 },
      {
        title: 'ENDS',
        text: (row) => (row.endsAt === null || row.state === 'closed' ? '' : relative(row.endsAt, now)),
        spare: 6,
      },
      {
        title: 'WHY',
        text: (row) => (row.closeReason === null ? row.reason : `${row.closeReason}: ${row.reason}`),
        spare: 2,
      },
    ],
    cli,
  );
}

async function offer(service: string, command: readonly string[], options: OfferOptions, cli: Cli): Promise<void> {
  if ((command.length === 0) === (options.backend === undefined)) {
    throw usage('agora offer: give it --backend URL, or -- COMMAND… that listens on $PORT');
  }
  const card = await readFile(options.card, 'utf8').catch((error: unknown) => {
    throw new TunnelerError('agora.card_invalid', `${options.card} cannot be read`, { cause: error });
  });
  await cli.withEngine(options, async (engine) => {
    const ended = new AbortController();
    using agent = command.length === 0 ? undefined : await runAgent(command, cli);
    void agent?.ended.then(() => ended.abort());
    const at = agent?.at ?? backendOf(options.backend ?? '');
    const { identity } = options;
    await offerUntil(engine, { service, card, ...defined({ identity }) }, placeAt(at), {
      signal: AbortSignal.any([cli.signal, ended.signal]),
      onReady: (identities) =>
        cli.printItem(options, { service, identities }, () => `${service} is offered as ${identities.join(', ')}`),
    });
    if (ended.signal.aborted) throw await endedWith(agent);
  });
}

async function endedWith(agent: RunningAgent | undefined): Promise<TunnelerError> {
  const how = await agent?.ended;
  return new TunnelerError('agora.agent_ended', `the agent has ended (${how ?? 'unknown'})`);
}

/** Of this machine alone: the agent's own port is not for others. */
function backendOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const local = url !== undefined && ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  if (url?.protocol === 'http:' && local) return url;
  throw usage(`--backend: expected http:// at this machine's loopback address, got "${text}"`);
}

function describe(rows: readonly AgentRow[], cli: Cli): string {
  if (rows.length === 0) return 'No agent is offered to you.\n';
  return table(
    rows,
    [
      { title: 'SERVICE', text: (row) => row.service, whole: true },
      { title: 'AGENT', text: (row) => row.agent },
      { title: 'SKILLS', text: (row) => row.skills.join(' '), spare: 2 },
      { title: 'SIGNED BY', text: (row) => row.offeredBy ?? (row.signature === 'invalid' ? 'nobody' : ''), spare: 1 },
      { title: 'HERE', text: (row) => (row.here ? 'yes' : '') },
    ],
    cli,
  );
}
