import type { Command } from 'commander';
import { howItIsRun } from '../assess/controls-how-it-is-run.ts';
import { peopleAndThings } from '../assess/controls-people-and-things.ts';
import { whatIsSaid } from '../assess/controls-what-is-said.ts';
import { gatherEvidence } from '../assess/evidence.ts';
import { assess, type AssessedControl, type Pillar } from '../assess/score.ts';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';

interface Assessment {
  readonly at: string;
  /** The device's own record, or that of the fleet collected here. */
  readonly of: 'device' | 'fleet';
  readonly devices: number;
  /** Mean maturity of each pillar's controls that a product can answer for. */
  readonly pillars: Readonly<Record<Pillar, number>>;
  readonly controls: readonly AssessedControl[];
}

/** `culvert assess`: how mature this device, or the fleet it collects, is in zero trust, each answer with the record that shows it. */
export function addAssess(program: Command, cli: Cli): void {
  addVerb(program, 'assess', 'zero trust, control by control: how mature, what shows it, what to do next').action(
    async (options: CommonOptions) => {
      const assessment = await cli.withEngine(options, async (engine): Promise<Assessment> => {
        const evidence = await gatherEvidence(engine);
        const all = [...peopleAndThings, ...whatIsSaid, ...howItIsRun];
        const controls = all.map((control) => assess(control, evidence));
        return {
          at: new Date(cli.clock.now()).toISOString(),
          of: evidence.fleet === undefined ? 'device' : 'fleet',
          devices: evidence.fleet?.length ?? 1,
          pillars: means(controls),
          controls,
        };
      });
      cli.print(options, assessment, (view) => describe(view, cli));
    },
  );
}

function means(controls: readonly AssessedControl[]): Assessment['pillars'] {
  const mean = (pillar: Pillar): number => {
    const scored = controls.flatMap((one) => (one.pillar === pillar && one.maturity !== null ? one.maturity : []));
    const sum = scored.reduce<number>((total, one) => total + one, 0);
    return Math.round((sum / Math.max(1, scored.length)) * 10) / 10;
  };
  return {
    identity: mean('identity'),
    devices: mean('devices'),
    networks: mean('networks'),
    applications: mean('applications'),
    data: mean('data'),
    visibility: mean('visibility'),
    governance: mean('governance'),
  };
}

function describe({ of, devices, pillars, controls }: Assessment, cli: Cli): string {
  const head = of === 'fleet' ? `The fleet's record, of ${devices} devices` : "This device's record";
  const parts = Object.entries(pillars).map(([pillar, mean]) => {
    const rows = controls.filter((one) => one.pillar === pillar).map((one) => describeControl(one, cli));
    return `\n${cli.paint('bold', `${pillar} ${mean}`)}\n${rows.join('')}`;
  });
  return `${head}\n${parts.join('')}`;
}

function describeControl(control: AssessedControl, cli: Cli): string {
  const { id, title, maturity, because, evidence, remedy, effort, priority } = control;
  const tint = maturity === null ? 'dim' : maturity >= 4 ? 'green' : maturity >= 2 ? 'yellow' : 'red';
  const shown = evidence === undefined ? '' : ` (record ${evidence.seq}, ${evidence.kind}, ${evidence.at})`;
  const next = remedy === undefined ? '' : `\n        ${cli.paint('dim', `${priority}, ${effort}: ${remedy}`)}`;
  return `  ${cli.paint(tint, String(maturity ?? '–'))}  ${id.padEnd(5)} ${title}\n        ${because}${shown}${next}\n`;
}
