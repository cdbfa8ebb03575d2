import type { Command } from 'commander';
import type { ServiceView } from '../../api/views.ts';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';
import { serviceRow } from '../json-rows.ts';
import { table } from '../table.ts';
import { stateTint } from '../tint.ts';

/** `culvert services`: what this device may reach and hosts, with one status and its reason each. */
export function addServices(program: Command, cli: Cli): void {
  addVerb(program, 'services', 'what this device may dial and what it hosts').action(async (options: CommonOptions) => {
    const services = await cli.withEngine(options, (engine) => engine.service.list());
    cli.print(
      options,
      services,
      (rows) => describe(rows, cli),
      (rows) => rows.map(serviceRow),
    );
  });
}

function describe(services: readonly ServiceView[], cli: Cli): string {
  if (services.length === 0) return 'No services: no identity here may dial or host any.\n';
  const rows = [...services].sort(
    (a, b) => group(a).localeCompare(group(b)) || a.name.localeCompare(b.name) || a.identity.localeCompare(b.identity),
  );
  const shown = table(
    rows,
    [
      { title: 'SERVICE', text: (row) => row.name },
      { title: 'WORKGROUP', text: (row) => group(row) || '–', spare: 2 },
      { title: 'IDENTITY', text: (row) => row.identity },
      { title: 'MAY', text: (row) => row.permissions.join('+').toLowerCase(), spare: 1 },
      { title: 'STATUS', text: (row) => row.status, tint: (row) => stateTint(row.status), whole: true },
      { title: 'OPEN', align: 'right', text: (row) => String(row.openSessions) },
      { title: 'UNDER', text: under },
    ],
    cli,
  );
  const reasons = rows
    .filter((row) => row.reason !== undefined)
    .map(
      (row) =>
        `${row.name}: ${row.reason?.sentence ?? ''}${row.reason?.next === undefined ? '' : ` – ${row.reason.next}`}\n`,
    );
  return reasons.length === 0 ? shown : `${shown}\n${reasons.join('')}`;
}

function group(service: ServiceView): string {
  return [...service.workgroups].sort((a, b) => a.localeCompare(b)).join(', ');
}

function under(service: ServiceView): string {
  const names = service.addresses.length === 0 ? '' : `${service.addresses.join(',')}:${service.ports.join(',')}`;
  const forwards = service.forwards.map((port) => `127.0.0.1:${port}`).join(',');
  const hosted =
    service.hosted === undefined
      ? ''
      : `→ ${service.hosted.target} (${service.hosted.terminators} terminator${service.hosted.terminators === 1 ? '' : 's'})`;
  return [names, forwards, hosted].filter((part) => part !== '').join(' ') || '–';
}
