import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { request, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { ApprovalView } from '../../main/api/approval-view.ts';
import { TunnelerError } from '../../main/base/errors.ts';
import { silentLog } from '../../main/base/log.ts';
import type { Questions } from '../../main/console/answer-door.ts';
import { openConsole, type Console } from '../../main/console/console.ts';
import type { Visitor } from '../../main/console/browsers.ts';
import { createFakeEngine, type FakeEngine } from '../support/fake-engine.ts';
import { ManualClock } from '../support/manual-clock.ts';

let directory: string;
let engine: FakeEngine;
let clock: ManualClock;
let open: Console;
let visitor: Visitor | undefined;
let row: ApprovalView;

const questions: Questions = {
  find: (id) => (id === row.id ? row : undefined),
  answer({ grant, reason }) {
    if (reason === undefined) throw new TunnelerError('approvals.reason_required', 'a reason is wanted');
    row = { ...row, state: grant ? 'granted' : 'denied', reason };
    return row;
  },
};

beforeEach(async () => {
  row = {
    id: 'app_1',
    kind: 'session',
    state: 'pending',
    service: 'press <7>',
    identity: 'vendor',
    agent: null,
    reason: null,
    requestedAt: '2026-01-01T00:00:00.000Z',
    expiresAt: null,
  };
  directory = await mkdtemp(join(tmpdir(), 'culvert-console-'));
  await mkdir(join(directory, 'assets'));
  await writeFile(join(directory, 'index.html'), '<!doctype html><title>Culvert</title>');
  await writeFile(join(directory, 'assets/main-1.js'), 'export {};');
  await writeFile(join(directory, 'secret.key'), 'not to be served');
  visitor = { kind: 'user', uid: 1000 };
  engine = createFakeEngine();
  clock = new ManualClock();
  open = await openConsole({
    listen: { host: '127.0.0.1', port: 0 },
    assetsDir: directory,
    connect: engine.dispatcher.connect,
    visitorOf: () => Promise.resolve(visitor),
    questions,
    permission: 'operate',
    clock,
    log: silentLog,
  });
});

afterEach(async () => {
  await open.close();
  await rm(directory, { recursive: true });
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function ask(target: string, headers: Record<string, string> = {}, method = 'GET', body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const own = { host: `127.0.0.1:${open.port}`, ...headers };
    request({ host: '127.0.0.1', port: open.port, path: target, method, headers: own }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString('utf8'),
        }),
      );
    })
      .on('error', reject)
      .end(body);
  });
}

const pathOf = (url: string): string => new URL(url).pathname + new URL(url).search;

async function enter(): Promise<string> {
  return (await enterTab()).cookie;
}

/** Let in: the cookie, and the tab's secret as the page holds it. */
async function enterTab(headers: Record<string, string> = {}): Promise<{ cookie: string; tab: string }> {
  const answer = await ask(pathOf(open.url()), headers);
  const tab = /<meta name="culvert-tab" content="([^"]+)">/.exec(answer.body)?.[1] ?? '';
  return { cookie: answer.headers['set-cookie']?.[0]?.split(';')[0] ?? '', tab };
}

interface Window {
  readonly socket: WebSocket;
  /** The next message, those that came before it was asked for included. */
  next(): Promise<unknown>;
}

function dial({ tab, ...headers }: Record<string, string>, path = '/engine'): Promise<Window> {
  const protocols = tab === undefined ? [] : ['culvert', `culvert.tab.${tab}`];
  const socket = new WebSocket(`ws://127.0.0.1:${open.port}${path}`, protocols, { headers });
  const arrived: unknown[] = [];
  let wake: () => void = () => {};
  socket.on('message', (data: Buffer) => {
    arrived.push(JSON.parse(data.toString('utf8')));
    wake();
  });
  const next = async (): Promise<unknown> => {
    while (arrived.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return arrived.shift();
  };
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve({ socket, next }));
    socket.once('error', reject);
  });
}

