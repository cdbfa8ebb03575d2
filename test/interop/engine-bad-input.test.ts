/** What goes wrong around an engine gets a clear error and loses nothing. */
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { text as readText } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { IdentityView, StatusView } from '../../main/api/views.ts';
import { culvert, culvertJson, startCulvert, type Ran, type RunningCulvert } from '../support/culvert.ts';
import { mustSkip } from '../support/optional.ts';
import { rootMissing } from '../support/tools.ts';
import { listening } from '../support/listening.ts';

let home: string;
let overlay: RunningCulvert;
let env: Record<string, string>;
const at = (...names: string[]): string => join(home, ...names);
const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'];

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'culvert-bad-'));
  await mkdir(at('credentials'));
  await writeFile(at('credentials/culvert-passphrase'), 'one two three', { mode: 0o600 });
  env = { CREDENTIALS_DIRECTORY: at('credentials') };
  const seed = {
    identities: names,
    services: [
      {
        name: 'web',
        configs: {
          'intercept.v1': { protocols: ['tcp'], addresses: ['web.dark'], portRanges: [{ low: 80, high: 80 }] },
        },
        dial: names,
        bind: [],
      },
    ],
  };
  await writeFile(at('seed.json'), JSON.stringify(seed));
  overlay = await startCulvert(['overlay', '--dir', at('overlay'), '--seed', at('seed.json')]);
}, 60_000);

