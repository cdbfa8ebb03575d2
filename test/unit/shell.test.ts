import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TunnelerError } from '../../main/base/errors.ts';
import { silentLog } from '../../main/base/log.ts';
import type { ReasonCode } from '../../main/base/reason-codes.ts';
import type { Transport } from '../../main/api/client.ts';
import type { ShellArrival } from '../../main/api/shell-bridge.ts';
import { ArrivalBox, arrivalOf, parseLink, readTokenFile } from '../../main/shell/arrivals.ts';
import { channels } from '../../main/shell/channels.ts';
import type { IpcEvent, NavigationLike, WebContentsLike } from '../../main/shell/electron.ts';
import { EngineLines } from '../../main/shell/engine-lines.ts';
import { enginePath } from '../../main/shell/engine-path.ts';
import { watchEngine } from '../../main/shell/engine-watch.ts';
import { serveIpc } from '../../main/shell/ipc.ts';
import { defined } from '../../main/base/defined.ts';
import { gather, Notices } from '../../main/shell/notices.ts';
import { tellUnlocks } from '../../main/shell/screen-unlock.ts';
import { readSettings, writeSettings } from '../../main/shell/shell-settings.ts';
import { openWindowFiles } from '../../main/shell/window-files.ts';
import { parsePlace, placeOptions } from '../../main/shell/window-place.ts';
import { shellWords } from '../../main/shell/words.ts';
import { createFakeEngine } from '../support/fake-engine.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { memoryTransport } from '../support/memory-transport.ts';
import { sceneState } from '../support/window/scene.ts';
import { isUnix } from '../support/modes.ts';

const token = 'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2MifQ.c2ln';
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'culvert-shell-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

describe('arrivals', () => {
  it('reads links to enrol and to screens', () => {
    expect(parseLink(`culvert://enrol?token=${token}`)).toEqual({ kind: 'token', value: token });
    expect(parseLink('culvert://enroll?url=https%3A%2F%2Fctrl.example')).toEqual({
      kind: 'url',
      value: 'https://ctrl.example',
    });
    expect(parseLink('culvert://show/sessions')).toEqual({ kind: 'screen', value: 'sessions' });
  });

  it.each([
    'https://enrol?token=a.b.c',
    'culvert://enrol?token=<script>',
    'culvert://enrol?url=http://ctrl.example',
    'culvert://enrol?url=file:///etc/passwd',
    'culvert://show/a/b',
    'culvert://close-everything',
    'nonsense',
  ])('leaves %s lying', (link) => expect(parseLink(link)).toBeUndefined());

  it('reads a token file, and nothing else', async () => {
    const file = join(directory, 'mira.jwt');
    await writeFile(file, `${token}\n`);
    expect(await readTokenFile(file)).toEqual({ kind: 'token', value: token });
    expect(await readTokenFile(join(directory, 'missing.jwt'))).toBeUndefined();
    expect(await readTokenFile('/etc/passwd')).toBeUndefined();
    await writeFile(file, 'x'.repeat(2_000_000));
    expect(await readTokenFile(file)).toBeUndefined();
    expect(await arrivalOf(['culvert', '--hidden', 'culvert://show/audit'])).toEqual({
      kind: 'screen',
      value: 'audit',
    });
    expect(await arrivalOf(['culvert', '--inspect'])).toBeUndefined();
  });

  it('keep until a window listens', () => {
    const box = new ArrivalBox();
    const got: ShellArrival[] = [];
    box.put({ kind: 'screen', value: 'audit' });
    box.put({ kind: 'screen', value: 'policy' });
    box.open((arrival) => got.push(arrival));
    box.put({ kind: 'screen', value: 'sessions' });
    expect(got.map(({ value }) => value)).toEqual(['policy', 'sessions']);
  });
});

