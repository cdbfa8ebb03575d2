import type { Command } from 'commander';
import type { StatusView } from '../../api/views.ts';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';
import { statusDocument } from '../json-rows.ts';
import { facts, relative, span, table } from '../table.ts';
import { stateTint } from '../tint.ts';

/** `culvert status`: is it up, as whom, over which routers, and what is open. */
export function addStatus(program: Command, cli: Cli): void {
  addVerb(program, 'status', 'mode, identities, routers and counts of the running engine').action(
    async (options: CommonOptions) => {
      const status = await cli.withEngine(options, (engine) => engine.engine.status(undefined, { signal: cli.signal }));
      cli.print(options, status, (value) => describe(value, cli), statusDocument);
    },
  );
}

function describe(status: StatusView, cli: Cli): string {
  const { paint, clock } = cli;
  const now = clock.now();
  const head = facts(
    [
      ['mode', `${paint('bold', status.mode)} (${status.modeReason})`],
      ['version', `${status.version}, pid ${status.pid}, up for ${span(Date.parse(status.startedAt), now)}`],
      ['proxy', status.proxy?.listen],
      ['tun', status.tun === undefined ? undefined : tunText(status.tun)],
      ['services', `${status.services.dial} to dial, ${status.services.bind} to host`],
      ['sessions', `${status.sessions.open} open, ${status.sessions.total} in all`],
      ['dns', `${status.dns.backend}, ${status.dns.state}`],
      ['audit', `${status.audit.count} records, head ${status.audit.head.slice(0, 16)}`],
    ],
    paint,
  );
  const identities = table(
    status.identities,
    [
      { title: 'IDENTITY', text: (row) => row.name },
      { title: 'STATE', text: (row) => row.state, tint: (row) => stateTint(row.state) },
      { title: 'MFA', text: (row) => row.mfa, spare: 1 },
      {
        title: 'CERTIFICATE',
        text: (row) => (row.certExpiresAt === undefined ? '–' : `expires ${relative(row.certExpiresAt, now)}`),
      },
      { title: 'CONTROLLER', text: (row) => row.controller },
    ],
    cli,
  );
  const routers = table(
    status.routers,
    [
      { title: 'ROUTER', text: (row) => row.name },
      { title: 'STATE', text: (row) => row.state, tint: (row) => stateTint(row.state) },
      {
        title: 'LATENCY',
        align: 'right',
        text: (row) => (row.latencyMs === undefined ? '–' : `${row.latencyMs.toFixed(1)} ms`),
      },
      { title: 'IDENTITY', text: (row) => row.identity },
    ],
    cli,
  );
  const reasons = status.identities.flatMap(({ name, reason }) =>
    reason === undefined
      ? []
      : [
          `${paint('yellow', '!')} ${name}: ${reason.sentence}\n`,
          ...(reason.next === undefined ? [] : [`  ${paint('cyan', reason.next)}\n`]),
        ],
  );
  const warnings = status.warnings.map((warning) => `${paint('yellow', '!')} ${warning.sentence}\n`).join('');
  return [
    head,
    status.identities.length === 0 ? `\nNo identity yet: culvert enroll <file.jwt>\n` : `\n${identities}`,
    reasons.length === 0 ? '' : `\n${reasons.join('')}`,
    status.routers.length === 0 ? '' : `\n${routers}`,
    warnings === '' ? '' : `\n${warnings}`,
  ].join('');
}

function tunText({ name, range, flows }: NonNullable<StatusView['tun']>): string {
  return `${name} ${range}, ${flows.tcp} TCP and ${flows.udp} UDP flows, ${flows.held} waiting`;
}