afterAll(async () => {
  await overlay?.[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const token = (name: string): string => at('overlay', `${name}.jwt`);
const enroll = (name: string, state: string, more: string[] = []): Promise<Ran> =>
  culvert(['enroll', token(name), '--state', at(state), '--json', ...more], { env });
const run = (state: string, more: string[] = []): Promise<RunningCulvert> =>
  startCulvert(['run', '--mode', 'proxy', '--state', at(state), ...more], { env });
/** What a program is answered that asks for the service through the engine's proxy. */
const asked = async (engine: RunningCulvert): Promise<IncomingMessage> => {
  const [host = '', port = ''] = String(engine.ready['proxy']).split(':');
  const request = get({ host, port, path: 'http://web.dark/', headers: { host: 'web.dark' } });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response;
};
const failsWith = (ran: Ran, code: string, exit = 1): void => {
  expect(ran.code).toBe(exit);
  const line = ran.err.trim().split('\n').at(-1) ?? '';
  expect(ran.out).toBe(`${line}\n`);
  expect(JSON.parse(line)).toMatchObject({
    error: { code, message: expect.any(String) as string, details: expect.any(Object) as object },
  });
};

test('the overlay says where it is, and wrote a token for each identity', async () => {
  expect(overlay.ready).toMatchObject({
    ready: true,
    controller: expect.stringMatching(/^https:\/\//) as string,
    router: expect.any(String) as string,
  });
  for (const name of names) expect((await readFile(token(name), 'utf8')).split('.')).toHaveLength(3);
});

describe('starting', () => {
  test('a second engine on the same directory is refused, and the first lives', async () => {
    await using first = await run('twice');
    failsWith(
      await culvert(['run', '--mode', 'proxy', '--state', at('twice'), '--json'], { env }),
      'engine.already_running',
    );
    const status = await culvertJson<StatusView>(['status', '--state', at('twice')]);
    expect(status.pid).toBe(first.pid);
  });

  test('a port in use is named, and nothing is left', async () => {
    const taken = createServer();
    const port = await listening(taken);
    const args = ['run', '--mode', 'proxy', '--proxy-listen', `127.0.0.1:${port}`, '--state', at('port'), '--json'];
    failsWith(await culvert(args, { env }), 'net.address_in_use');
    taken.close();
    expect((await readdir(at('port'))).filter((file) => /sock|lock/.test(file))).toEqual([]);
    failsWith(await culvert(['status', '--state', at('port'), '--json']), 'engine.not_running');
  });

  test('a proxy that other machines could reach is refused', async () => {
    const args = ['run', '--mode', 'proxy', '--proxy-listen', '0.0.0.0:0', '--state', at('open'), '--json'];
    failsWith(await culvert(args, { env }), 'net.listen_not_loopback');
  });

  test('an unknown setting is refused with its name, a missing file too', async () => {
    await writeFile(at('bad.yaml'), 'mode: proxy\nproxxy: {}\n');
    const ran = await culvert(['run', '--config', at('bad.yaml'), '--state', at('config'), '--json'], { env });
    failsWith(ran, 'engine.config_invalid');
    expect(ran.err).toContain('proxxy');
    failsWith(
      await culvert(['run', '--config', at('nowhere.yaml'), '--state', at('config'), '--json'], { env }),
      'engine.config_invalid',
    );
  });

  test('after kill -9 the next engine starts as if nothing had been', async () => {
    const killed = await run('killed');
    killed.kill('SIGKILL');
    await killed.exited;
    expect((await stat(at('killed/engine.sock'))).isSocket()).toBe(true);
    await using again = await run('killed');
    expect((await culvertJson<StatusView>(['status', '--state', at('killed')])).pid).toBe(again.pid);
    expect(await culvertJson(['audit', 'verify', '--state', at('killed')])).toMatchObject({ ok: true });
  });
});

describe('identities', () => {
  test('a broken identity file stops no other, and is told of', async () => {
    expect((await enroll('a', 'broken')).code).toBe(0);
    await writeFile(at('broken/identities/ruined.json'), '{"ztAPI": tru');
    await using engine = await run('broken');
    expect(engine.ready['ready']).toBe(true);
    const rows = await culvertJson<IdentityView[]>(['identity', 'list', '--state', at('broken')]);
    expect(rows.find((row) => row.name === 'a')).toMatchObject({ state: 'ready' });
    expect(rows.find((row) => row.name === 'ruined')).toMatchObject({
      state: 'broken',
      reason: { code: 'identity.corrupt', sentence: expect.stringContaining('ruined') as string },
    });
    expect(await readFile(at('broken/identities/ruined.json'), 'utf8')).toBe('{"ztAPI": tru');
  });

  test('a wrong passphrase locks that identity alone, and unlock frees it', async () => {
    expect((await enroll('b', 'locked')).code).toBe(0);
    await mkdir(at('other'), { recursive: true });
    await writeFile(at('other/culvert-passphrase'), 'wrong');
    const args = ['run', '--mode', 'proxy', '--state', at('locked')];
    await using _engine = await startCulvert(args, { env: { CREDENTIALS_DIRECTORY: at('other') } });
    const [row] = await culvertJson<IdentityView[]>(['identity', 'list', '--state', at('locked')]);
    expect(row).toMatchObject({ state: 'locked', reason: { code: 'identity.passphrase_wrong' } });
    const unlock = ['identity', 'unlock', 'b', '--state', at('locked'), '--json'];
    failsWith(await culvert(unlock, { env: { CREDENTIALS_DIRECTORY: at('other') } }), 'identity.passphrase_wrong');
    expect((await culvert(unlock, { env })).code).toBe(0);
  });

  test('no passphrase at all is said as such, and the token is not spent', async () => {
    const bare = await culvert(['enroll', token('c'), '--keystore', 'file', '--state', at('bare'), '--json']);
    failsWith(bare, 'identity.passphrase_missing');
    expect((await enroll('c', 'bare')).code).toBe(0);
  });

  test('a name that cannot be a file is said as such, and the token is not spent', async () => {
    for (const name of ['../elsewhere', 'a/b', 'a:b', '']) {
      failsWith(await enroll('i', 'named', ['--name', name]), 'identity.name_invalid');
    }
    expect((await readdir(at('named'))).filter((file) => file.startsWith('.reserve'))).toEqual([]);
    const enrolled = await enroll('i', 'named', ['--name', 'laptop.1']);
    expect(JSON.parse(enrolled.out)).toMatchObject({ name: 'laptop.1', controller: overlay.ready['controller'] });
  });

  test('one that is disabled is what why names where nothing else claims the destination', async () => {
    expect((await enroll('j', 'off')).code).toBe(0);
    await using engine = await run('off');
    expect((await culvert(['identity', 'disable', 'j', '--state', at('off')])).code).toBe(0);
    const ran = await culvert(['why', 'web.dark:80', '--state', at('off'), '--json']);
    expect(ran.code).toBe(1);
    const next = expect.stringContaining('culvert identity enable j') as string;
    const text = expect.stringContaining('j is disabled') as string;
    expect(JSON.parse(ran.out)).toMatchObject({ reachable: false, steps: [{ outcome: 'fail', text, next }] });
    // A program is told nothing of it: it claims nothing, as was wanted.
    const response = await asked(engine);
    expect(response.headers['culvert-reason']).toBe('intercept.no_match');
    expect(await readText(response)).not.toContain('disabled');
    // Its address reads the same whether it works or not.
    const [row] = await culvertJson<IdentityView[]>(['identity', 'list', '--state', at('off')]);
    expect(row).toMatchObject({ state: 'disabled', controller: overlay.ready['controller'] });
  });

  test('one whose controller never answered is what why names too', async () => {
    const gone = await startCulvert(['overlay', '--dir', at('gone'), '--seed', at('seed.json')]);
    const jwt = at('gone/a.jwt');
    expect((await culvert(['enroll', jwt, '--state', at('alone'), '--json'], { env })).code).toBe(0);
    await gone[Symbol.asyncDispose]();
    await using engine = await run('alone');
    const unknown = /what a may reach is not known: nothing listens at/;
    const ran = await culvert(['why', 'web.dark:80', '--state', at('alone'), '--json']);
    const text = expect.stringMatching(unknown) as string;
    expect(JSON.parse(ran.out)).toMatchObject({ reachable: false, steps: [{ outcome: 'fail', text }] });
    // A program is told the same, not to check the name.
    const response = await asked(engine);
    expect(response.headers['culvert-reason']).toBe('intercept.reach_unknown');
    const body = await readText(response);
    expect(body).toMatch(unknown);
    expect(body).not.toContain('check the name');
  });

  test('a key store that is not here is said as such, and the token is not spent', async () => {
    failsWith(await enroll('d', 'stores', ['--keystore', 'stone-tablet']), 'identity.keystore_unknown');
    const tpm = await culvert(['enroll', token('d'), '--keystore', 'tpm', '--state', at('stores'), '--json'], {
      env: { ...env, TPM2TOOLS_TCTI: 'swtpm:host=127.0.0.1,port=1', TCTI: '' },
    });
    failsWith(tpm, 'identity.keystore_unavailable');
    expect((await enroll('d', 'stores')).code).toBe(0);
  });

  test('tampered, foreign, garbled and unknown tokens each have their code', async () => {
    const [head = '', body = '', signature = ''] = (await readFile(token('e'), 'utf8')).trim().split('.');
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>;
    const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'somebody-else' })).toString('base64url');
    const attempt = (text: string): Promise<Ran> =>
      culvert(['enroll', '-', '--name', 'x', '--state', at('tokens'), '--json'], { env, input: text });
    failsWith(await attempt(`${head}.${forged}.${signature}`), 'ziti.enroll.token_invalid');
    failsWith(await attempt('not a token'), 'ziti.enroll.token_invalid');
    const elsewhere = Buffer.from(JSON.stringify({ ...claims, iss: 'https://127.0.0.1:1' })).toString('base64url');
    failsWith(await attempt(`${head}.${elsewhere}.${signature}`), 'ziti.controller.unreachable');
    failsWith(await culvert(['enroll', at('no-such.jwt'), '--json']), 'cli.usage', 2);
    expect((await enroll('e', 'tokens')).code).toBe(0);
  });

  describe.skipIf(mustSkip(rootMissing()))('a full disk', () => {
    beforeAll(async () => {
      await mkdir(at('small'));
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=320k,mode=700', 'culvert-test', at('small')]);
    });
    afterAll(() => {
      execFileSync('umount', ['-l', at('small')]);
    });

    test('refuses an enrolment before the token is spent, and leaves no half identity', async () => {
      await writeFile(at('small/ballast'), Buffer.alloc(200 * 1024));
      const ran = await enroll('f', 'small');
      failsWith(ran, 'identity.write_failed');
      expect((await readdir(at('small'))).filter((file) => file.startsWith('.reserve'))).toEqual([]);
      expect(await readdir(at('small/identities'))).toEqual([]);
      expect(await readdir(at('small/keys'))).toEqual([]);
      await rm(at('small/ballast'));
      expect((await enroll('f', 'small')).code).toBe(0);
    });
  });

  test('identity files are 0600, in directories of 0700', async () => {
    expect((await enroll('g', 'modes')).code).toBe(0);
    expect((await stat(at('modes'))).mode & 0o777).toBe(0o700);
    for (const place of ['identities', 'keys', 'audit']) {
      expect((await stat(at('modes', place))).mode & 0o777).toBe(0o700);
      for (const file of await readdir(at('modes', place))) {
        expect((await stat(at('modes', place, file))).mode & 0o777, file).toBe(0o600);
      }
    }
  });
});

describe('the journal', () => {
  test('names the first record that was altered', async () => {
    expect((await enroll('h', 'journal')).code).toBe(0);
    await (await run('journal'))[Symbol.asyncDispose]();
    const good = await culvertJson<{ ok: boolean; count: number }>(['audit', 'verify', '--state', at('journal')]);
    expect(good.ok).toBe(true);
    const [file = ''] = await readdir(at('journal/audit'));
    const lines = (await readFile(at('journal/audit', file), 'utf8')).split('\n');
    lines[1] = (lines[1] ?? '').replace('"kind":"', '"kind":"x');
    await writeFile(at('journal/audit', file), lines.join('\n'));
    const ran = await culvert(['audit', 'verify', '--state', at('journal'), '--json']);
    expect(ran.code).toBe(1);
    expect(JSON.parse(ran.out)).toMatchObject({ ok: false, firstBad: { seq: 2 } });
  });
});

describe('the console', () => {
  test('gives an address with a token that works once, and refuses strangers', async () => {
    await using _engine = await run('console');
    const opened = await culvert(['console', '--state', at('console'), '--json']);
    if (opened.code !== 0) {
      failsWith(opened, 'console.unavailable'); // the window is not built on this machine
      return;
    }
    const { url } = JSON.parse(opened.out) as { url: string };
    expect(new URL(url).hostname).toBe('127.0.0.1');
    const first = await fetch(url, { redirect: 'manual' });
    expect(first.headers.get('set-cookie')).toMatch(/HttpOnly/);
    const second = await fetch(url, { redirect: 'manual' });
    expect(second.status).toBeGreaterThanOrEqual(400);
    expect(second.headers.get('set-cookie')).toBeNull();
  });
});

describe('what is not the engine', () => {
  test('a file in the socket place is neither trusted nor replaced', async () => {
    await mkdir(at('imposter'), { mode: 0o700 });
    await writeFile(at('imposter/engine.sock'), 'precious');
    await chmod(at('imposter/engine.sock'), 0o600);
    failsWith(await culvert(['status', '--state', at('imposter'), '--json']), 'engine.socket_untrusted');
    failsWith(
      await culvert(['run', '--mode', 'proxy', '--state', at('imposter'), '--json'], { env }),
      'engine.state_unusable',
    );
    expect(await readFile(at('imposter/engine.sock'), 'utf8')).toBe('precious');
  });
});
