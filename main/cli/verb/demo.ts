import { Option, type Command } from 'commander';
import { TunnelerError } from '../../base/errors.ts';
import { addVerb, Cli, usage, type CommonOptions } from '../cli.ts';
import { openDemo } from '../demo/demo.ts';
import { openMacroPulse } from '../demo/macro-pulse.ts';
import { openModels } from '../demo/models.ts';
import { openPlant } from '../demo/plant.ts';
import type { Demo, DemoMode } from '../demo/stage.ts';
import { showWindow, type ShownWindow } from '../show-window.ts';
import { waitForEnd } from '../wait-for-end.ts';
import { optOut, windowFacts } from '../window-place.ts';
import { sessionTable } from './sessions.ts';

/** A scenario that takes longer has failed, whatever it is waiting for. */
const onceLimitMs = 100_000;
/** What was started by then is stopped within this. */
const cleaningMs = 5_000;

/** Scenarios whose devices are several engines on one machine, which cannot share its names and routes: they work through proxies. */
const scenarios = { 'macro-pulse': openMacroPulse, plant: openPlant, models: openModels } as const;

/** `culvert demo [--once] [--scenario NAME]`: the main job, shown step by step on an overlay of its own. */
export function addDemo(program: Command, cli: Cli): void {
  addVerb(program, 'demo', 'an embedded overlay, dark services and an engine, step by step')
    .option('--once', 'run the scenario, print, exit')
    .addOption(new Option('--scenario <name>', 'another story than the main job').choices(Object.keys(scenarios)))
    .addOption(
      new Option(
        '--mode <mode>',
        'tun: names simply work, until the demo ends; proxy: nothing of this machine is changed',
      )
        .choices(['auto', 'tun', 'proxy'])
        .default('proxy'),
    )
    .action(async (options: CommonOptions & { once?: true; scenario?: keyof typeof scenarios; mode: DemoMode }) => {
      const steps: { title: string; detail: string }[] = [];
      const narrate = (title: string, detail = ''): void => {
        steps.push({ title, detail });
        if (options.json !== true) cli.terminal.out(describeStep(steps.length, title, detail, cli));
      };
      const { scenario, mode } = options;
      if (scenario !== undefined && mode === 'tun') {
        throw usage(
          `the scenario ${scenario} runs several devices on this machine, which cannot share one TUN: leave --mode tun out`,
        );
      }
      const open =
        scenario === undefined
          ? (limited: Cli) => openDemo(limited, narrate, mode)
          : (limited: Cli) => scenarios[scenario](limited, narrate);
      const demo = await withLimit(open, options.once === true, cli);
      let window: ShownWindow | undefined;
      try {
        if (options.json === true) {
          const { state, mode, proxy, sessions } = demo;
          cli.terminal.out(`${JSON.stringify({ ok: true, steps, state, mode, proxy, sessions })}\n`);
        } else cli.terminal.out(`\n${sessionTable(demo.sessions, cli)}`);
        if (options.once === true) return;
        demo.stay?.();
        if (options.json !== true) window = await showNext(demo, cli);
        await waitForEnd(cli.signal);
      } finally {
        await window?.[Symbol.asyncDispose]();
        await demo[Symbol.asyncDispose]();
        if (options.json !== true) cli.terminal.out(cli.paint('dim', 'Nothing of it is left on this machine.\n'));
      }
    });
}

/** A scenario that is late is stopped, and has time to clean up, before this throws `base.timeout`. */
async function withLimit(open: (cli: Cli) => Promise<Demo>, once: boolean, cli: Cli): Promise<Demo> {
  if (!once) return open(cli);
  const { programs, terminal, clock } = cli;
  const late = new AbortController();
  const tooLate = new TunnelerError('base.timeout', `the demo did not finish within ${onceLimitMs / 1000} s`);
  const limit = clock.after(onceLimitMs, () => late.abort());
  let lost: Disposable | undefined;
  const givenUp = new Promise<never>((_resolve, reject) => {
    lost = clock.after(onceLimitMs + cleaningMs, () => reject(tooLate));
  });
  try {
    const limited = new Cli({ programs, terminal, clock, signal: AbortSignal.any([cli.signal, late.signal]) });
    return await Promise.race([open(limited), givenUp]);
  } catch (error) {
    throw late.signal.aborted ? tooLate : error;
  } finally {
    limit[Symbol.dispose]();
    lost?.[Symbol.dispose]();
  }
}

function describeStep(number: number, title: string, detail: string, cli: Cli): string {
  const mark = cli.paint('green', '✓');
  const more = detail === '' ? '' : `\n     ${cli.paint('dim', detail)}`;
  return `${mark} ${String(number).padStart(2)}  ${title}${more}\n`;
}

/** Say what to try, and open the window as well as this machine can. */
async function showNext(demo: Demo, cli: Cli): Promise<ShownWindow | undefined> {
  const culvert = `node ${process.argv[1] ?? 'dist/culvert.mjs'}`;
  const url = await consoleUrl(demo, cli);
  const line = (command: string, why: string): string =>
    `  ${cli.paint('cyan', command)}\n      ${cli.paint('dim', why)}\n`;
  cli.terminal.out(
    [
      `\n${cli.paint('bold', 'Try next, in another terminal:')}\n`,
      ...demo.next.map(([command, why]) => line(command.replace('CULVERT', culvert), why)),
      url === undefined ? '' : `\nThe window: ${cli.paint('bold', url)}\n`,
    ].join(''),
  );
  const facts = windowFacts(cli.terminal.env, cli.programs.directory);
  const window = url === undefined ? undefined : await showWindow({ state: demo.state, url }, facts, cli.clock);
  if (window !== undefined) cli.terminal.out(`  ${cli.paint('dim', whereWords[window.where])}\n`);
  cli.terminal.out('\nCtrl-C ends the demo.\n');
  return window;
}

const whereWords: Readonly<Record<ShownWindow['where'], string>> = {
  electron: 'It has opened as an application of its own; the address above shows the same in a browser, once.',
  browser: 'It has opened in your browser; the address works once.',
  unwanted: `It was not opened, for ${optOut} is set; the address works once, within ten minutes.`,
  'no-screen': 'There is no screen here to open it on; the address works once, in a browser on this machine.',
  'no-browser': 'No browser was found here; the address works once, within ten minutes.',
  failed: 'It could not be opened by itself; open the address in a browser. It works once, within ten minutes.',
};

/** The window needs to have been built; the demo works without. */
async function consoleUrl(demo: Demo, cli: Cli): Promise<string | undefined> {
  try {
    return (await cli.withEngine({ state: demo.state }, (engine) => engine.engine.openConsole({}))).url;
  } catch (error) {
    cli.terminal.err(cli.paint('dim', `no window: ${(error as Error).message}\n`));
    return undefined;
  }
}
