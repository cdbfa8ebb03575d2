/** Which agent a program is: by the bindings of the settings first, then by what is known of agents in the wild. Pure. */
import { defined } from '../base/defined.ts';
import type { App, AppDoubt, Drift } from './app.ts';
import { knownAgents } from './known-agents.ts';
import { PathPatterns } from './path-patterns.ts';

type OneOrMore = string | readonly string[];

/** One entry of `agents:`; every field given must hold, a field with several values holds for any of them. */
export interface AgentBinding {
  /** The identity it dials as. */
  readonly identity?: string | undefined;
  /** Globs over the executable's or script's path. */
  readonly path?: OneOrMore | undefined;
  /** Lower-hex SHA-256 of the executable. */
  readonly hash?: OneOrMore | undefined;
  readonly signer?: OneOrMore | undefined;
  /** Globs over the control group. */
  readonly cgroup?: OneOrMore | undefined;
  /** Globs over the path of any ancestor. */
  readonly parent?: OneOrMore | undefined;
  readonly user?: OneOrMore | undefined;
  /** Digest of the image its container was made from: `sha256:HEX`. */
  readonly image?: OneOrMore | undefined;
}

/** The rules in force, compiled. */
export interface AgentRules {
  readonly bound: readonly BoundRule[];
  readonly known: readonly KnownRule[];
  /** Some rule looks at hashes or signers, which the finder reads only when asked. */
  readonly needsIdentify: boolean;
  /** Some rule looks at signers, whose record costs more to read than a file's digest. */
  readonly needsSigners: boolean;
}

interface BoundRule {
  readonly name: string;
  readonly identity: string | undefined;
  readonly path: PathPatterns | undefined;
  readonly hash: readonly string[] | undefined;
  readonly signer: readonly string[] | undefined;
  readonly cgroup: PathPatterns | undefined;
  readonly parent: PathPatterns | undefined;
  readonly user: readonly string[] | undefined;
  readonly image: readonly string[] | undefined;
}

interface KnownRule {
  readonly name: string;
  readonly tree: boolean;
  readonly paths: PathPatterns;
}

/** The agent a program is, and by which rule. */
export interface Recognition {
  readonly agent: string;
  /** Only where a binding names one. */
  readonly identity: string | undefined;
  /** `agents.NAME` for a binding, `known:NAME` else. */
  readonly rule: string;
  /** The ancestor that was recognised; absent: the program itself. */
  readonly byParent?: number;
  /** Why it is not certain that this agent is at work. */
  readonly doubt?: AppDoubt;
  /** It is where the agent is bound to be, and is another program. */
  readonly drift?: Drift;
}

/** Compile the settings' `agents:` (name → binding) together with the known agents. A binding without any condition matches nothing. */
export function agentRules(bindings: Readonly<Record<string, AgentBinding>> = {}): AgentRules {
  const bound = Object.entries(bindings).map(([name, binding]): BoundRule => ({
    name,
    identity: binding.identity,
    path: globs(binding.path),
    hash: many(binding.hash)?.map((hash) => hash.toLowerCase()),
    signer: many(binding.signer),
    cgroup: globs(binding.cgroup),
    parent: globs(binding.parent),
    user: many(binding.user),
    image: many(binding.image),
  }));
  return {
    bound,
    known: knownAgents.map(({ name, tree, paths }) => ({
      name,
      tree,
      paths: new PathPatterns(paths),
    })),
    needsSigners: bound.some(({ signer }) => signer !== undefined),
    needsIdentify: bound.some((rule) => [rule.hash, rule.signer, rule.image].some((proof) => proof !== undefined)),
  };
}

/**
 * The agent behind `app`. What an agent starts acts for it, so its ancestors count too, the nearest first: a bound agent must not reach
 * further by way of a shell. Ancestors that the engine has as well make nobody an agent. Undefined where it is no agent.
 */
