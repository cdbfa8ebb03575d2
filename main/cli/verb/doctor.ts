import type { Command } from 'commander';
import { toTunnelerError } from '../../base/errors.ts';
import type { DoctorCheck } from '../../api/machine-views.ts';
import { addVerb, exitCode, type Cli, type CommonOptions } from '../cli.ts';
import type { DoctorFacts } from '../backends.ts';

/** `culvert doctor`: what stands in the way, with the next step each; with and without a running engine. */
export function addDoctor(program: Command, cli: Cli): void {
  addVerb(program, 'doctor', 'look at everything Culvert needs, and say what to do where something is amiss').action(
    async (options: CommonOptions) => {
      const checks = await cli.programs.doctor(cli.stateDirectory(options), await engineFacts(options, cli));
      cli.print(options, { checks }, (found) => found.checks.map((check) => describe(check, cli)).join(''));
      if (checks.some(({ ok }) => !ok)) cli.exit = exitCode.failed;
    },
  );
}

async function engineFacts(options: CommonOptions, cli: Cli): Promise<DoctorFacts> {
  try {
    return {
      status: await cli.withEngine(options, (engine) => engine.engine.status(undefined, { signal: cli.signal })),
    };
  } catch (error) {
    const { code, message, details } = toTunnelerError(error);
    const next = code === 'engine.not_running' ? 'culvert run, or culvert service install' : details['next'];
    return { failure: message, next: typeof next === 'string' ? next : 'culvert status' };
  }
}

function describe({ name, ok, text, next }: DoctorCheck, cli: Cli): string {
  const mark = ok ? cli.paint('green', '✓') : cli.paint('red', '✗');
  const step = next === null ? '' : `    ${' '.repeat(12)}${cli.paint('cyan', next)}\n`;
  return `  ${mark} ${name.padEnd(12)} ${text}\n${step}`;
}
