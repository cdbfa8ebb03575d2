/** How verbs that search records narrow what they search. */
import { Option, type Command } from 'commander';
import { defined, whenDefined } from '../base/defined.ts';
import type { AuditQuery } from './backends.ts';
import { usage, type CommonOptions } from './cli.ts';

type Filters = Omit<AuditQuery, 'limit' | 'beforeSeq' | 'decision'>;
/** What those options hold. */
export interface SearchOptions extends CommonOptions, Filters {
  readonly decision?: 'allow' | 'deny';
  readonly limit?: string;
}

/** Options that narrow a search of records. */
export function addFilters(command: Command): Command {
  return command
    .option('--kind <kind>', 'verdict, session.opened, session.closed, call, violation, …')
    .option('--service <name>', 'of this service')
    .option('--identity <name>', 'of this identity')
    .option('--agent <name>', 'of this agent')
    .option('--tool <name>', 'calls of this tool')
    .option('--session <id>', 'of this session')
    .addOption(new Option('--decision <decision>', 'how it was decided').choices(['allow', 'deny']))
    .option('--since <time>', 'ISO 8601, a span back from now such as 2h, today or yesterday')
    .option('--until <time>', 'ISO 8601, or a span back from now such as 5m');
}

/** What the options ask for. Throws a usage error where a time or number is none. */
export function searchQuery(text: string | undefined, options: SearchOptions): AuditQuery {
  const { kind, service, identity, agent, tool, session, decision, since, until } = options;
  const given = { kind, service, identity, agent, tool, session, decision, text };
  return {
    ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<AuditQuery>),
    ...defined({
      since: whenDefined(since, (text) => instant(text, '--since')),
      until: whenDefined(until, (text) => instant(text, '--until')),
    }),
    limit: options.limit === undefined ? 100 : wholeNumber(options.limit, '--limit'),
  };
}

const spanUnits: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Midnights of this machine's own day, back from today. */
const daysBack: Readonly<Record<string, number>> = { today: 0, yesterday: 1 };

/** A moment as `--since` names it, in ISO 8601. Throws a usage error naming the option. */
export function instant(text: string, option: string): string {
  const days = daysBack[text.toLowerCase()];
  if (days !== undefined) {
    const midnight = new Date();
    midnight.setHours(0, 0, 0, 0);
    midnight.setDate(midnight.getDate() - days);
    return midnight.toISOString();
  }
  const back = /^(\d+)([smhd])$/.exec(text);
  const at = back === null ? Date.parse(text) : Date.now() - Number(back[1]) * (spanUnits[back[2] ?? 's'] ?? 0);
  if (Number.isNaN(at))
    throw usage(`${option}: expected an ISO 8601 time, a span such as 2h, today or yesterday, got "${text}"`);
  return new Date(at).toISOString();
}

/** Throws a usage error naming the option. */
export function wholeNumber(text: string, option: string): number {
  if (!/^\d{1,15}$/.test(text)) throw usage(`${option}: expected a whole number, got "${text}"`);
  return Number(text);
}