describe('the window’s files', () => {
  it('are those that were built, under a policy without network', async () => {
    await mkdir(join(directory, 'app'));
    await writeFile(join(directory, 'app/index.html'), '<title>Culvert</title>');
    await writeFile(join(directory, 'secret.html'), 'secret');
    const files = openWindowFiles(join(directory, 'app'));
    const page = files('culvert-window://app/index.html');
    expect(page.status).toBe(200);
    expect(page.headers['content-security-policy']).toContain("connect-src 'none'");
    expect(page.headers['content-security-policy']).not.toContain('unsafe');
    expect(files('culvert-window://app/../secret.html').status).toBe(404);
    expect(files('culvert-window://app/%2e%2e/secret.html').status).toBe(404);
    expect(files('culvert-window://other/index.html').status).toBe(403);
    expect(files('file:///etc/passwd').status).toBe(403);
  });
});

class FakeContents {
  readonly sent: (readonly unknown[])[] = [];
  #destroyed: (() => void) | undefined;
  #navigated: ((details: NavigationLike) => void) | undefined;
  readonly id: number;
  constructor(id: number) {
    this.id = id;
  }
  send(...message: readonly unknown[]): void {
    this.sent.push(message);
  }
  isDestroyed(): boolean {
    return false;
  }
  once(_event: 'destroyed', listener: () => void): void {
    this.#destroyed = listener;
  }
  destroy(): void {
    this.#destroyed?.();
  }

  on(event: string, listener: (details: NavigationLike) => void): void {
    if (event === 'did-start-navigation') this.#navigated = listener;
  }

  navigate(details: NavigationLike): void {
    this.#navigated?.(details);
  }
}

function ipc(connect: () => Promise<Transport>) {
  const handlers = new Map<string, (event: IpcEvent, ...args: readonly unknown[]) => unknown>();
  const outside: string[] = [];
  serveIpc(
    {
      handle: (channel, handler) => handlers.set(channel, handler),
      on: (channel, handler) => handlers.set(channel, handler),
    },
    {
      lines: new EngineLines({ connect }),
      settings: () => ({ autostart: false, notifications: true, version: '1.0.0' }),
      set: (change) => ({
        autostart: change.autostart ?? false,
        notifications: change.notifications ?? true,
        version: '1.0.0',
      }),
      openOutside: async (url) => void outside.push(url),
      installUpdate: () => undefined,
      arrivals: () => undefined,
      log: silentLog,
    },
  );
  const call = (contents: FakeContents, channel: string, ...args: readonly unknown[]): unknown =>
    handlers.get(channel)?.(
      {
        senderFrame: { url: 'culvert-window://app/index.html', parent: null },
        sender: contents as unknown as WebContentsLike,
      },
      ...args,
    );
  const foreign = (channel: string, ...args: readonly unknown[]): unknown =>
    handlers.get(channel)?.(
      {
        senderFrame: { url: 'https://evil.example', parent: null },
        sender: new FakeContents(9) as unknown as WebContentsLike,
      },
      ...args,
    );
  return { handlers, call, foreign, outside };
}

