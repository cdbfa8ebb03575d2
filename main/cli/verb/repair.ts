import type { Command } from 'commander';
import { addVerb, exitCode, type Cli, type CommonOptions } from '../cli.ts';
import type { RepairReport } from '../backends.ts';

/** `culvert repair`: the host as it was before an engine that died. */
export function addRepair(program: Command, cli: Cli): void {
  addVerb(program, 'repair', 'undo what a dead engine left on this host: addresses, routes, resolver').action(
    async (options: CommonOptions) => {
      const report = await cli.programs.repair(cli.stateDirectory(options));
      cli.print(options, report, (found) => describe(found, cli));
      if (report.failed.length > 0) cli.exit = exitCode.failed;
    },
  );
}

function describe(report: RepairReport, cli: Cli): string {
  if (report.undone.length + report.failed.length === 0) return 'There is nothing to undo.\n';
  return [
    ...report.undone.map((change) => `${cli.paint('green', 'undone')}  ${change}\n`),
    ...report.failed.map(({ change, reason }) => `${cli.paint('red', 'failed')}  ${change}: ${reason}\n`),
  ].join('');
}
