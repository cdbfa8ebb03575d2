import type { Command } from 'commander';
import type { WhyView } from '../../api/views.ts';
import { addVerb, exitCode, usage, type Cli, type CommonOptions } from '../cli.ts';
import { namedProgram } from '../named-program.ts';
import { printReach } from '../reach.ts';
import { stateTint } from '../tint.ts';

/** `culvert why HOST[:PORT]`: each step from name to terminator, the first that fails, and what to do about it. */
export function addWhy(program: Command, cli: Cli): void {
  addVerb(
    program,
    'why [destination]',
    'HOST[:PORT]: each step from name to terminator; with --app alone: all it may reach',
  )
    .option('--app <path|name>', 'as this program or agent')
    .action(async (destination: string | undefined, options: CommonOptions & { app?: string }) => {
      if (destination === undefined) return printReach(options, cli);
      const request = whyRequest(destination, options.app);
      const answer = await cli.withEngine(options, async (engine) =>
        engine.service.why({ ...request, ...(await namedProgram(options.app, engine, cli)) }),
      );
      printWhy(answer, options, cli);
    });
}

/** Throws a usage error for what is neither a destination nor can be a service's name. */
export function whyRequest(destination: string, app: string | undefined): { destination: string; app?: string } {
  const [, host, port] = /^(.*):(\d+)$/.exec(destination) ?? [undefined, destination, undefined];
  if (host === undefined || /^[:\s]*$/.test(host) || Number(port ?? 1) > 65535 || Number(port ?? 1) === 0) {
    throw usage(`expected HOST[:PORT], got "${destination}"`);
  }
  return app === undefined ? { destination } : { destination, app };
}

/** Print the steps; exit 1 where the destination cannot be reached. */
export function printWhy(answer: WhyView, options: CommonOptions, cli: Cli): void {
  cli.print(options, answer, (view) => describe(view, cli));
  if (!answer.reachable) cli.exit = exitCode.failed;
}

const marks = { pass: '✓', fail: '✗', skipped: '–', unknown: '?' } as const;

function describe(view: WhyView, cli: Cli): string {
  const { paint } = cli;
  const room = Math.max(...view.steps.map((step) => step.step.length));
  const steps = view.steps.map((step) => {
    const next = step.next === undefined ? '' : `\n    ${' '.repeat(room)}${paint('cyan', step.next)}`;
    return `  ${paint(stateTint(step.outcome), marks[step.outcome])} ${step.step.padEnd(room)}  ${step.text}${next}\n`;
  });
  const first = view.steps.find((step) => step.outcome === 'fail');
  const head = view.reachable
    ? `${view.destination} is reachable${view.service === undefined ? '' : ` as service ${view.service}`}${view.identity === undefined ? '' : ` by ${view.identity}`}.\n`
    : `${view.destination} is not reachable${first === undefined ? '' : `: ${first.text.replace(/\.$/, '')}`}.\n`;
  return head + steps.join('');
}