describe('the way in', () => {
  it('gives a token of 256 bits that works once and becomes a cookie no script and no other site can use', async () => {
    const url = open.url();
    const token = new URL(url).searchParams.get('token') ?? '';
    expect(Buffer.from(token, 'base64url')).toHaveLength(32);
    const first = await ask(pathOf(url));
    expect(first.status).toBe(200);
    expect(first.body).toContain('<title>Culvert</title>');
    const cookie = first.headers['set-cookie']?.[0] ?? '';
    expect(cookie).toMatch(/; HttpOnly; SameSite=Strict; Path=\/$/);
    expect(cookie).not.toContain(token);
    const second = await ask(pathOf(url));
    expect(second.status).toBe(403);
    expect(second.headers['set-cookie']).toBeUndefined();
  });

  it('never hands out the same address twice', () => {
    expect(new Set(Array.from({ length: 50 }, () => open.url())).size).toBe(50);
  });

  it.each([
    ['another token', `/?token=${'A'.repeat(43)}`],
    ['an empty token', '/?token='],
    ['no token', '/'],
    ['a guess at the page', '/index.html'],
    ['a file beside it', '/secret.key'],
    ['a way out', '/../../etc/passwd'],
    ['an encoded way out', '/%2e%2e/%2e%2e/etc/passwd'],
  ])('refuses %s without a cookie', async (_what, target) => {
    const answer = await ask(target);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(answer.headers['set-cookie']).toBeUndefined();
  });

  it('lets a token expire', async () => {
    const url = open.url();
    clock.advance(11 * 60_000);
    expect((await ask(pathOf(url))).status).toBe(403);
  });

  it.each([
    ['a rebound name', { host: 'evil.example' }],
    ['the right name at another port', { host: '127.0.0.1:1' }],
    ['another origin', { origin: 'http://evil.example' }],
    ['an opaque origin', { origin: 'null' }],
    ['the right host from another port’s page', { origin: 'http://127.0.0.1:1' }],
  ])('refuses %s and keeps the token for its owner', async (_what, headers: Record<string, string>) => {
    const url = open.url();
    const answer = await ask(pathOf(url), headers);
    expect(answer.status).toBe(403);
    expect(answer.headers['set-cookie']).toBeUndefined();
    expect((await ask(pathOf(url))).status).toBe(200);
  });

  it('does not let another site use a token up as a picture', async () => {
    const url = open.url();
    expect((await ask(pathOf(url), { 'sec-fetch-dest': 'image', 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await ask(pathOf(url), {}, 'HEAD')).status).toBe(403);
    expect((await ask(pathOf(url))).status).toBe(200);
  });
});

describe('the page', () => {
  it('is served to the browser that came in, under a strict policy', async () => {
    const cookie = await enter();
    const page = await ask('/', { cookie });
    expect(page.status).toBe(200);
    expect(page.body).toContain('<title>Culvert</title>');
    const policy = page.headers['content-security-policy'] ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(page.headers['x-content-type-options']).toBe('nosniff');
    expect((await ask('/assets/main-1.js', { cookie })).headers['content-type']).toContain('javascript');
  });

  it('has nothing but the built files', async () => {
    const cookie = await enter();
    for (const target of ['/secret.key', '/../secret.key', '//etc/passwd', '/assets/', '/assets/../secret.key']) {
      expect((await ask(target, { cookie })).status).toBeGreaterThanOrEqual(400);
    }
    expect((await ask('/', { cookie }, 'POST')).status).toBe(405);
  });

  it('forgets a browser not seen for half a day', async () => {
    const cookie = await enter();
    clock.advance(11 * 3_600_000);
    expect((await ask('/', { cookie })).status).toBe(200);
    clock.advance(13 * 3_600_000);
    expect((await ask('/', { cookie })).status).toBe(401);
  });
});

describe('the socket', () => {
  const own = (): string => `http://127.0.0.1:${open.port}`;

  it('speaks the contract with the permission of the console', async () => {
    const { socket, next } = await dial({ ...(await enterTab()), origin: own() });
    expect(await next()).toMatchObject({ greeting: 'culvert', permission: 'operate' });
    socket.send(JSON.stringify({ id: 1, call: 'engine.status' }));
    expect(await next()).toMatchObject({ id: 1, result: { mode: 'proxy' } });
    socket.send(JSON.stringify({ id: 2, call: 'identity.remove', request: { name: 'a' } }));
    expect(await next()).toMatchObject({ id: 2, error: { code: 'engine.forbidden' } });
    socket.close();
  });

  it('refuses a page elsewhere, a missing origin, a wrong host, no cookie and another path', async () => {
    const { cookie, tab } = await enterTab();
    await expect(dial({ cookie, tab, origin: 'http://evil.example' })).rejects.toThrow('403');
    await expect(dial({ cookie, tab })).rejects.toThrow('403');
    await expect(dial({ cookie, tab, origin: own(), host: 'evil.example' })).rejects.toThrow('403');
    await expect(dial({ tab, origin: own() })).rejects.toThrow('401');
    await expect(dial({ cookie: `${cookie}x`, tab, origin: own() })).rejects.toThrow('401');
    await expect(dial({ cookie, tab, origin: own() }, '/other')).rejects.toThrow('404');
    expect(engine.calls).toHaveLength(0);
  });

  it('opens to no cookie without its tab, which no other port of 127.0.0.1 is sent', async () => {
    const first = await enterTab();
    await expect(dial({ cookie: first.cookie, origin: own() })).rejects.toThrow('401');
    const other = await enterTab();
    await expect(dial({ cookie: first.cookie, tab: other.tab, origin: own() })).rejects.toThrow('401');
    // A second tab of the same browser keeps the first one's cookie, and both talk.
    const second = await enterTab({ cookie: first.cookie });
    expect(second.cookie).toBe(first.cookie);
    for (const tab of [first.tab, second.tab])
      (await dial({ cookie: first.cookie, tab, origin: own() })).socket.close();
    expect((await ask('/', { cookie: first.cookie })).body).not.toContain('culvert-tab');
  });

  it('lets in the user whom an address is for, nobody else, and no program that may not command the engine', async () => {
    const url = open.url([1000]);
    visitor = { kind: 'user', uid: 1001 };
    expect((await ask(pathOf(url))).status).toBe(403);
    visitor = { kind: 'user', uid: 1000 };
    expect((await ask(pathOf(url))).status).toBe(403);
    const { cookie, tab } = await enterTab();
    visitor = { kind: 'user', uid: 1001 };
    await expect(dial({ cookie, tab, origin: own() })).rejects.toThrow('401');
    visitor = undefined;
    await expect(dial({ cookie, tab, origin: own() })).rejects.toThrow('403');
    expect((await ask(pathOf(open.url()))).status).toBe(403);
  });

  it('closes a window that sends too much, and lives', async () => {
    const tab = await enterTab();
    const { socket } = await dial({ ...tab, origin: own() });
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    socket.send('x'.repeat(3 * 1024 * 1024));
    expect(await closed).toBe(1009);
    const another = await dial({ ...tab, origin: own() });
    another.socket.close();
  });

  it('answers a broken line with a code and goes on', async () => {
    const { socket, next } = await dial({ ...(await enterTab()), origin: own() });
    await next();
    socket.send('{nonsense');
    expect(await next()).toMatchObject({ id: null, error: { code: 'engine.protocol' } });
    socket.send(JSON.stringify({ id: 3, call: 'engine.status' }));
    expect(await next()).toMatchObject({ id: 3 });
    socket.close();
  });

  it('puts out windows when it closes', async () => {
    const { socket } = await dial({ ...(await enterTab()), origin: own() });
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    await open.close();
    await closed;
  });
});

describe('opening', () => {
  it('refuses to listen anywhere but on loopback', async () => {
    const connect = engine.dispatcher.connect;
    const visitorOf = (): Promise<undefined> => Promise.resolve(undefined);
    const deps = { assetsDir: directory, connect, visitorOf, questions, clock, log: silentLog };
    await expect(openConsole({ ...deps, listen: { host: '0.0.0.0', port: 0 } })).rejects.toThrow(TunnelerError);
  });

  it('says that there is no built window', async () => {
    const visitorOf = (): Promise<undefined> => Promise.resolve(undefined);
    const listen = { host: '127.0.0.1', port: 0 };
    const deps = { connect: engine.dispatcher.connect, visitorOf, questions, clock, log: silentLog, listen };
    await expect(openConsole({ ...deps, assetsDir: join(directory, 'assets') })).rejects.toMatchObject({
      code: 'console.unavailable',
    });
  });

  it('answers to the name it is hosted under, where it was told one', async () => {
    await using hosted = await openConsole({
      listen: { host: '127.0.0.1', port: 0 },
      assetsDir: directory,
      connect: engine.dispatcher.connect,
      visitorOf: () => Promise.resolve({ kind: 'dark' }),
      hosts: () => ['Console.Plant-7'],
      questions,
      clock,
      log: silentLog,
    });
    const url = hosted.url(undefined, 'console.plant-7');
    expect(new URL(url).host).toBe('console.plant-7');
    const status = await new Promise<number>((resolve, reject) => {
      const headers = { host: 'console.plant-7' };
      request({ host: '127.0.0.1', port: hosted.port, path: pathOf(url), headers }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(200);
  });
});

describe('the link of a question', () => {
  const hour = 3_600_000;
  const linked = (): string => pathOf(open.answerUrl('app_1', clock.now() + hour));
  const post = (fields: Record<string, string>, origin: string | undefined = `http://127.0.0.1:${open.port}`) => {
    const link = new URLSearchParams(linked().split('?')[1]).get('link') ?? '';
    const body = String(new URLSearchParams({ link, ...fields }));
    return ask(
      '/answer',
      { 'content-type': 'application/x-www-form-urlencoded', ...(origin === undefined ? {} : { origin }) },
      'POST',
      body,
    );
  };

  it('shows it, and takes one answer after another while there is one to give', async () => {
    const shown = await ask(linked());
    expect(shown.status).toBe(200);
    expect(shown.body).toContain('press &lt;7&gt;');
    expect(shown.body).toContain('>Grant<');
    expect(shown.headers['content-security-policy']).not.toMatch(/script|unsafe/);

    expect(await post({ answer: 'grant' })).toMatchObject({
      status: 409,
      body: expect.stringContaining('a reason') as string,
    });
    expect((await post({ answer: 'grant', reason: 'the belt is stuck' })).body).toContain('It is granted now.');
    expect((await ask(linked())).body).toContain('>End it<');
    expect((await post({ answer: 'deny', reason: 'done' })).body).toContain('It is denied now.');
    expect((await ask(linked())).body).not.toContain('<form');
  });

  it('leads nowhere else, and sets no cookie', async () => {
    const shown = await ask(linked());
    expect(shown.headers['set-cookie']).toBeUndefined();
    expect((await ask('/')).status).toBe(401);
  });

  it('is nobody’s who was not given it: another id, a later end, another key, its time over', async () => {
    const link = linked();
    for (const other of [
      link.replace('app_1', 'app_2'),
      link.replace(/\.(\d+)\./, (_, end: string) => `.${Number(end) + 1}.`),
      `${link.slice(0, -3)}AAA`,
      '/answer',
      '/answer?link=app_1',
    ]) {
      expect((await ask(other)).status, other).toBe(403);
    }
    clock.advance(hour);
    expect((await ask(link)).status).toBe(403);
  });

  it('is answered by its own page alone', async () => {
    const answer = { answer: 'grant', reason: 'why not' };
    expect((await post(answer, 'http://elsewhere.example')).status).toBe(403);
    expect((await post(answer, '')).status).toBe(403);
    visitor = undefined;
    expect((await post(answer)).status).toBe(403);
    visitor = { kind: 'dark' };
    expect((await post({ ...answer, answer: 'perhaps' })).status).toBe(400);
    expect((await post({ ...answer, reason: 'x'.repeat(10_000) })).status).toBe(403);
    expect(row.state).toBe('pending');
    expect((await post(answer)).status).toBe(200);
  });
});
