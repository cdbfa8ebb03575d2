/** Rules that let through what was seen of MCP and HTTP, and nothing beside it. Pure. */
import { defined } from '../base/defined.ts';
import type { HttpRules, McpRule, McpRules } from '../base/engagement.ts';
import { thingKindOf } from '../guard/recorded/recorded-call.ts';
import { CompiledMcpRules } from '../guard/mcp/rules.ts';
import type { SeenCall } from './seen.ts';
import { groupBy } from '../base/group-by.ts';
import { sortedSet } from './spans.ts';

/** So many paths below one folder become a pattern. */
const maxPathsBelow = 20;

/** Each tool, prompt and resource by its name. What the contract in force says besides stays, where it refuses nothing of what was seen. */
export function learnMcp(calls: readonly SeenCall[], before: McpRules | undefined): McpRules {
  const named = calls.flatMap((call) => {
    const kind = thingKindOf(call);
    return kind === undefined ? [] : [{ kind, tool: call.target }];
  });
  const allow = sortedSet(named.map((one) => JSON.stringify(one))).map((text) => JSON.parse(text) as McpRule);
  const deny = before?.deny?.filter((rule) => {
    const compiled = new CompiledMcpRules({ deny: [rule] });
    return named.every(({ kind, tool }) => compiled.judge(kind, tool, {}).allowed);
  });
  const passed = new Set(calls.flatMap((call) => call.observed ?? []));
  const { maxCalls, rateLimit, ...others } = before ?? {};
  return defined({
    ...others,
    allow,
    deny: deny?.length === 0 ? undefined : deny,
    maxCalls: passed.has('contract:mcp.maxCalls') ? undefined : maxCalls,
    rateLimit: passed.has('contract:mcp.rateLimit') ? undefined : rateLimit,
  });
}

/** Methods, paths, and models where every request that could name one did. */
export function learnHttp(calls: readonly SeenCall[], before: HttpRules | undefined): HttpRules {
  const models = calls.flatMap((call) => call.model ?? []);
  const couldName = calls.filter(({ method }) => ['POST', 'PUT', 'PATCH'].includes(method));
  const named = models.length > 0 && couldName.every(({ model }) => model !== undefined);
  const { models: _before, ...others } = before ?? {};
  return defined({
    ...others,
    methods: sortedSet(calls.map((call) => call.method)),
    paths: pathsOf(calls.map((call) => call.target)),
    models: named ? sortedSet(models) : undefined,
  });
}

function pathsOf(targets: readonly string[]): string[] {
  const folders = groupBy(sortedSet(targets), (path) => path.slice(0, path.lastIndexOf('/') + 1));
  return [...folders].flatMap(([folder, paths]) => (paths.length > maxPathsBelow ? [`${folder}*`] : [...paths]));
}
