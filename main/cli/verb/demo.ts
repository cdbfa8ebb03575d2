import type { Command } from 'commander';
import { TunnelerError } from '../../base/errors.ts';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';
import { openDemo, type Demo } from '../demo/demo.ts';
import { openInBrowser } from '../open-in-browser.ts';
import { waitForEnd } from '../wait-for-end.ts';
import { sessionTable } from './sessions.ts';

/** A scenario that takes longer has failed, whatever it is waiting for. */
const onceLimitMs = 55_000;

/** `culvert demo [--once]`: the main job, shown step by step on an overlay of its own. */
export function addDemo(program: Command, cli: Cli): void {
  addVerb(program, 'demo', 'an embedded overlay, dark services and an engine, step by step')
    .option('--once', 'run the scenario, print, exit')
    .action(async (options: CommonOptions & { once?: true }) => {
      const steps: { title: string; detail: string }[] = [];
      const narrate = (title: string, detail = ''): void => {
        steps.push({ title, detail });
        if (options.json !== true) cli.terminal.out(describeStep(steps.length, title, detail, cli));
      };
      const demo = await withLimit(openDemo(cli, narrate), options.once === true, cli);
      try {
        if (options.json === true) {
          const { state, mode, proxy, sessions } = demo;
          cli.terminal.out(`${JSON.stringify({ ok: true, steps, state, mode, proxy, sessions })}\n`);
        } else cli.terminal.out(`\n${sessionTable(demo.sessions, cli)}`);
        if (options.once === true) return;
        if (options.json !== true) await showNext(demo, cli);
        await waitForEnd(cli.signal);
      } finally {
        await demo[Symbol.asyncDispose]();
        if (options.json !== true) cli.terminal.out(cli.paint('dim', 'Nothing of it is left on this machine.\n'));
      }
    });
}

async function withLimit(opening: Promise<Demo>, once: boolean, cli: Cli): Promise<Demo> {
  if (!once) return opening;
  let timer: Disposable | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = cli.clock.after(onceLimitMs, () => {
      reject(new TunnelerError('base.timeout', `the demo did not finish within ${onceLimitMs / 1000} s`));
    });
  });
  // Whatever comes of a late one, it is closed.
  late.catch(() => void opening.then((demo) => demo[Symbol.asyncDispose]()).catch(() => undefined));
  try {
    return await Promise.race([opening, late]);
  } finally {
    timer?.[Symbol.dispose]();
  }
}

function describeStep(number: number, title: string, detail: string, cli: Cli): string {
  const mark = cli.paint('green', '✓');
  const more = detail === '' ? '' : `\n     ${cli.paint('dim', detail)}`;
  return `${mark} ${String(number).padStart(2)}  ${title}${more}\n`;
}

async function showNext(demo: Demo, cli: Cli): Promise<void> {
  const culvert = `node ${process.argv[1] ?? 'dist/culvert.mjs'}`;
  const through = demo.proxy === undefined ? '' : `--proxy socks5h://${demo.proxy} `;
  const url = await consoleUrl(demo, cli);
  const line = (command: string, why: string): string =>
    `  ${cli.paint('cyan', command)}\n      ${cli.paint('dim', why)}\n`;
  cli.terminal.out(
    [
      `\n${cli.paint('bold', 'Try next, in another terminal:')}\n`,
      line(`curl ${through}http://hello.dark/`, 'any program reaches the dark service, and is seen doing so'),
      line(`${culvert} sessions --watch --state ${demo.state}`, 'sessions as they open, count and close'),
      line(`${culvert} why notes.dark --state ${demo.state}`, 'each step from a name to who hosts it'),
      line(`${culvert} quarantine add service:hello.dark --state ${demo.state}`, 'cut it off; then curl again'),
      line(`${culvert} audit search --state ${demo.state}`, 'every decision and its reason'),
      url === undefined ? '' : `\nThe window: ${cli.paint('bold', url)}\n`,
      `\nCtrl-C ends the demo.\n`,
    ].join(''),
  );
  if (url !== undefined && cli.terminal.outIsTty) openInBrowser(url, cli.terminal.env);
}

/** The window needs to have been built; the demo works without. */
async function consoleUrl(demo: Demo, cli: Cli): Promise<string | undefined> {
  try {
    return (await cli.withEngine({ state: demo.state }, (engine) => engine.engine.openConsole())).url;
  } catch (error) {
    cli.terminal.err(cli.paint('dim', `no window: ${(error as Error).message}\n`));
    return undefined;
  }
}
