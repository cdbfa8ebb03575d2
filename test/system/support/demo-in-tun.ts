/** `npm start` as root: what it prints works from elsewhere, with a TUN and without. Runs inside a namespace: see `tun-world.ts`. */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, readFile, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { culvertProgram } from '../../support/culvert.ts';
import { until } from '../../support/until.ts';
import { check, expectThat, run, scenarioMain } from './tun-world.ts';

/** Nobody else's, so that another demo of this machine does not count. */
const temporary = await mkdtemp(join(tmpdir(), 'demo-in-tun-'));
process.env['TMPDIR'] = temporary;
process.once('exit', () => rmSync(temporary, { recursive: true, force: true }));

/** Everything that a run may change on a host. */
async function host(): Promise<string> {
  const parts = [
    await readFile('/etc/resolv.conf', 'utf8'),
    ...(await Promise.all(
      [
        ['ip', '-o', 'link'],
        ['ip', 'rule'],
        ['ip', 'route', 'show', 'table', 'all'],
        ['nft', 'list', 'ruleset'],
      ].map(async ([command = '', ...args]) => (await run(command, args)).out),
    )),
    (await readdir(temporary)).join(),
    (await readdir('/etc')).join(),
  ];
  return parts.join('\n');
}

/** Run the demo, do `body` with what it prints while it is up, and see that it leaves the host as it was. */
async function demo(options: readonly string[], body: (printed: string) => Promise<void>): Promise<void> {
  const before = await host();
  const child = spawn(process.execPath, [await culvertProgram(), 'demo', ...options], {
    env: { ...process.env, CULVERT_NO_WINDOW: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  const over = new Promise<number | null>((resolve) => child.once('exit', resolve));
  try {
    await until(() => printed.includes('Ctrl-C ends the demo') || child.exitCode !== null, 60_000);
    expectThat(child.exitCode === null, printed);
    await body(printed);
  } finally {
    child.kill('SIGINT');
  }
  expectThat((await over) === 0, printed.slice(-1000));
  expectThat((await host()) === before, `before:\n${before}\nafter:\n${await host()}`);
}

/** The curl command it prints, as somebody types it elsewhere. */
async function tryIt(printed: string): Promise<string> {
  const command = /curl .*http:\/\/hello\.dark\//.exec(printed)?.[0] ?? 'false';
  const { code, out } = await run('bash', ['-c', `${command} -sS -m 10`]);
  expectThat(code === 0 && out.length > 0, `${command}: ${out}\n${printed}`);
  return command;
}

await scenarioMain(async () => {
  await check('unasked it changes nothing of the host, root or not', async () => {
    const before = await host();
    await demo([], async (printed) => {
      expectThat(printed.includes('mode proxy'), printed);
      expectThat((await tryIt(printed)).includes('--proxy'), printed);
      const withoutFiles = (text: string): string => text.replace(/culvert-demo[^,\n]*/g, '');
      expectThat(
        withoutFiles(await host()) === withoutFiles(before),
        `before:\n${before}\nmeanwhile:\n${await host()}`,
      );
    });
  });
  await check('asked for it takes a TUN, names simply work, and nothing is left', () =>
    demo(['--mode', 'tun'], async (printed) => {
      expectThat(printed.includes('mode tun'), printed);
      expectThat((await tryIt(printed)) === 'curl http://hello.dark/', printed);
    }),
  );
  await run('mount', ['-t', 'tmpfs', 'none', '/dev/net']);
  await check('without /dev/net/tun it says why and takes the proxy', () =>
    demo(['--mode', 'auto'], async (printed) => {
      expectThat(/mode proxy: auto: no TUN device, .*\/dev\/net\/tun/.test(printed), printed);
      expectThat((await tryIt(printed)).includes('--proxy'), printed);
    }),
  );
});
