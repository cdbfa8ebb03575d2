/** The blast radius of one program: every service this device may dial, and whether that program would reach it now, and as whom. */
import { defined } from '../base/defined.ts';
import type { WhyView } from '../api/views.ts';
import { exitCode, usage, type Cli, type CommonOptions } from './cli.ts';
import { namedProgram } from './named-program.ts';
import type { Engine } from './backends.ts';
import { table } from './table.ts';

interface Reach {
  readonly service: string;
  readonly reachable: boolean;
  readonly identity?: string;
  /** Why not, where it is not. */
  readonly reason?: string;
  readonly next?: string;
}

/** Questions asked of the engine at one time. */
const atOnce = 8;

/** Print what `--app` may reach; exit 1 where that is nothing. Throws a usage error without it. */
export async function printReach(options: CommonOptions & { readonly app?: string }, cli: Cli): Promise<void> {
  const { app } = options;
  if (app === undefined) throw usage('why needs HOST[:PORT], or --app PATH|NAME for all that a program may reach');
  const services = await cli.withEngine(options, async (engine) =>
    reachOf((await namedProgram(app, engine, cli)).app ?? app, engine),
  );
  cli.print(options, { app, services }, ({ services: rows }) => describe(app, rows, cli));
  if (!services.some(({ reachable }) => reachable)) cli.exit = exitCode.failed;
}

async function reachOf(app: string, engine: Engine): Promise<readonly Reach[]> {
  const services = await engine.service.list();
  const names = [...new Set(services.filter((row) => row.permissions.includes('Dial')).map((row) => row.name))].sort();
  const found: Reach[] = [];
  for (let start = 0; start < names.length; start += atOnce) {
    const batch = names.slice(start, start + atOnce);
    const answers = await Promise.all(batch.map((destination) => engine.service.why({ destination, app })));
    found.push(...answers.map((answer, index) => reachIn(batch[index] ?? '', answer)));
  }
  return found;
}

function reachIn(service: string, { reachable, identity, steps }: WhyView): Reach {
  const failed = steps.find(({ outcome }) => outcome === 'fail');
  return defined({
    service,
    reachable,
    identity: reachable ? identity : undefined,
    reason: failed?.text,
    next: failed?.next,
  });
}

function describe(app: string, rows: readonly Reach[], cli: Cli): string {
  const count = rows.filter(({ reachable }) => reachable).length;
  const head = `${app} reaches ${count} of ${rows.length} services that this device may dial.\n`;
  if (rows.length === 0) return head;
  return (
    head +
    table(
      rows,
      [
        { title: 'SERVICE', text: (row) => row.service },
        {
          title: 'REACH',
          text: (row) => (row.reachable ? 'yes' : 'no'),
          tint: (row) => (row.reachable ? 'green' : 'red'),
        },
        { title: 'AS', text: (row) => row.identity ?? '–' },
        { title: 'BECAUSE', text: (row) => row.reason ?? '' },
      ],
      cli,
    )
  );
}
