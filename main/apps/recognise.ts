/** Which agent a program is: by the bindings of the settings first, then by what is known of agents in the wild. Pure. */
import type { App } from './app.ts';
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
}

export interface AgentRules {
  readonly bound: readonly BoundRule[];
  readonly known: readonly KnownRule[];
  /** Some rule looks at hashes or signers, which the finder reads only when asked. */
  readonly needsIdentify: boolean;
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
}

interface KnownRule {
  readonly name: string;
  readonly tree: boolean;
  readonly paths: PathPatterns;
}

export interface Recognition {
  readonly agent: string;
  /** Only where a binding names one. */
  readonly identity: string | undefined;
  /** `agents.NAME` for a binding, `known:NAME` else. */
  readonly rule: string;
  /** The ancestor that was recognised; absent: the program itself. */
  readonly byParent?: number;
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
  }));
  return {
    bound,
    known: knownAgents.map(({ name, tree, paths }) => ({
      name,
      tree,
      paths: new PathPatterns(paths),
    })),
    needsIdentify: bound.some(({ hash, signer }) => hash !== undefined || signer !== undefined),
  };
}

/**
 * The agent behind `app`. What an agent starts acts for it, so its ancestors count too, the nearest first: a bound agent must not reach
 * further by way of a shell. Undefined where it is no agent.
 */
export function recognise(app: App, rules: AgentRules): Recognition | undefined {
  for (const process of lineage(app)) {
    const bound = rules.bound.find((rule) => bindingHolds(rule, process, app));
    if (bound !== undefined) {
      return { agent: bound.name, identity: bound.identity, rule: `agents.${bound.name}`, ...processOf(process) };
    }
  }
  for (const process of lineage(app)) {
    const known = rules.known.find(
      ({ tree, paths }) => (tree || process.ancestor === undefined) && pathMatches(paths, process),
    );
    if (known !== undefined) {
      return { agent: known.name, identity: undefined, rule: `known:${known.name}`, ...processOf(process) };
    }
  }
  return undefined;
}

/** The app with the agent's name set where it is one. */
export function withAgent(app: App, rules: AgentRules): App {
  const found = recognise(app, rules);
  return found === undefined ? app : { ...app, agent: found.agent };
}

/** The program itself, or one it descends from. */
interface Process {
  readonly path: string | undefined;
  readonly script: string | undefined;
  readonly hash: string | undefined;
  readonly signer: string | undefined;
  /** Pid, for ancestors only. */
  readonly ancestor: number | undefined;
  /** Position in the chain of parents of what lies above it. */
  readonly above: number;
}

function* lineage(app: App): Iterable<Process> {
  const { path, script, hash, signer } = app;
  yield { path, script, hash, signer, ancestor: undefined, above: 0 };
  for (const [index, parent] of app.parents.entries()) {
    yield {
      path: parent.path,
      script: parent.script,
      hash: parent.hash,
      signer: undefined,
      ancestor: parent.pid,
      above: index + 1,
    };
  }
}

function processOf(process: Process): { byParent?: number } {
  return process.ancestor === undefined ? {} : { byParent: process.ancestor };
}

function bindingHolds(rule: BoundRule, process: Process, app: App): boolean {
  const own = rule.path ?? rule.hash ?? rule.signer;
  // Conditions that hold for the program as a whole are no reason to look at its ancestors.
  if (own === undefined && process.ancestor !== undefined) return false;
  if (own === undefined && rule.cgroup === undefined && rule.parent === undefined && rule.user === undefined)
    return false;
  if (rule.path !== undefined && !pathMatches(rule.path, process)) return false;
  if (rule.hash !== undefined && !(process.hash !== undefined && rule.hash.includes(process.hash))) return false;
  if (rule.signer !== undefined && !(process.signer !== undefined && rule.signer.includes(process.signer)))
    return false;
  if (rule.cgroup !== undefined && !(app.cgroup !== undefined && rule.cgroup.match(app.cgroup))) return false;
  if (
    rule.user !== undefined &&
    !(app.user !== undefined && rule.user.includes(app.user)) &&
    !rule.user.includes(String(app.uid))
  ) {
    return false;
  }
  const { parent } = rule;
  return (
    parent === undefined ||
    app.parents.slice(process.above).some((one) => pathMatches(parent, { path: one.path, script: one.script }))
  );
}

function pathMatches(paths: PathPatterns, process: { path: string | undefined; script: string | undefined }): boolean {
  return [process.path, process.script].some((path) => path !== undefined && paths.match(path));
}

function globs(value: OneOrMore | undefined): PathPatterns | undefined {
  const patterns = many(value);
  return patterns === undefined ? undefined : new PathPatterns(patterns);
}

function many(value: OneOrMore | undefined): readonly string[] | undefined {
  return value === undefined ? undefined : typeof value === 'string' ? [value] : value;
}
