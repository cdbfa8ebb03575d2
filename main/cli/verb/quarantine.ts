import type { Command } from 'commander';
import type { QuarantineView } from '../../api/views.ts';
import { addVerb, usage, type Cli, type CommonOptions } from '../cli.ts';
import { relative, table } from '../table.ts';

/** `culvert quarantine add|list|release`: cut off a program, identity or service, and let it back. */
export function addQuarantine(program: Command, cli: Cli): void {
  const group = program.command('quarantine').description('cut off a program, identity or service');
  addVerb(group, 'add <subject>', 'app:…, identity:…, service:… or session:…; what is open of it closes now')
    .option('--cause <text>', 'why, for the record')
    .action(async (subject: string, options: CommonOptions & { cause?: string }) => {
      requireSubject(subject);
      const { cause } = options;
      const added = await cli.withEngine(options, (engine) =>
        engine.quarantine.add(cause === undefined ? { subject } : { subject, cause }),
      );
      cli.print(options, added, (one) => `${one.subject} is quarantined: ${one.cause}\n`);
    });
  addVerb(group, 'list', 'what is quarantined now').action(async (options: CommonOptions) => {
    const rows = await cli.withEngine(options, (engine) => engine.quarantine.list());
    cli.print(options, rows, (all) => describe(all, cli));
  });
  addVerb(group, 'release <subject>', 'let it dial again').action(async (subject: string, options: CommonOptions) => {
    requireSubject(subject);
    await cli.withEngine(options, (engine) => engine.quarantine.release({ subject }));
    cli.print(options, { released: subject }, () => `${subject} is released\n`);
  });
}

/** Throws a usage error where it names no kind that can be cut off. */
function requireSubject(subject: string): void {
  if (!/^(?:app|identity|service|session):.+$/.test(subject)) {
    throw usage(`expected app:…, identity:…, service:… or session:…, got "${subject}"`);
  }
}

function describe(rows: readonly QuarantineView[], cli: Cli): string {
  if (rows.length === 0) return 'Nothing is quarantined.\n';
  const now = cli.clock.now();
  return table(
    rows,
    [
      { title: 'SUBJECT', text: (row) => row.subject, tint: () => 'red' },
      { title: 'SINCE', text: (row) => relative(row.since, now) },
      { title: 'BY', text: (row) => row.by },
      { title: 'CAUSE', text: (row) => row.cause },
    ],
    cli,
  );
}
