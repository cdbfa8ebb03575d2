/**
 * Who sends a call: the person, an agent the engine governs, or somebody whose lineage is not known.
 *
 * What an agent starts acts for it, so a caller is an agent where any process it descends from is. Ancestors that it shares with the engine
 * do not count: what started the engine is its person's way of working. They do count where an engine that they did not start served this
 * state directory before, for then an agent has started an engine over a person's.
 */
import { defined } from '../base/defined.ts';
import { ancestryReader } from './ancestry.ts';
import type { Ancestor, AncestryReader, App } from './app.ts';
import { recognise, withAgent, type AgentRules, type Recognition } from './recognise.ts';

/** Who a caller is to the engine's rights. */
export type CallerKind =
  | { readonly kind: 'person' }
  | { readonly kind: 'agent'; readonly agent: string }
  | { readonly kind: 'unknown'; readonly why: string };

const notTold = 'an interpreter is at work there, and nobody can tell any more which program it runs';
const notWhole = 'what it descends from could not be seen up to the first process';

/** Asked once for each connection, when it is made. */
export interface CallerAttribution {
  /** Never rejects. `pid` is absent where the system did not say. */
  of(pid: number | undefined): Promise<CallerKind>;
}

/** The same program with the hashes and signers that bindings look at. */
export type Identify = (app: App) => Promise<App>;

/** The rules agents are recognised by, and what this engine itself came from. */
export interface CallerAttributionDeps {
  readonly rules: () => AgentRules;
  /** Agents (by the rule that recognised them) from below which every engine of this state directory was started. */
  readonly within: ReadonlySet<string>;
  readonly identify: Identify;
  /** Default: this platform's. */
  readonly reader?: AncestryReader | undefined;
  /** Whose ancestors are shared: the engine. Default: this process. */
  readonly enginePid?: number;
}

/** On a platform without a reader nobody can be told apart, and every caller whom the system lets in is the person. */
export function callerAttribution(deps: CallerAttributionDeps): CallerAttribution {
  const reader = deps.reader ?? ancestryReader();
  if (reader === undefined) return { of: () => Promise.resolve({ kind: 'person' }) };
  const enginePid = deps.enginePid ?? process.pid;
  return {
    async of(pid) {
      if (pid === undefined) return unknown('the system does not say which process it is');
      if (pid === enginePid) return { kind: 'person' };
      const [caller, engine] = await Promise.all([reader.read(pid), reader.read(enginePid)]);
      if (caller === undefined) return unknown('the process is gone');
      const shared = engine === undefined ? [] : engine.chain.filter((one) => isIn(one, caller.chain));
      const rules = deps.rules();
      const engineApp = engine === undefined ? undefined : await identified(engine.app, rules, deps.identify);
      const exempt = exemptPids(engineApp, shared, deps);
      const app = await identified(caller.app, rules, deps.identify);
      const { agent, doubt } = withAgent(without(app, exempt), rules);
      if (agent !== undefined) return { kind: 'agent', agent };
      if (doubt === 'program' && !exempt.has(pid)) return unknown(notTold);
      // Where it meets the engine's own lineage, what lies above is known as far as it matters.
      if (caller.whole || shared.length > 0) return { kind: 'person' };
      return unknown(notWhole);
    },
  };
}

/** The same program with the hashes and signers that bindings look at, where any does. */
function identified(app: App, rules: AgentRules, identify: Identify): Promise<App> {
  return rules.needsIdentify ? identify(app) : Promise.resolve(app);
}

/**
 * The same for a process that works on a state directory without an engine: agents of its lineage count, but for those in `within`. What an engine
 * learnt of that lineage is known as far as `reader` has it; of the rest only what shows now.
 */
export async function attributeProcess(
  pid: number,
  rules: AgentRules,
  within: ReadonlySet<string>,
  identify: Identify,
  reader: AncestryReader | undefined = ancestryReader(),
): Promise<CallerKind> {
  if (reader === undefined) return { kind: 'person' };
  const ancestry = await reader.read(pid);
  if (ancestry === undefined) return unknown('the process is gone');
  const app = await identified(ancestry.app, rules, identify);
  const exempt = agentsIn(app, rules).filter(({ rule }) => within.has(rule));
  const { agent, doubt } = withAgent(without(app, new Set(exempt.map((one) => one.pid))), rules);
  if (agent !== undefined) return { kind: 'agent', agent };
  if (doubt === 'program') return unknown(notTold);
  return ancestry.whole ? { kind: 'person' } : unknown(notWhole);
}

/** The agents that a process descends from, by the rule that recognises each. */
export async function agentsAbove(
  pid: number,
  rules: AgentRules,
  identify: Identify,
  reader: AncestryReader | undefined = ancestryReader(),
): Promise<ReadonlySet<string>> {
  const ancestry = await reader?.read(pid);
  if (ancestry === undefined) return new Set();
  return new Set(agentsIn(await identified(ancestry.app, rules, identify), rules).map(({ rule }) => rule));
}

/** Of the shared ancestors those that count no more: all but agents from outside which an engine has served here before. */
function exemptPids(
  engine: App | undefined,
  shared: readonly Ancestor[],
  { rules, within }: CallerAttributionDeps,
): ReadonlySet<number> {
  const pids = new Set(shared.map(({ pid }) => pid));
  if (engine === undefined) return pids;
  for (const { rule, pid } of agentsIn(engine, rules())) if (!within.has(rule)) pids.delete(pid);
  return pids;
}

/** Every ancestor that is an agent for itself, whatever stands below it. */
function agentsIn(app: App, rules: AgentRules): readonly (Recognition & { readonly pid: number })[] {
  return app.parents.flatMap((parent, index) => {
    const found = recognise({ ...asApp(parent), parents: app.parents.slice(index + 1) }, rules);
    return found === undefined || found.byParent !== undefined ? [] : [{ ...found, pid: parent.pid }];
  });
}

function asApp({ pid, path, script, hash, scriptHash, signer }: App['parents'][number]): Omit<App, 'parents'> {
  return {
    attribution: 'exact',
    pid,
    path,
    ...defined({ script, hash, scriptHash, signer }),
  };
}

function without(app: App, pids: ReadonlySet<number>): App {
  return { ...app, parents: app.parents.filter(({ pid }) => !pids.has(pid)) };
}

function isIn(one: Ancestor, chain: readonly Ancestor[]): boolean {
  return chain.some(({ pid, start }) => pid === one.pid && start === one.start);
}

function unknown(why: string): CallerKind {
  return { kind: 'unknown', why };
}
