/** What `macro-pulse` plays on: an engine for each organisation, and the agents, which are started, offered, and told what to do. */
import { connect } from 'node:net';
import { join } from 'node:path';
import type { EngagementView } from '../../api/agora-views.ts';
import type { SessionView } from '../../api/views.ts';
import { isTunnelerError } from '../../base/errors.ts';
import type { DisposalStack } from '../../base/lifecycle.ts';
import { offerAgent } from '../agora/offered-agent.ts';
import type { Engine } from '../backends.ts';
import type { Cli } from '../cli.ts';
import { findSdk, PulseAgent, type PulseAgentPlan, type PulseAnswer, type PulseWay } from './pulse-agent.ts';
import { findPython } from './pulse-python.ts';
import {
  cardOf,
  everyone,
  homeOf,
  identityOf,
  organisations,
  programOf,
  pulseSeed,
  pythonists,
  seriesOf,
  serviceOf,
  settingsOf,
  urlOf,
} from './pulse-world.ts';
import { failed, startDevice, waitUntilHosted } from './stage.ts';

/** A series that is watched lasts for some minutes. */
const series = { points: 1_500, everyMs: 200 };

/** Namespaces are. */
const isLinux = process.platform === 'linux';

/** How its agents speak and were started, in words. */
export interface PulseCast {
  readonly speak: string;
  readonly started: string;
}

/** Engines and agents of one run; what is started ends with the stack. */
export class PulseStage {
  readonly proxies = new Map<string, string>();
  readonly #cli: Cli;
  readonly #stack: DisposalStack;
  readonly #directory: string;
  readonly #agents = new Map<string, PulseAgent>();
  #python: string | undefined;

  constructor(cli: Cli, stack: DisposalStack, directory: string) {
    this.#cli = cli;
    this.#stack = stack;
    this.#directory = directory;
  }

  async startEngines(): Promise<void> {
    const { programs, signal } = this.#cli;
    const directory = this.#directory;
    this.#python = await findPython(signal);
    const { tokens } = this.#stack.use(
      await programs.openOverlay({ directory: join(directory, 'overlay'), seed: pulseSeed() }),
    );
    for (const [name, agents] of Object.entries(organisations)) {
      const identities = agents.map(identityOf);
      const config = settingsOf(name, (agent) => this.#programOf(agent));
      const device = { name, mode: 'proxy', tokens, identities, config, directory, programs } as const;
      this.proxies.set(name, (await startDevice(device, this.#stack)).ready.proxy ?? '');
    }
  }

  /** All of them at once, the first before the others: what cannot be had here is found out by it. */
  async startAgents(): Promise<PulseCast> {
    const sdk = findSdk();
    const [first = '', ...others] = everyone;
    let [way, started]: [PulseWay, string] = isLinux
      ? ['apart', 'each by culvert agent run, with no other network than Culvert']
      : ['bound', 'each known by its program, for culvert agent run is Linux’s own'];
    try {
      await this.#start(first, way, sdk);
    } catch (error) {
      if (!isTunnelerError(error, 'sandbox.unavailable')) throw error;
      way = 'bound';
      started = `each known by its program, for culvert agent run is not to be had here: ${error.message}`;
      await this.#start(first, way, sdk);
    }
    await Promise.all(others.map((name) => this.#start(name, way, sdk)));
    const by = sdk === undefined ? 'by hand, for the A2A SDK is not installed here' : 'by the official A2A SDK';
    const languages =
      this.#python === undefined
        ? 'all in JavaScript, for no python3 here has a2a-sdk'
        : `${everyone.length - pythonists.size} in JavaScript, ${pythonists.size} in Python`;
    return { speak: `${by}, ${languages}`, started };
  }

  async offerAgents(): Promise<void> {
    for (const [name, { at }] of this.#agents) {
      const offer = { service: serviceOf(name), card: JSON.stringify(cardOf(name)), identity: identityOf(name) };
      const place = {
        path: '/',
        connect: () => (typeof at === 'string' ? connect(at) : connect({ host: '127.0.0.1', port: at })),
      };
      this.#stack.use(await offerAgent(this.#cli, { state: this.stateOf(name) }, offer, place));
    }
    for (const name of Object.keys(organisations)) await waitUntilHosted(this.#cli, join(this.#directory, name));
  }

  /** What an agent makes of it. Never throws for what came in its way. */
  tell(name: string, what: string, how: Readonly<Record<string, unknown>>): Promise<PulseAnswer> {
    const agent = this.#agents.get(name);
    if (agent === undefined) throw failed(`there is no agent ${name}`);
    return agent.tell(what, how);
  }

  /** The same, where it has to succeed. */
  async told(name: string, what: string, how: Readonly<Record<string, unknown>>): Promise<PulseAnswer> {
    const answer = await this.tell(name, what, how);
    if (answer.failed !== undefined) throw failed(`${name}: ${answer.failed}`);
    return answer;
  }

  /** The newest figure of a peer's series. */
  async ask(name: string, peer: string): Promise<string> {
    const { answer } = await this.told(name, 'ask', { url: urlOf(peer), skill: seriesOf[peer] });
    if (typeof answer === 'string' && answer.startsWith(`${seriesOf[peer] ?? ''} `)) return answer;
    throw failed(`${peer} did not answer ${name}`);
  }

  /** Ask the engine of an agent's organisation. */
  at<T>(agent: string, ask: (engine: Engine) => Promise<T>): Promise<T> {
    return this.#cli.withEngine({ state: this.stateOf(agent) }, ask);
  }

  /** At both ends, over all organisations. */
  engagements(): Promise<readonly EngagementView[]> {
    return this.#ofAll((engine) => engine.agora.engagements());
  }

  /** Sessions that agents dialled. */
  async sessions(): Promise<readonly SessionView[]> {
    return (await this.#ofAll((engine) => engine.session.list())).filter(({ direction }) => direction === 'dial');
  }

  stateOf(agent: string): string {
    return join(this.#directory, homeOf(agent));
  }

  async #ofAll<T>(ask: (engine: Engine) => Promise<readonly T[]>): Promise<readonly T[]> {
    const rows = Object.keys(organisations).map((name) =>
      this.#cli.withEngine({ state: join(this.#directory, name) }, ask),
    );
    return (await Promise.all(rows)).flat();
  }

  async #start(name: string, way: PulseWay, sdk: ReturnType<typeof findSdk>): Promise<void> {
    const socket = way === 'apart' ? join(this.#directory, `${name}.sock`) : undefined;
    const plan: PulseAgentPlan = {
      name,
      state: this.stateOf(name),
      proxy: this.proxies.get(homeOf(name)) ?? '',
      path: this.#programOf(name),
      python: pythonists.has(name) ? this.#python : undefined,
      spec: { card: cardOf(name), series: seriesOf[name] ?? '', ...series, socket, sdk },
    };
    this.#agents.set(name, this.#stack.use(await PulseAgent.start(plan, way, this.#cli.signal)));
  }

  #programOf(agent: string): string {
    return programOf(this.#directory, agent, pythonists.has(agent) && this.#python !== undefined ? 'py' : 'mjs');
  }
}
