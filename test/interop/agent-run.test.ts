/** `culvert agent run`: a program started as an agent is that agent, whatever it does; with `--net only` there is nothing but Culvert for it. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SessionView } from '../../main/api/views.ts';
import type { Ran } from '../support/culvert.ts';
import { GovernedWorld } from '../support/governed-world.ts';
import { describeGoverned } from '../support/networks.ts';
import { mustSkip } from '../support/optional.ts';
import { until } from '../support/until.ts';

const namespaces = spawnSync('bwrap', [
  '--unshare-user',
  '--unshare-pid',
  '--bind',
  '/',
  '/',
  '--proc',
  '/proc',
  'true',
]);
const missing = namespaces.status === 0 ? undefined : 'no namespaces can be made here (bubblewrap)';

describe.skipIf(mustSkip(missing))('started as an agent', () => {
  describeGoverned('agent run', (network) => {
    let world: GovernedWorld;
    let backend: Server;
    let internet: Server;

    beforeAll(async () => {
      backend = createServer((_request, response) => response.end('from the dark\n'));
      internet = createServer((_request, response) => response.end('from outside\n'));
      for (const server of [backend, internet]) {
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      }
      const target = (backend.address() as AddressInfo).port;
      const outside = (internet.address() as AddressInfo).port;
      world = await GovernedWorld.open(network(), {
        identities: ['robot-id', 'device-id'],
        services: {
          'robot-docs': { target, dial: ['robot-id'] },
          'device-docs': { target, dial: ['device-id'] },
          'robot-models': { target, dial: ['robot-id'], contract: { http: { models: ['good-1'] } } },
        },
        config: () => `
# Who is who on this machine.
agents:
  robot: { identity: robot-id, internet: ['127.0.0.1:${outside}'] } # started by hand
`,
      });
    }, 240_000);

    afterAll(async () => {
      await world?.[Symbol.asyncDispose]();
      for (const server of [backend, internet]) {
        server?.closeAllConnections();
        server?.close();
      }
    }, 60_000);

    const culvert = (args: readonly string[], command: readonly string[]): Promise<Ran> =>
      world.run([...args, '--state', world.deviceState, '--', ...command]);
    const run = (net: 'host' | 'only', command: readonly string[], more: readonly string[] = []): Promise<Ran> =>
      culvert(['agent', 'run', 'robot', '--net', net, ...more], command);
    const curl = (url: string): string => `curl -sS --max-time 20 ${url}`;
    const newest = async (): Promise<SessionView> => world.newest('robot-docs');

    test.each(['host', 'only'] as const)('dials as its identity, by name and with proof (--net %s)', async (net) => {
      const ran = await run(net, ['sh', '-c', curl('http://robot-docs.dark/')]);
      expect(ran).toMatchObject({ code: 0, out: 'from the dark\n' });
      expect(await newest()).toMatchObject({
        identity: 'robot-id',
        app: { agent: 'robot', attribution: 'exact', path: expect.stringMatching(/curl$/) as string },
      });
      const refused = await run(net, ['sh', '-c', curl('http://device-docs.dark/')]);
      expect(refused.out).toContain('policy.agent.no_reach');
    });

    test.each(['host', 'only'] as const)(
      "finds models at the engine's own endpoint, as itself (--net %s)",
      async (net) => {
        const asking = (model: string): string =>
          `curl -sS --max-time 20 "$OPENAI_BASE_URL/responses" -H 'content-type: application/json' -d '{"model":"${model}"}'`;
        expect(await run(net, ['sh', '-c', asking('good-1')])).toMatchObject({ code: 0, out: 'from the dark\n' });
        expect(await world.newest('robot-models')).toMatchObject({ identity: 'robot-id', app: { agent: 'robot' } });
        expect((await run(net, ['sh', '-c', asking('other')])).out).toContain(
          'other is not among the models you may ask',
        );
      },
    );

    test.each(['host', 'only'] as const)('names the command that cannot be started (--net %s)', async (net) => {
      const ran = await run(net, ['/no/such/cmd'], ['--json']);
      expect(ran).toMatchObject({ code: 1, out: '' });
      expect(JSON.parse(ran.err)).toMatchObject({
        error: { code: 'sandbox.failed', details: { command: '/no/such/cmd' } },
      });
      expect((await run(net, ['no-such-cmd'])).err).toMatch(
        /^culvert: sandbox\.failed: no-such-cmd cannot be started: /,
      );
    });

    test.each(['host', 'only'] as const)(
      'stays it when it forks twice and its starter ends (--net %s)',
      async (net) => {
        const result = join(world.home, `orphan-${net}`);
        const orphan = `setsid sh -c '( ${curl('http://robot-docs.dark/')} > ${result}.part; mv ${result}.part ${result} ) & exit 0' & exit 0`;
        // The run lasts until the answer is there: what is left behind ends with it.
        const ran = await run(net, ['sh', '-c', `( ${orphan} ); until [ -e ${result} ]; do sleep 0.1; done`]);
        expect(ran.code).toBe(0);
        expect(await readFile(result, 'utf8')).toBe('from the dark\n');
        expect((await newest()).app).toMatchObject({ agent: 'robot', attribution: 'exact' });
      },
    );

    test('hands its exit code on, and its variables lead through Culvert', async () => {
      expect((await run('host', ['sh', '-c', 'exit 7'])).code).toBe(7);
      const { out } = await run('only', ['sh', '-c', 'env'], ['--env', 'GREETING=hello']);
      expect(out).toContain('HTTPS_PROXY=http://127.0.0.1:1080');
      expect(out).toContain('ALL_PROXY=http://127.0.0.1:1080');
      expect(out).toMatch(/^NO_PROXY=.*127\.0\.0\.1/m);
      expect(out).toContain('GREETING=hello');
      expect(out).not.toMatch(/^(?:CREDENTIALS_DIRECTORY|DISPLAY|NODE_OPTIONS|DBUS_SESSION_BUS_ADDRESS)=/m);
    });

    test('with --net only reaches the names its rule lists, and nothing else', async () => {
      const listed = `http://127.0.0.1:${(internet.address() as AddressInfo).port}/`;
      const other = `http://127.0.0.1:${(backend.address() as AddressInfo).port}/`;
      const asking = (url: string): Promise<Ran> => run('only', ['sh', '-c', `NO_PROXY= no_proxy= ${curl(url)}`]);
      expect((await asking(listed)).out).toBe('from outside\n');
      expect((await asking(other)).out).toContain('intercept.no_match');
      const around = await run('only', ['sh', '-c', `${curl('--noproxy "*" ' + listed)}`]);
      expect(around.code).not.toBe(0);
      expect(around.out).toBe('');
    });

    test('sees neither the state of the engine nor other processes, and may call what is its own', async () => {
      const { out } = await run('host', ['sh', '-c', `ls -A ${world.deviceState}; echo; ls -d /proc/[0-9]* | wc -l`]);
      const [there = '', count = ''] = out.trim().split('\n\n');
      expect(there.split('\n').sort()).toEqual(['engine.sock']);
      expect(Number(count)).toBeLessThan(10);
    });

    test('sees no door of another program of its user, nor takes away what covers one', async () => {
      const door = join(world.home, 'door.sock');
      const server = createServer((_request, response) => response.end('opened\n'));
      await new Promise<void>((resolve) => server.listen(door, resolve));
      const knock = `curl -sS --max-time 5 --unix-socket ${door} http://door/`;
      try {
        const { out } = await run('host', [
          'sh',
          '-c',
          `${knock}; unshare -Urm umount ${world.deviceState}; ls -A ${world.deviceState}`,
        ]);
        expect(out.trim()).toBe('engine.sock');
      } finally {
        server.close();
      }
    });

    test('holds it to its limits', async () => {
      const many = 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 30 & done; echo all; kill 0';
      const ran = await run('host', ['sh', '-c', many], ['--processes', '12']);
      if (process.getuid?.() === 0) expect(ran.out).not.toContain('all');
      else expect(ran.err).toMatch(/sandbox\.unavailable|fork/);
    });

    test('holds its traffic to a bandwidth, where Culvert is its one way out', async () => {
      const listed = `http://127.0.0.1:${(internet.address() as AddressInfo).port}/`;
      const upload = `head -c 60000 /dev/zero | NO_PROXY= no_proxy= ${curl(`--data-binary @- ${listed}`)}`;
      const startedAt = performance.now();
      expect((await run('only', ['sh', '-c', upload], ['--bandwidth', '20K'])).out).toBe('from outside\n');
      // At 20 KiB a second it cannot have been quicker, whatever the machine.
      expect(performance.now() - startedAt).toBeGreaterThan(2_000);
      const ran = await run('host', ['true'], ['--bandwidth', '20K']);
      expect([ran.code, ran.err]).toEqual([1, expect.stringContaining('sandbox.unavailable')]);
    });

    test('is refused for a name that the settings do not have, with what to do', async () => {
      const ran = await culvert(['agent', 'run', 'nobody'], ['true']);
      expect(ran).toMatchObject({ code: 1, out: '' });
      expect(ran.err).toContain('culvert: agent.unknown: no agent is called nobody');
    });

    test('bindings are edited with their comments kept, and count at once', async () => {
      const file = join(world.deviceState, 'culvert.yaml');
      const { path } = await world.program('tool');
      await world.json(['agent', 'bind', 'tool', '--identity', 'robot-id', '--path', path]);
      const text = await readFile(file, 'utf8');
      expect(text).toContain('# Who is who on this machine.');
      expect(text).toContain('# started by hand');
      expect((await world.ask(path, 'robot-docs')).status).toBe(200);
      const rows = await world.json<{ name: string; identity: string }[]>(['agent', 'list']);
      expect(rows.map(({ name, identity }) => [name, identity])).toEqual([
        ['robot', 'robot-id'],
        ['tool', 'robot-id'],
      ]);
      await world.json(['agent', 'unbind', 'tool']);
      expect((await world.ask(path, 'robot-docs')).status).toBe(403);
      expect((await world.run(['agent', 'unbind', 'tool'])).err).toContain('agent.unknown');
      const env = await world.json<Record<string, string>>(['env', '--agent', 'robot']);
      expect(env['HTTP_PROXY']).toBe(`http://${world.proxy}`);
      expect((await world.run(['env'])).out).toContain(`export HTTP_PROXY='http://${world.proxy}'`);
    });

    test('outlives a restart of the engine', async () => {
      const go = join(world.home, 'go');
      const ready = join(world.home, 'ready');
      const waiting = `touch ${ready}; until [ -e ${go} ]; do sleep 0.1; done; ${curl('http://robot-docs.dark/')}`;
      const ran = run('only', ['sh', '-c', waiting]);
      await until(() => existsSync(ready), 20_000);
      await world.restart();
      await writeFile(go, '');
      expect(await ran).toMatchObject({ code: 0, out: 'from the dark\n' });
      expect((await newest()).app).toMatchObject({ agent: 'robot', attribution: 'exact' });
    });
  });
});