describe('what the window may ask', () => {
  it('is a closed list', () => {
    const { handlers } = ipc(() => Promise.reject(new TunnelerError('engine.not_running', 'no')));
    const incoming = [channels.message, channels.closed, channels.arrival] as readonly string[];
    expect([...handlers.keys()].sort()).toEqual(
      Object.values(channels)
        .filter((name) => !incoming.includes(name))
        .sort(),
    );
  });

  it('passes the contract’s lines both ways', async () => {
    const engine = createFakeEngine();
    const { call } = ipc(async () => memoryTransport(engine.dispatcher));
    const contents = new FakeContents(1);
    call(contents, channels.connect, 7);
    call(contents, channels.send, 7, JSON.stringify({ id: 1, call: 'engine.status' }));
    await settle();
    expect(contents.sent[0]).toEqual([channels.message, 7, expect.stringContaining('"greeting":"culvert"')]);
    expect(contents.sent[1]).toEqual([channels.message, 7, expect.stringContaining('"mode":"proxy"')]);
  });

  it('tells why the engine cannot be had, an untrusted socket included', async () => {
    const { call } = ipc(() => Promise.reject(new TunnelerError('engine.socket_untrusted', 'belongs to uid 7')));
    const contents = new FakeContents(1);
    call(contents, channels.connect, 1);
    await settle();
    expect(contents.sent).toEqual([
      [channels.closed, 1, { code: 'engine.socket_untrusted', message: 'belongs to uid 7' }],
    ]);
  });

  it('keeps one window out of another’s connection, and ends them with the window', async () => {
    const engine = createFakeEngine();
    const closed: number[] = [];
    let made = 0;
    const { call } = ipc(async () => {
      const transport = memoryTransport(engine.dispatcher);
      const index = made++;
      return { ...transport, close: () => (closed.push(index), transport.close()) };
    });
    const first = new FakeContents(1);
    const second = new FakeContents(2);
    call(first, channels.connect, 1);
    await settle();
    call(second, channels.send, 1, JSON.stringify({ id: 1, call: 'engine.stop' }));
    call(second, channels.disconnect, 1);
    await settle();
    expect(engine.calls).toEqual([]);
    expect(closed).toEqual([]);
    first.destroy();
    expect(closed).toEqual([0]);
  });

  it('ends a page’s connections when it is loaded anew, as often as that is', async () => {
    const engine = createFakeEngine();
    let open = 0;
    const { call } = ipc(async () => {
      const transport = memoryTransport(engine.dispatcher);
      open += 1;
      return { ...transport, close: () => ((open -= 1), transport.close()) };
    });
    const contents = new FakeContents(1);
    for (let load = 0; load < 12; load += 1) {
      call(contents, channels.connect, load);
      await settle();
      contents.navigate({ isMainFrame: true, isSameDocument: true });
      contents.navigate({ isMainFrame: false, isSameDocument: false });
      expect(open).toBe(1);
      contents.navigate({ isMainFrame: true, isSameDocument: false });
      expect(open).toBe(0);
    }
    expect(contents.sent.filter(([channel]) => channel === channels.closed)).toEqual([]);
  });

  it('bounds connections and messages, and ignores what no page of ours would send', async () => {
    const engine = createFakeEngine();
    const { call } = ipc(async () => memoryTransport(engine.dispatcher));
    const contents = new FakeContents(1);
    for (const id of [1, 2, 3, 4, 5]) call(contents, channels.connect, id);
    await settle();
    expect(contents.sent.filter(([channel]) => channel === channels.closed)).toHaveLength(1);
    for (const id of ['x', -1, 1.5, null, {}]) call(contents, channels.connect, id);
    call(contents, channels.send, 1, { call: 'engine.stop' });
    call(contents, channels.send, 1, 'x'.repeat(3 * 1024 * 1024));
    await settle();
    expect(engine.calls).toEqual([]);
  });

  it('is refused to every other frame', async () => {
    const engine = createFakeEngine();
    let connected = 0;
    const { foreign, outside } = ipc(async () => {
      connected += 1;
      return memoryTransport(engine.dispatcher);
    });
    foreign(channels.connect, 1);
    foreign(channels.send, 1, '{}');
    await settle();
    expect(connected).toBe(0);
    for (const channel of [channels.settings, channels.set, channels.installUpdate]) {
      expect(() => foreign(channel, {})).toThrow(TunnelerError);
    }
    await expect(async () => foreign(channels.openExternal, 'https://docs.example')).rejects.toThrow(TunnelerError);
    expect(outside).toEqual([]);
  });

  it('opens https outside and nothing else; takes only known settings', async () => {
    const { call, outside } = ipc(() => Promise.reject(new TunnelerError('engine.not_running', 'no')));
    const contents = new FakeContents(1);
    await call(contents, channels.openExternal, 'https://idp.example/');
    await expect(call(contents, channels.openExternal, 'file:///bin/sh') as Promise<unknown>).rejects.toThrow(
      TunnelerError,
    );
    expect(outside).toEqual(['https://idp.example/']);
    expect(call(contents, channels.set, { autostart: true })).toMatchObject({ autostart: true });
    for (const change of [null, 'x', { autostart: 'yes' }, { shell: true }, { __proto__: null, x: true }]) {
      expect(() => call(contents, channels.set, change)).toThrow(TunnelerError);
    }
  });
});

