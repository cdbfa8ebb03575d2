/** Somebody new with the README alone, from a clone with nothing installed to a guarded tool call by an agent of their own: its lines as they stand, timed. */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { markdownTable, writeSection } from '../support/field-page.ts';
import { mustSkip } from '../support/optional.ts';
import { blocksUnder, TypedShell } from '../support/readme-shell.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { toolsMissing } from '../support/tools.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** As the README has it. */
const place = '/tmp/culvert-try';

test.skipIf(mustSkip(toolsMissing('bwrap')))(
  'from nothing to a guarded call of a bound agent',
  async () => {
    expect(existsSync(place), `${place} is somebody’s`).toBe(false);
    const home = temporaryDirectory('newcomer');
    const clone = join(home, 'culvert');
    const rows: string[][] = [];
    let sumMs = 0;
    const timed = async (what: string, came: string, run: () => unknown): Promise<void> => {
      const startedMs = performance.now();
      await run();
      const ms = performance.now() - startedMs;
      sumMs += ms;
      rows.push([what, came, `${(ms / 1000).toFixed(1)} s`]);
    };
    try {
      await timed('`git clone`', 'the sources', () => {
        const { status, stderr } = spawnSync('git', ['clone', '-q', '--depth', '1', `file://${root}`, clone]);
        expect(stderr.toString()).toBe('');
        expect(status).toBe(0);
      });
      using shell = new TypedShell(clone, { ...process.env, npm_config_cache: join(home, 'npm') });
      const [, build = ''] = blocksUnder(clone, 'See it in a minute');
      await timed('`npm ci && npm run build`, with nothing in npm’s cache', 'programs and window', () =>
        shell.type(build, '', 600_000),
      );
      const [seed = '', enrol = '', host = '', call = '', look = ''] = blocksUnder(clone, 'a developer and an agent');
      await timed('an overlay from a seed: two identities, a service with a contract', 'two tokens', () =>
        shell.type(seed, 'token       researcher'),
      );
      await timed('enrol both, bind `note-taker`, start the engine', 'it is up', () =>
        shell.type(enrol, 'The engine is up'),
      );
      await timed('`npm install` of an MCP server, made a dark service', 'it is hosted', () =>
        shell.type(host, 'notes.dark is answered by', 120_000),
      );
      await timed('be the agent', 'one call answered, one refused with its rule', async () => {
        const answers = await shell.type(call);
        expect(answers).toContain('"rule":"contract:mcp.deny delete_*"');
        expect(answers).toMatch(/"id":2,"result"|"result":.*"id":2/);
      });
      await timed('`audit calls`, `why`, `audit verify`', 'who asked for what; the record intact', async () => {
        const record = await shell.type(look);
        expect(record).toMatch(/note-taker +notes\.dark +delete_en\S* .*deny/);
        expect(record).toContain('intact:');
      });
    } finally {
      rmSync(place, { recursive: true, force: true });
    }
    rows.push(['**together**', '', `**${Math.round(sumMs / 1000)} s**`]);
    const day = new Date().toLocaleDateString('en-GB', { dateStyle: 'long' });
    const seen = `Seen on ${day}, Node ${process.version.slice(1)}, ${process.platform} ${process.arch}, two cores.`;
    await writeSection(
      'newcomer',
      'Timed',
      `${seen}\n\n${markdownTable(['what is typed', 'what comes of it', 'time'], rows)}`,
    );
  },
  900_000,
);
