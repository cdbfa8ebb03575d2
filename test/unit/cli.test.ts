import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TunnelerError } from '../../main/base/errors.ts';
import { silentLog } from '../../main/base/log.ts';
import { runCommandLine } from '../../main/cli/command-line.ts';
import { examples } from '../../main/cli/examples.ts';
import { everyVerb, type VerbNode } from '../../main/cli/verb-tree.ts';
import type { Backends } from '../../main/cli/backends.ts';
import type { Terminal } from '../../main/cli/terminal.ts';
import type { IdentityView, SessionView, WhyView } from '../../main/api/views.ts';
import { openSocketServer } from '../../main/engine/calls/socket-server.ts';
import { defaultSocketPath } from '../../main/ipc/socket-path.ts';
import { createFakeEngine, emptyState, type HandlerOverrides } from '../support/fake-engine.ts';
import { personAtSocket } from '../support/person-at-socket.ts';

let state: string;
const open: AsyncDisposable[] = [];

beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), 'culvert-cli-'));
});
afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
  await rm(state, { recursive: true, force: true });
});

const notHere = (): never => {
  throw new TunnelerError('base.unsupported', 'not in this test');
};
const noPrograms: Backends = {
  agents: notHere,
  version: '1.2.3',
  directory: '/nowhere',
  runEngine: notHere,
  openOverlay: notHere,
  readPassphrase: () => Promise.resolve(undefined),
  userKeychain: () => Promise.reject(new Error('not here')),
  openIdentities: notHere,
  openSecrets: notHere,
  verifyAudit: notHere,
  learning: () => import('../../main/learning/learning.ts'),
  searchAudit: notHere,
  policyDirectory: notHere,
  checkPolicy: notHere,
  repair: notHere,
  exportAudit: notHere,
  bundle: notHere,
  installService: notHere,
  doctor: notHere,
  showConfig: notHere,
  checkConfig: notHere,
  setConfig: notHere,
  uninstallService: notHere,
};

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function culvert(
  args: readonly string[],
  options: {
    programs?: Partial<Backends>;
    tty?: boolean;
    input?: string;
    secrets?: string[];
    env?: Record<string, string>;
    columns?: number;
  } = {},
): Promise<Ran> {
  let out = '';
  let err = '';
  const terminal: Terminal = {
    env: options.env ?? {},
    outIsTty: options.tty ?? false,
    errIsTty: options.tty ?? false,
    inIsTty: options.secrets !== undefined,
    columns: options.columns ?? 120,
    out: (text) => (out += text),
    err: (text) => (err += text),
    readInput: () => Promise.resolve(options.input ?? ''),
    payload: (text) => Promise.resolve(void (out += text)),
    inputLines: () => linesOf(options.input ?? ''),
    ask: () => Promise.resolve(undefined),
    askSecret: () => Promise.resolve(options.secrets?.shift() ?? ''),
  };
  const code = await runCommandLine(args, {
    programs: { ...noPrograms, ...options.programs },
    terminal,
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

async function serveEngine(overrides: HandlerOverrides = {}, engineState = emptyState()) {
  const engine = createFakeEngine(engineState, overrides);
  open.push(
    await openSocketServer({
      ...personAtSocket(defaultSocketPath(state)),
      dispatcher: engine.dispatcher,
      log: silentLog,
    }),
  );
  return engine;
}

const session: SessionView = {
  id: 'ses_1',
  service: 'web.dark',
  identity: 'laptop',
  direction: 'dial',
  app: { attribution: 'exact', path: '/usr/bin/curl', pid: 42 },
  protocol: 'tcp',
  source: '127.0.0.1:5000',
  destination: 'web.dark:80',
  startedAt: new Date(Date.now() - 65_000).toISOString(),
  bytesSent: 1500,
  bytesReceived: 2_400_000,
  state: 'open',
  encrypted: true,
  guard: 'none',
  guardedAt: [],
  decision: { code: 'policy.allowed', sentence: 'ok' },
};

const identity: IdentityView = {
  name: 'laptop',
  keystore: 'file',
  scope: 'machine',
  state: 'ready',
  controller: 'https://127.0.0.1:1280',
  controllers: [],
  mfa: 'none',
  services: { dial: 0, bind: 0 },
};

describe('exit codes and errors', () => {
  it('are 1 and `culvert: CODE: sentence` on standard error where no engine runs', async () => {
    const ran = await culvert(['status', '--state', state]);
    expect(ran).toMatchObject({ code: 1, out: '' });
    expect(ran.err).toContain(`culvert: engine.not_running: no engine answers at ${defaultSocketPath(state)}\n`);
  });

  it('are one JSON document with --json, the same on either output, so that a script finds it where it looks', async () => {
    const ran = await culvert(['status', '--state', state, '--json']);
    expect(JSON.parse(ran.err)).toMatchObject({
      error: { code: 'engine.not_running', message: expect.any(String) as string, details: {} },
    });
    expect(ran.out).toBe(ran.err);
  });

  it('stay off an output that is the protocol of an MCP client', async () => {
    const ran = await culvert(['mcp', 'connect', 'tools', '--state', state, '--json']);
    expect(ran).toMatchObject({ code: 1, out: '' });
    expect(JSON.parse(ran.err)).toMatchObject({ error: { code: 'engine.not_running' } });
  });

  it.each([[['connect', 'tools']], [['serve']]])('answer each request of an MCP client, once: mcp %j', async (verb) => {
    const asked = [
      { id: 1, method: 'initialize' },
      { method: 'notifications/initialized' },
      { id: 'two', method: 'tools/list' },
      { id: 1, method: 'ping' },
    ];
    const input = asked.map((one) => `${JSON.stringify({ jsonrpc: '2.0', ...one })}\n`).join('');
    const ran = await culvert(['mcp', ...verb, '--state', state], { input });
    expect(ran.code).toBe(1);
    const answers = ran.out.trim().split('\n');
    const error = {
      message: expect.stringMatching(/^the dark service could not be asked: no engine answers/) as string,
      data: { code: 'engine.not_running' },
    };
    expect(answers.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { jsonrpc: '2.0', id: 1, error },
      { jsonrpc: '2.0', id: 'two', error },
    ]);
    expect(ran.err).toMatch(/^culvert: engine\.not_running: /);
  });

  it.each([
    [['frobnicate'], /unknown command/],
    [['status', '--frobnicate'], /unknown option/],
    [['status', 'too-many'], /too many arguments/],
    [['identity'], /identity needs one of: list, show/],
    [['identity', 'show'], /missing required argument/],
    [['identity', 'mfa'], /mfa needs one of: enroll/],
    [['quarantine', 'add', 'claude'], /expected app:…, identity:…, service:…/],
    [['quarantine', 'release', 'web:'], /expected app:…, identity:…, service:…/],
    [['why', ':443'], /expected HOST\[:PORT\]/],
    [['why', 'plc.dark:65536'], /expected HOST\[:PORT\]/],
    [['policy', 'explain', 'plc.dark:0'], /expected HOST\[:PORT\]/],
    [['run', '--mode', 'warp'], /Allowed choices are auto, tun, proxy, host/],
    [['run', '--forward', 'nonsense'], /expected SERVICE:PORT/],
    [['run', '--proxy-listen', 'nonsense'], /expected HOST:PORT/],
    [['enroll', '/nowhere/x.jwt'], /cannot read the token/],
    [['enroll', 'http://controller'], /https only/],
  ])('are 2 and cli.usage for %j', async (args, message) => {
    const ran = await culvert(args);
    expect(ran).toMatchObject({ code: 2, out: '' });
    expect(ran.err).toMatch(/^culvert: cli\.usage: /);
    expect(ran.err).toMatch(message);
    const json = await culvert([...args, '--json']);
    expect(json.code).toBe(2);
    expect(JSON.parse(json.err)).toMatchObject({ error: { code: 'cli.usage' } });
  });

  it('leave what stands behind -- to the command that it is for', async () => {
    const ran = await culvert(['agent', 'run', 'helper', '--state', state, '--', 'program', '--json']);
    expect(ran).toMatchObject({ code: 1, out: '' });
    expect(ran.err).toMatch(/^culvert: engine\.not_running: /);
  });

  it('print help and version with 0, and help with 2 where nothing was asked', async () => {
    expect(await culvert(['--help'])).toMatchObject({ code: 0, err: '' });
    expect((await culvert(['--version'])).out.trim()).toBe('1.2.3');
    const help = (await culvert(['session', 'close', '--help'])).out;
    expect(help).toMatch(/Options:\n {2}-h[^]*Every verb has:\n[^]*--socket/);
    expect((await culvert(['services', '--help'])).out).toMatch(/See also:\n.*culvert service install/);
    expect((await culvert([])).code).toBe(2);
  });
});

describe('verbs over a running engine', () => {
  it('print one JSON document, or a table', async () => {
    await serveEngine({}, emptyState({ sessions: { ses_1: session }, identities: { laptop: identity } }));
    const json = await culvert(['sessions', '--json', '--state', state]);
    expect(json.code).toBe(0);
    // Every documented field is there, whether known yet or not.
    const { app } = session;
    const unknown = { closeReason: null, router: null, callerAsserted: null, mcp: { calls: 0, denied: 0 } };
    expect(JSON.parse(json.out)).toEqual([{ ...unknown, ...session, app: { agent: null, user: null, ...app } }]);
    expect(json.out.trimEnd()).not.toContain('\n');
    const text = await culvert(['sessions', '--state', state]);
    expect(text.out).toMatch(/ID\s+SERVICE\s+IDENTITY/);
    expect(text.out).toMatch(/ses_1\s+web\.dark\s+laptop\s+curl\[42\]\s+1m\s+1\.5 kB\s+2\.4 MB\s+open/);
    for (const verb of [
      ['status'],
      ['services'],
      ['apps'],
      ['quarantine', 'list'],
      ['dns', 'status'],
      ['identity', 'list'],
    ]) {
      expect((await culvert([...verb, '--state', state])).code, verb.join(' ')).toBe(0);
      expect(() => JSON.parse('')).toThrow();
      const asJson = await culvert([...verb, '--state', state, '--json']);
      expect(JSON.parse(asJson.out)).toBeDefined();
    }
  });

  it('take --socket in place of the usual one', async () => {
    await serveEngine();
    const ran = await culvert(['status', '--json', '--socket', defaultSocketPath(state)]);
    expect(JSON.parse(ran.out)).toMatchObject({ mode: 'proxy' });
  });

  it('colour only a terminal, and none where NO_COLOR is set', async () => {
    await serveEngine({}, emptyState({ sessions: { ses_1: session } }));
    const args = ['sessions', '--state', state];
    expect((await culvert(args)).out).not.toContain('\u001b');
    expect((await culvert(args, { tty: true })).out).toContain('\u001b[32m');
    expect((await culvert(args, { tty: true, env: { NO_COLOR: '1' } })).out).not.toContain('\u001b');
    expect((await culvert([...args, '--no-color'], { tty: true })).out).not.toContain('\u001b');
  });

  it('fit 80 columns, or what the terminal has beyond, and show everything with --wide', async () => {
    const long = { ...session, id: 'ses_0123456789abcdef0123', service: 'a-service-with-quite-a-long-name.plant.dark' };
    await serveEngine({}, emptyState({ sessions: { ses_1: long }, identities: { laptop: identity } }));
    const lines = async (verb: string[], columns: number): Promise<string[]> =>
      (await culvert([...verb, '--state', state], { columns })).out.split('\n');
    for (const columns of [40, 80, 100]) {
      const widest = Math.max(...(await lines(['sessions'], columns)).map((line) => [...line].length));
      expect(widest, `${columns}`).toBeLessThanOrEqual(Math.max(80, columns));
    }
    expect((await lines(['sessions'], 80)).join()).not.toContain(long.service);
    const wide = (await lines(['sessions', '--wide'], 80)).join();
    expect(wide).toContain(long.service);
    expect(wide).toContain('DESTINATION');
  });

  it('close sessions, and fail naming those that are not open', async () => {
    await serveEngine({}, emptyState({ sessions: { ses_1: session } }));
    expect((await culvert(['session', 'close', 'ses_1', '--state', state])).out).toBe('closed ses_1\n');
    const again = await culvert(['session', 'close', 'ses_1', '--state', state, '--json']);
    expect(again.code).toBe(1);
    expect(JSON.parse(again.err)).toMatchObject({
      error: { code: 'session.unknown', details: { missing: ['ses_1'] } },
    });
  });

  it('say the steps of why, and fail where it is not reachable', async () => {
    await serveEngine({
      service: {
        why: ({ destination }) => ({
          destination,
          reachable: false,
          steps: [
            { step: 'name', outcome: 'pass', text: 'claimed by web' },
            { step: 'posture', outcome: 'fail', text: 'a program must run', next: 'start it' },
          ],
        }),
      },
    });
    const ran = await culvert(['why', 'web.dark:80', '--state', state]);
    expect(ran.code).toBe(1);
    expect(ran.out).toContain('web.dark:80 is not reachable: a program must run');
    expect(ran.out).toMatch(/✗ posture\s+a program must run\n\s+start it/);
  });

  it('tell the whole reach of one program, and need a destination or a program', async () => {
    const answers: Record<string, WhyView> = {
      web: { destination: 'web', reachable: true, service: 'web', identity: 'agent', steps: [] },
      plc: {
        destination: 'plc',
        reachable: false,
        steps: [{ step: 'identity', outcome: 'fail', text: 'not lent', next: 'bind it' }],
      },
    };
    const service = { identity: 'laptop', permissions: ['Dial'] } as const;
    await serveEngine({
      service: {
        list: () =>
          [
            { ...service, name: 'web' },
            { ...service, name: 'plc' },
            { ...service, name: 'box', permissions: ['Bind'] },
          ] as never,
        why: ({ destination }) => answers[destination] as WhyView,
      },
    });
    const ran = await culvert(['why', '--app', 'helper', '--state', state]);
    expect(ran.code).toBe(0);
    expect(ran.out).toContain('helper reaches 1 of 2 services');
    expect(ran.out).toMatch(/plc +no +– +not lent/);
    expect(ran.out).toMatch(/web +yes +agent/);
    const json = JSON.parse((await culvert(['why', '--app', 'helper', '--json', '--state', state])).out) as unknown;
    expect(json).toEqual({
      app: 'helper',
      services: [
        { service: 'plc', reachable: false, reason: 'not lent', next: 'bind it' },
        { service: 'web', reachable: true, identity: 'agent' },
      ],
    });
    expect((await culvert(['why', '--state', state])).code).toBe(2);
    answers['web'] = { destination: 'web', reachable: false, steps: [] };
    expect((await culvert(['why', '--app', 'helper', '--state', state])).code).toBe(1);
  });

  it('tell contracts and rules as they would be written, not as a program keeps them', async () => {
    const contract = { service: 'plc', identity: 'me', origin: 'controller', guard: 'modbus', onViolation: 'close' };
    await serveEngine({
      policy: {
        show: () =>
          ({
            contracts: [{ ...contract, terms: { maxSessions: 2, modbus: { allow: 'read' } } }],
            localRules: [{ id: 'night', file: 'a.cedar', effect: 'forbid', text: 'forbid (\n  principal);' }],
            errors: [],
            posture: [],
          }) as never,
      },
    });
    const { out } = await culvert(['policy', 'explain', '--state', state]);
    expect(out).toContain(
      'contract  plc as me (controller, on violation: close)\n          maxSessions: 2\n          modbus:\n            allow: read\n',
    );
    expect(out).toContain('forbid    night (a.cedar)\n          forbid (\n            principal);\n');
  });

  it('show calls as who called what, with what, decided by which rule', async () => {
    const call = { seq: 4, at: '2026-01-02T03:04:05.000Z', kind: 'call', service: 'docs', method: 'tools/call' };
    await serveEngine({
      audit: {
        search: (query) => {
          expect(query).toMatchObject({ kind: 'call', agent: 'beta' });
          const rule = 'contract:mcp.deny delete_*';
          return [
            { ...call, agent: 'beta', tool: 'delete_user', decision: 'deny', rule, arguments: { id: 1 } },
            {
              ...call,
              agent: 'beta',
              tool: 'search',
              decision: 'allow',
              rule: 'r',
              digest: 'ab'.repeat(32),
              durationMs: 7,
            },
          ];
        },
      },
    });
    const { out } = await culvert(['audit', 'calls', '--agent', 'beta', '--wide', '--state', state]);
    expect(out).toMatch(/beta +docs +delete_user +{"id":1} +deny +contract:mcp\.deny delete_\*/);
    expect(out).toMatch(/beta +docs +search +sha256:abababababab +allow +r +7/);
  });

  it('watch sessions until told to stop, a JSON line each', async () => {
    const engine = await serveEngine({}, emptyState({ sessions: { ses_1: session } }));
    const abort = new AbortController();
    let out = '';
    const running = runCommandLine(['sessions', '--watch', '--json', '--state', state], {
      programs: noPrograms,
      terminal: {
        env: {},
        outIsTty: false,
        errIsTty: false,
        inIsTty: false,
        columns: 100,
        out: (text) => (out += text),
        err: () => undefined,
        readInput: () => Promise.resolve(''),
        payload: () => Promise.resolve(),
        inputLines: () => linesOf(''),
        ask: () => Promise.resolve(undefined),
        askSecret: () => Promise.resolve(''),
      },
      signal: abort.signal,
    });
    const lines = (): { id: string; state: string }[] =>
      out
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as { id: string; state: string });
    await until(() => lines().length === 1);
    await until(() => engine.calls.some((call) => call.name === 'state.changes'));
    engine.push({ kind: 'session-changed', key: 'ses_2', value: { ...session, id: 'ses_2' } });
    await until(() => lines().length === 2);
    engine.skip(); // a gap: everything is shown anew, nothing is missed
    engine.push({ kind: 'session-changed', key: 'ses_3', value: { ...session, id: 'ses_3' } });
    engine.push({ kind: 'session-changed', key: 'ses_4', value: { ...session, id: 'ses_4' } });
    await until(() => lines().some((line) => line.id === 'ses_4'));
    expect(lines().map((line) => line.id)).toContain('ses_3');
    abort.abort();
    expect(await running).toBe(0);
  });
});

it('every verb has an example that is a line of that verb, with options it has', async () => {
  const program = JSON.parse((await culvert(['manual', '--json'])).out) as VerbNode;
  const verbs = everyVerb(program).filter(({ path }) => path !== '');
  expect(verbs.length).toBeGreaterThan(80);
  expect(verbs.map(({ path }) => path)).not.toContain('agent inside');
  for (const { path, example = '', options, verbs: below } of verbs) {
    const own = example.split(' -- ')[0] ?? '';
    expect(` ${own} `, path).toMatch(new RegExp(`\\bculvert ${path}\\b`));
    if (below.length > 0) continue;
    for (const flag of own.match(/ --[a-z-]+/g) ?? []) {
      expect(
        options.map(({ long }) => long),
        example,
      ).toContain(flag.trim());
    }
    expect((await culvert([...path.split(' '), '--help'])).out, path).toContain(`Example:\n  $ ${example}`);
  }
  expect(Object.keys(examples).filter((path) => !verbs.some((verb) => verb.path === path))).toEqual([]);
});

describe('run', () => {
  it.each([
    [[], ''],
    [[{ service: 'db', port: 5432 }], '  forwards  db on port 5432\n'],
  ])('says where the engine can be reached, with forwards %j', async (forwards, told) => {
    const ready = { mode: 'proxy', modeReason: 'asked for', socket: '/s', state, proxy: '127.0.0.1:1080', forwards };
    const runEngine: Backends['runEngine'] = () =>
      Promise.resolve({ ready, stopped: Promise.resolve(), [Symbol.asyncDispose]: () => Promise.resolve() });
    const ran = await culvert(['run', '--state', state], { programs: { runEngine } });
    expect(ran.out).toBe(
      `The engine is up. Ctrl-C stops it.\n  mode      proxy (asked for)\n  proxy     127.0.0.1:1080\n${told}  socket    /s\n`,
    );
  });
});

describe('enroll', () => {
  it('names the identity after the token file, and asks twice for a passphrase that is needed', async () => {
    const token = join(state, 'field-laptop.jwt');
    await writeFile(token, 'eyJ.x.y\n');
    const requests: { name?: string | undefined; passphrase?: string | undefined; source: string }[] = [];
    await serveEngine({
      identity: {
        enroll: (request) => {
          requests.push(request);
          if (request.passphrase === undefined) throw new TunnelerError('identity.passphrase_missing', 'needed');
          return { ...identity, name: request.name ?? '' };
        },
      },
    });
    const ran = await culvert(['enroll', token, '--state', state], { secrets: ['s3cret', 's3cret'] });
    expect(ran.out).toContain('field-laptop is enrolled');
    expect(requests).toEqual([
      { source: 'eyJ.x.y', method: 'token', name: 'field-laptop' },
      { source: 'eyJ.x.y', method: 'token', name: 'field-laptop', passphrase: 's3cret' },
    ]);
    const differing = await culvert(['enroll', token, '--state', state], { secrets: ['a', 'b'] });
    expect(differing.code).toBe(2);
  });

  it('reads the token from standard input, and works without an engine', async () => {
    const seen: unknown[] = [];
    const ran = await culvert(['enroll', '-', '--name', 'box', '--state', state, '--json'], {
      input: 'eyJ.a.b\n',
      programs: {
        readPassphrase: () => Promise.resolve('from credential'),
        openIdentities: () =>
          Promise.resolve({
            enroll: (request) => {
              seen.push(request);
              return Promise.resolve({ ...identity, name: 'box' });
            },
            list: () => Promise.resolve([]),
            setEnabled: () => Promise.resolve(),
            export: () => Promise.resolve('{}'),
            remove: () => Promise.resolve(),
          }),
      },
    });
    expect(ran.code).toBe(0);
    expect(JSON.parse(ran.out)).toMatchObject({ name: 'box', keystore: 'file' });
    expect(seen).toEqual([{ source: 'eyJ.a.b', method: 'token', name: 'box', passphrase: 'from credential' }]);
  });
});

describe('audit verify', () => {
  it('works without an engine, exits 1 and names the first bad record', async () => {
    const ran = await culvert(['audit', 'verify', '--state', state, '--json'], {
      programs: {
        verifyAudit: () =>
          Promise.resolve({
            ok: false,
            count: 6,
            gaps: 0,
            checkpoints: 0,
            signers: [],
            firstBad: { seq: 7, file: 'audit-0000000001.jsonl', reason: 'its content was altered' },
          }),
      },
    });
    expect(ran.code).toBe(1);
    expect(JSON.parse(ran.out)).toMatchObject({ ok: false, firstBad: { seq: 7 } });
  });
});

async function* linesOf(text: string): AsyncGenerator<string> {
  await Promise.resolve();
  yield* text.split('\n').filter((line) => line !== '');
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500 && !condition(); turn++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(condition()).toBe(true);
}