describe('notices', () => {
  const state = sceneState(Date.UTC(2026, 0, 1));
  const session = state.sessions['s-03'];
  const identity = state.identities['mira-laptop'];
  const notices = (): Notices => new Notices(shellWords('en-US'));

  it('tell once that a code is wanted, and again when it is wanted anew', () => {
    const told = notices();
    const change = (to: 'mfa-required' | 'ready') =>
      told.of({ kind: 'identity-changed', key: 'mira-laptop', value: { ...identity!, state: to } });
    expect(change('mfa-required')).toMatchObject({ screen: 'identities', action: 'Enter code' });
    expect(change('mfa-required')).toBeUndefined();
    expect(change('ready')).toBeUndefined();
    expect(change('mfa-required')).toBeDefined();
  });

  it('name the service a code is wanted for, and whether it is to be reached or hosted; one for all of an identity', () => {
    const told = notices();
    const service = Object.values(state.services)[0]!;
    const change = (name: string, status: 'mfa-required' | 'available', code: ReasonCode) =>
      told.of({
        kind: 'service-changed',
        key: `me/${name}`,
        value: { ...service, name, identity: 'me', status, reason: { code, sentence: '' } },
      });
    const host = change('db', 'mfa-required', 'posture.mfa_to_host');
    expect(host?.body).toBe('A code from your authenticator is needed to host db.');
    expect(change('db', 'mfa-required', 'posture.mfa_to_host')).toBeUndefined();
    const reach = change('wiki', 'mfa-required', 'posture.mfa_to_dial');
    expect(reach?.body).toContain('to reach wiki');
    expect(gather([host!, reach!], shellWords('en'))).toEqual([host]);
    expect(change('db', 'available', 'policy.allowed')).toBeUndefined();
    expect(change('db', 'mfa-required', 'posture.mfa_to_host')).toBeDefined();
  });

  it('tell of sessions a contract or a policy closed, not of those that ended by themselves', () => {
    const told = notices();
    const ended = (id: string, closeReason: 'contract_violation' | 'consumer_close') =>
      told.of({ kind: 'session-changed', key: id, value: { ...session!, id, state: 'closed', closeReason } });
    expect(ended('a', 'contract_violation')).toMatchObject({
      screen: 'sessions',
      title: 'Session to git-forge closed',
    });
    expect(ended('a', 'contract_violation')).toBeUndefined();
    expect(ended('b', 'consumer_close')).toBeUndefined();
  });

  it('do not repeat what the first snapshot showed', () => {
    const told = notices();
    told.seen(state);
    const plant = state.identities['plant-7-maintenance'];
    expect(told.of({ kind: 'identity-changed', key: plant!.name, value: plant! })).toBeUndefined();
    const over = state.sessions['s-21'];
    expect(told.of({ kind: 'session-changed', key: over!.id, value: over! })).toBeUndefined();
  });

  it('tell of a budget that is nearly used while there is time, and not of other alerts', () => {
    const raised = (kind: string, details?: Record<string, unknown>) =>
      notices().of({
        kind: 'alert-raised',
        value: { id: 'a', at: '', severity: 'warning', kind, text: 'claude: low', ...defined({ details }) },
      });
    expect(raised('budget', { service: 'claude' })).toMatchObject({
      key: 'alert:a',
      body: 'Four fifths of what may be used of claude are used.',
    });
    expect(raised('quarantine', { service: 'claude' })).toBeUndefined();
    const budgets = Array.from({ length: 5 }, () => raised('budget', { service: 'claude' })!);
    expect(gather(budgets, shellWords('en'))).toEqual(budgets);
  });

  it('become one where many come at once', () => {
    const one = { key: 'session:k', title: 't', body: 'b', screen: 'sessions', action: 'Show' } as const;
    const words = shellWords('de');
    expect(gather([one, one], words)).toHaveLength(2);
    expect(
      gather(
        Array.from({ length: 9 }, () => one),
        words,
      ),
    ).toMatchObject([{ title: '9 Sitzungen geschlossen' }]);
  });
});

