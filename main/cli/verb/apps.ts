import type { Command } from 'commander';
import type { AgentView } from '../../api/views.ts';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';
import { table } from '../table.ts';

/** `culvert apps`: agents and programs, the identity each dials as, and what each may reach. */
export function addApps(program: Command, cli: Cli): void {
  addVerb(program, 'apps', 'agents and programs, whom they dial as, and what each may reach').action(
    async (options: CommonOptions) => {
      const apps = await cli.withEngine(options, (engine) => engine.app.list());
      cli.print(options, apps, (rows) => describe(rows, cli));
    },
  );
}

function describe(apps: readonly AgentView[], cli: Cli): string {
  if (apps.length === 0) return 'No agent is bound or seen; culvert.yaml binds programs under agents:.\n';
  return table(
    apps,
    [
      { title: 'AGENT', text: (row) => row.name },
      { title: 'IDENTITY', text: (row) => row.identity ?? "the device's" },
      { title: 'OPEN', align: 'right', text: (row) => String(row.openSessions) },
      {
        title: 'QUARANTINED',
        text: (row) => (row.quarantined ? 'yes' : 'no'),
        tint: (row) => (row.quarantined ? 'red' : undefined),
      },
      { title: 'MAY REACH', text: (row) => row.reach.join(' ') || 'nothing' },
      { title: 'PROGRAMS', text: (row) => row.programs.join(' ') || '–', spare: 1 },
    ],
    cli,
  );
}