export function recognise(app: App, rules: AgentRules): Recognition | undefined {
  if (app.proven !== undefined) {
    const rule = rules.bound.find(({ name }) => name === app.proven);
    return { agent: app.proven, identity: rule?.identity, rule: `run:${app.proven}` };
  }
  // What holds a program in its place says more of it than what it is called.
  const [placed, named] = [true, false].map((isPlace) =>
    rules.bound.filter((one) => isPlace === (one.cgroup !== undefined)),
  );
  return bound(app, placed ?? []) ?? bound(app, named ?? []) ?? known(app, rules);
}

function bound(app: App, rules: readonly BoundRule[]): Recognition | undefined {
  let drifted: Recognition | undefined;
  for (const process of lineage(app)) {
    for (const rule of rules) {
      const by = bindingHolds(rule, process, app);
      if (by === undefined) continue;
      const drift = driftOf(rule, process, app);
      // By what it is alone, another program is simply another one.
      if (drift !== undefined && rule.path === undefined && rule.cgroup === undefined) continue;
      const found = {
        agent: rule.name,
        identity: rule.identity,
        rule: `agents.${rule.name}`,
        ...processOf(process),
        ...doubtOf(app, process, by),
      };
      if (drift === undefined) return found;
      drifted ??= { ...found, drift };
    }
  }
  return drifted;
}

/** What a binding demands and the program is not: looked at anew for each flow. */
function driftOf({ hash, signer, image }: BoundRule, process: Process, app: App): Drift | undefined {
  if (hash !== undefined && !isOneOf(process.hash, hash) && !isOneOf(process.scriptHash, hash)) return 'hash';
  if (!isOneOf(process.signer, signer)) return 'signer';
  return image === undefined || app.images?.some((one) => image.includes(one)) === true ? undefined : 'image';
}

function known(app: App, rules: AgentRules): Recognition | undefined {
  for (const process of lineage(app)) {
    for (const { name, tree, paths } of rules.known) {
      const by = tree || process.ancestor === undefined ? pathMatches(paths, process) : undefined;
      if (by === undefined) continue;
      const found = { agent: name, identity: undefined, rule: `known:${name}` };
      return { ...found, ...processOf(process), ...doubtOf(app, process, by) };
    }
  }
  return undefined;
}

/**
 * The app with the agent's name where it is one, and as sure as that can be. An interpreter whose program nobody knows may run any agent's
 * script, and what nobody saw started may descend from any: both are unknown where no agent is recognised.
 */
export function withAgent(app: App, rules: AgentRules): App {
  const found = recognise(app, rules);
  if (app.attribution === 'unknown') return found === undefined ? app : { ...app, agent: found.agent };
  if (found !== undefined) {
    const { doubt: _, ...rest } = app;
    const doubt = defined({ doubt: found.doubt });
    const attribution = found.doubt === undefined ? app.attribution : 'inferred';
    const drift = defined({ drift: found.drift });
    return { ...rest, agent: found.agent, attribution, ...doubt, ...drift };
  }
  const doubt = app.doubt === 'injected' || app.shared === true ? undefined : (app.doubt ?? doubtAbove(app));
  if (doubt === undefined) return app;
  return { ...app, doubt, attribution: doubt === 'arguments' ? 'inferred' : 'unknown' };
}

/** An ancestor that may have been any script agent. */
function doubtAbove(app: App): AppDoubt | undefined {
  return app.parents.find(({ doubt }) => doubt === 'program')?.doubt;
}

/** Several processes hold the socket: who acts for the same as all others stands for all, else the one with the least reach. */
export function narrowest(apps: readonly [App, ...App[]]): App {
  const [first] = apps;
  const doubtful = apps.find(({ attribution }) => attribution === 'unknown');
  if (doubtful !== undefined) return doubtful;
  const isOneAgent = first.agent !== undefined && apps.every(({ agent }) => agent === first.agent);
  const isOneProgram = apps.every(
    ({ agent, path, script, uid }) =>
      agent === undefined && path === first.path && script === first.script && uid === first.uid,
  );
  if (isOneAgent || isOneProgram) return apps.find(({ attribution }) => attribution === 'inferred') ?? first;
  const agent = apps.find((app) => app.agent !== undefined);
  return { ...(agent ?? first), attribution: 'inferred', doubt: 'holders' };
}