describe('the watch over the engine', () => {
  it('follows, comes back after a loss, and ends when told', async () => {
    const engine = createFakeEngine();
    const clock = new ManualClock();
    const abort = new AbortController();
    const seen: string[] = [];
    const transports: ReturnType<typeof memoryTransport>[] = [];
    const watching = watchEngine(
      {
        connect: async () => {
          const transport = memoryTransport(engine.dispatcher);
          transports.push(transport);
          return transport;
        },
        clock,
        log: silentLog,
        onSnapshot: (snapshot) => seen.push(snapshot === undefined ? 'lost' : 'snapshot'),
        onChanges: (changes) => seen.push(...changes.map(({ kind }) => kind)),
      },
      abort.signal,
    );
    await settle();
    engine.push({ kind: 'dns-changed', value: engine.state().dns });
    await settle();
    transports[0]?.break();
    await settle();
    await clock.advanceSlowly(3_100);
    await settle();
    expect(seen).toEqual(['snapshot', 'dns-changed', 'lost', 'snapshot']);
    abort.abort();
    await clock.advanceSlowly(3_100);
    await watching;
  });
});

describe('an unlocked screen', () => {
  it('is told to the engine, and one that is not there is no trouble', async () => {
    const engine = createFakeEngine(undefined, { engine: { screenUnlocked: () => undefined } });
    let unlock = (): void => undefined;
    let there = false;
    tellUnlocks(
      { on: (_event, listener) => void (unlock = listener) },
      {
        connect: () =>
          there ? Promise.resolve(memoryTransport(engine.dispatcher)) : Promise.reject(new Error('no engine')),
        log: silentLog,
      },
    );
    unlock();
    await settle();
    there = true;
    unlock();
    await settle();
    expect(engine.calls.map(({ name }) => name)).toEqual(['engine.screenUnlocked']);
  });
});

describe('small things', () => {
  it.runIf(isUnix)('finds the engine: as told, else the installed one, else the user’s own', () => {
    const facts = { argv: ['culvert'], env: { HOME: '/home/m' }, platform: 'linux' } as const;
    expect(enginePath({ ...facts, argv: ['culvert', '--socket', '/x.sock'] })).toBe('/x.sock');
    expect(enginePath({ ...facts, argv: ['culvert', '--state=/s'] })).toBe('/s/engine.sock');
    expect(enginePath(facts, () => false)).toBe('/var/lib/culvert/engine.sock');
    expect(enginePath(facts, (path) => path.startsWith('/home/m'))).toBe('/home/m/.local/state/culvert/engine.sock');
  });

  it('keeps its settings, and survives a spoilt file', async () => {
    const file = join(directory, 'shell.json');
    expect(readSettings(file)).toEqual({ notifications: true });
    writeSettings(file, { notifications: false });
    expect(readSettings(file)).toEqual({ notifications: false });
    await writeFile(file, '{');
    await chmod(file, 0o600);
    expect(readSettings(file)).toEqual({ notifications: true });
  });
});

describe('the window’s place', () => {
  const screen = { x: 0, y: 24, width: 1920, height: 1056 };
  const place = { x: 100, y: 80, width: 1000, height: 700, maximized: false };

  it('is kept, and nothing that is none', () => {
    const file = join(directory, 'shell.json');
    writeSettings(file, { notifications: true, window: place });
    expect(readSettings(file).window).toEqual(place);
    for (const spoilt of [null, 'left', { ...place, x: 1.5 }, { ...place, height: '700' }, { x: 1 }]) {
      expect(parsePlace(spoilt)).toBeUndefined();
    }
  });

  it('is where it was on a screen that is still there, by hand’s reach; else the desktop chooses', () => {
    expect(placeOptions(undefined, [screen])).toEqual({ width: 1200, height: 780 });
    expect(placeOptions(place, [screen])).toEqual({ x: 100, y: 80, width: 1000, height: 700 });
    expect(placeOptions({ ...place, x: -800 }, [screen])).toMatchObject({ x: -800 });
    const elsewhere = { width: 1000, height: 700 };
    expect(placeOptions({ ...place, x: -950 }, [screen])).toEqual(elsewhere);
    expect(placeOptions({ ...place, y: 0 }, [screen])).toEqual(elsewhere);
    expect(placeOptions({ ...place, x: 2500 }, [screen])).toEqual(elsewhere);
    expect(placeOptions({ ...place, x: 2500 }, [screen, { ...screen, x: 1920 }])).toMatchObject({ x: 2500 });
  });

  it('is never smaller than the window can be', () => {
    expect(placeOptions({ ...place, width: 10, height: 10 }, [screen])).toMatchObject({ width: 720, height: 480 });
  });
});