/** The program itself, or one it descends from. */
interface Process {
  readonly path: string | undefined;
  readonly script: string | undefined;
  readonly hash: string | undefined;
  readonly scriptHash: string | undefined;
  readonly signer: string | undefined;
  readonly doubt: AppDoubt | undefined;
  /** Pid, for ancestors only. */
  readonly ancestor: number | undefined;
  /** Position in the chain of parents of what lies above it. */
  readonly above: number;
}

function* lineage(app: App): Iterable<Process> {
  const { path, script, hash, scriptHash, signer, doubt } = app;
  yield { path, script, hash, scriptHash, signer, doubt, ancestor: undefined, above: 0 };
  for (const [index, parent] of app.parents.entries()) {
    if (parent.shared === true) continue;
    yield {
      path: parent.path,
      script: parent.script,
      hash: parent.hash,
      scriptHash: parent.scriptHash,
      signer: parent.signer,
      doubt: parent.doubt,
      ancestor: parent.pid,
      above: index + 1,
    };
  }
}

/** What of a program a rule matched: arguments prove nothing of an executable, and are all there is of a script. */
type MatchedBy = 'script' | 'path';

function doubtOf(app: App, process: Process, by: MatchedBy): { doubt?: AppDoubt } {
  const between = process.above === 0 ? [] : [app, ...app.parents.slice(0, process.above - 1)];
  const hidden = between.find(({ doubt, shared }) => doubt === 'program' && shared !== true);
  const own = process.doubt === 'injected' || by === 'script' ? process.doubt : undefined;
  const doubt = own ?? hidden?.doubt;
  return doubt === undefined || doubt === 'lineage' ? {} : { doubt };
}

function processOf(process: Process): { byParent?: number } {
  return defined({ byParent: process.ancestor });
}

/** By what it holds; undefined where it does not. */
function bindingHolds(rule: BoundRule, process: Process, app: App): MatchedBy | undefined {
  const own = rule.path ?? rule.hash ?? rule.signer;
  const whole = rule.cgroup ?? rule.parent ?? rule.user ?? rule.image;
  // Conditions that hold for the program as a whole are no reason to look at its ancestors.
  if (own === undefined && process.ancestor !== undefined) return undefined;
  if (own === undefined && whole === undefined) return undefined;
  const by = rule.path === undefined ? 'path' : pathMatches(rule.path, process);
  const holds =
    (rule.cgroup === undefined || (app.cgroup !== undefined && rule.cgroup.match(app.cgroup))) &&
    (rule.user === undefined || isOneOf(app.user, rule.user) || isOneOf(String(app.uid), rule.user)) &&
    (rule.parent === undefined || descendsFrom(rule.parent, app, process));
  return holds ? by : undefined;
}

function isOneOf(value: string | undefined, wanted: readonly string[] | undefined): boolean {
  return wanted === undefined || (value !== undefined && wanted.includes(value));
}

function descendsFrom(parent: PathPatterns, app: App, process: Process): boolean {
  const above = app.parents.slice(process.above);
  return above.some((one) => pathMatches(parent, { path: one.path, script: one.script }) !== undefined);
}

function pathMatches(
  paths: PathPatterns,
  process: { readonly path: string | undefined; readonly script: string | undefined },
): MatchedBy | undefined {
  if (process.path !== undefined && paths.match(process.path)) return 'path';
  return process.script !== undefined && paths.match(process.script) ? 'script' : undefined;
}

function globs(value: OneOrMore | undefined): PathPatterns | undefined {
  const patterns = many(value);
  return patterns === undefined ? undefined : new PathPatterns(patterns);
}

function many(value: OneOrMore | undefined): readonly string[] | undefined {
  return value === undefined ? undefined : typeof value === 'string' ? [value] : value;
}
