import { describe, expect, it } from 'vitest';
import { darwinAncestry } from '../../main/apps/ancestry.ts';
import { createDarwinAppFinder, parseLsof, parseTeam } from '../../main/apps/app-finder.darwin.ts';
import {
  createWindowsAppFinder,
  parseNetstat,
  parseProcesses,
  splitCommand,
} from '../../main/apps/app-finder.windows.ts';
import type { App, AppFinder } from '../../main/apps/app.ts';
import { interpreterScript } from '../../main/apps/interpreter-script.ts';
import { knownAgents } from '../../main/apps/known-agents.ts';
import { recogniseAgents } from '../../main/apps/open-app-finder.ts';
import { findBehind, programBehind } from '../../main/apps/program-behind.ts';
import { agentRules, recognise } from '../../main/apps/recognise.ts';
import type { RunCommand } from '../../main/apps/run-command.ts';
import { silentLog } from '../../main/base/log.ts';
import { ManualClock } from '../support/manual-clock.ts';

const app = (fields: Partial<App>): App => ({ attribution: 'exact', parents: [], ...fields });
const none = agentRules();
const agentOf = (fields: Partial<App>): string | undefined => recognise(app(fields), none)?.agent;

describe('known agents', () => {
  it.each([
    ['claude-code', { path: '/usr/bin/node', script: '/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js' }],
    ['claude-code', { path: '/home/ann/.local/share/claude/versions/2.0.14' }],
    ['codex', { path: '/usr/lib/node_modules/@openai/codex/vendor/x86_64/codex/codex' }],
    ['gemini-cli', { path: '/usr/bin/node', script: '/usr/lib/node_modules/@google/gemini-cli/dist/index.js' }],
    ['goose', { path: '/home/ann/.local/bin/goose' }],
    ['aider', { path: '/usr/bin/python3.12', script: '/home/ann/.local/bin/aider' }],
    ['aider', { path: '/usr/bin/python3.12', script: 'module:aider' }],
    ['cursor', { path: '/Applications/Cursor.app/Contents/MacOS/Cursor' }],
    ['windsurf', { path: 'C:\\Users\\ann\\AppData\\Local\\Programs\\Windsurf\\Windsurf.exe' }],
    ['vscode', { path: '/usr/share/code/code' }],
    ['vscode', { path: 'C:\\Program Files\\Microsoft VS Code\\Code.exe' }],
    ['zed', { path: '/home/ann/.local/zed.app/libexec/zed-editor' }],
    ['ollama', { path: '/usr/local/bin/ollama' }],
    ['lm-studio', { path: '/Applications/LM Studio.app/Contents/MacOS/LM Studio' }],
    ['copilot-cli', { path: '/usr/bin/node', script: '/usr/lib/node_modules/@github/copilot/index.js' }],
    ['cline', { path: '/usr/bin/node', script: '/usr/lib/node_modules/cline/cli.js' }],
    ['continue', { path: '/usr/bin/node', script: '/usr/lib/node_modules/@continuedev/cli/dist/cn.js' }],
  ] as const)('%s is recognised in %o', (name, fields) => {
    expect(agentOf(fields)).toBe(name);
  });

  it('leave other programs alone', () => {
    for (const path of [
      '/usr/bin/curl',
      '/usr/bin/node',
      '/usr/bin/python3',
      '/usr/bin/ssh',
      '/opt/claudette/bin/run',
    ]) {
      expect(agentOf({ path })).toBeUndefined();
    }
    expect(recognise(app({}), none)).toBeUndefined();
  });

  it('include what an agent starts, but not what a person starts in an editor', () => {
    const claude = { pid: 7, path: '/usr/bin/node', script: '/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js' };
    const shell = { pid: 8, path: '/usr/bin/bash' };
    expect(recognise(app({ path: '/usr/bin/curl', parents: [shell, claude] }), none)).toEqual({
      agent: 'claude-code',
      identity: undefined,
      rule: 'known:claude-code',
      byParent: 7,
    });
    expect(
      agentOf({ path: '/usr/bin/curl', parents: [shell, { pid: 9, path: '/usr/share/code/code' }] }),
    ).toBeUndefined();
  });

  it('have names and patterns that can match, in lower case', () => {
    expect(new Set(knownAgents.map(({ name }) => name)).size).toBe(knownAgents.length);
    for (const { paths } of knownAgents) for (const path of paths) expect(path).toBe(path.toLowerCase());
  });
});

describe('agents bound by settings', () => {
  it('come before the known ones, and need every condition', () => {
    const rules = agentRules({
      reviewer: { path: '/opt/agents/*/run', user: ['ann', '1002'], identity: 'reviewer-id' },
      jailed: { cgroup: '/agents.slice/**' },
      child: { parent: '**/supervisor', path: '**/worker' },
      mine: { path: '**/bin/goose' },
    });
    const named = (fields: Partial<App>): string | undefined => recognise(app(fields), rules)?.agent;
    expect(recognise(app({ path: '/opt/agents/a/run', user: 'ann' }), rules)).toEqual({
      agent: 'reviewer',
      identity: 'reviewer-id',
      rule: 'agents.reviewer',
    });
    expect(named({ path: '/opt/agents/a/run', uid: 1002 })).toBe('reviewer');
    expect(named({ path: '/opt/agents/a/run', user: 'bob', uid: 1003 })).toBeUndefined();
    expect(named({ path: '/opt/agents/a/b/run', user: 'ann' })).toBeUndefined();
    expect(named({ path: '/bin/x', cgroup: '/agents.slice/one/two' })).toBe('jailed');
    expect(
      named({
        path: '/x/worker',
        parents: [
          { pid: 2, path: '/bin/sh' },
          { pid: 1, path: '/x/supervisor' },
        ],
      }),
    ).toBe('child');
    expect(named({ path: '/x/worker' })).toBeUndefined();
    expect(named({ path: '/usr/bin/goose' })).toBe('mine');
  });

  it('hold for what they start, the nearest ancestor first', () => {
    const rules = agentRules({ outer: { path: '/x/outer' }, inner: { path: '/x/inner' } });
    const parents = [
      { pid: 4, path: '/bin/sh' },
      { pid: 3, path: '/x/inner' },
      { pid: 2, path: '/x/outer' },
    ];
    expect(recognise(app({ path: '/usr/bin/curl', parents }), rules)).toMatchObject({ agent: 'inner', byParent: 3 });
    expect(recognise(app({ path: '/x/outer', parents }), rules)?.agent).toBe('outer');
  });

  it('name what a program changed in, where it is still where it was bound', () => {
    const hash = 'ab'.repeat(32);
    const image = `sha256:${hash}`;
    const rules = agentRules({
      hashed: { path: '/x/agent', hash },
      boxed: { cgroup: '/boxes/*', image },
      packaged: { path: '/x/packaged', signer: ['deb:agent', 'rpm:agent'] },
      scripted: { path: '/x/agent.py', hash },
    });
    expect(recognise(app({ path: '/x/agent', hash }), rules)).not.toHaveProperty('drift');
    expect(recognise(app({ path: '/x/agent', hash: 'cd'.repeat(32) }), rules)).toMatchObject({ drift: 'hash' });
    // What cannot be read proves nothing.
    expect(recognise(app({ path: '/x/agent' }), rules)).toMatchObject({ agent: 'hashed', drift: 'hash' });
    const script = { path: '/usr/bin/python3', script: '/x/agent.py', hash: 'cd'.repeat(32) };
    expect(recognise(app({ ...script, scriptHash: hash }), rules)).not.toHaveProperty('drift');
    expect(recognise(app({ ...script, scriptHash: 'cd'.repeat(32) }), rules)).toMatchObject({ drift: 'hash' });
    const boxed = { path: '/srv/app', cgroup: '/boxes/one' };
    expect(recognise(app({ ...boxed, images: [image] }), rules)).not.toHaveProperty('drift');
    expect(recognise(app(boxed), rules)).toMatchObject({ agent: 'boxed', drift: 'image' });
    const packaged = { pid: 3, path: '/x/packaged', signer: 'deb:agent' };
    expect(recognise(app(packaged), rules)).not.toHaveProperty('drift');
    expect(recognise(app({ ...packaged, signer: 'deb:other' }), rules)).toMatchObject({ drift: 'signer' });
    // What it starts is its own, and as good as it is.
    const started = (signer: object): App =>
      app({ path: '/usr/bin/curl', parents: [{ pid: 3, path: '/x/packaged', ...signer }] });
    expect(recognise(started({ signer: 'deb:agent' }), rules)).not.toHaveProperty('drift');
    expect(recognise(started({}), rules)).toMatchObject({ agent: 'packaged', drift: 'signer' });
  });

  it('by a place that holds them, or a namespace of their own, come before those by a name', () => {
    const rules = agentRules({ named: { path: '/x/agent' }, placed: { cgroup: '/boxes/*' } });
    expect(recognise(app({ path: '/x/agent', cgroup: '/boxes/one' }), rules)?.agent).toBe('placed');
    const proven = app({ path: '/x/agent', cgroup: '/boxes/one', proven: 'started' });
    expect(recognise(proven, rules)).toEqual({ agent: 'started', identity: undefined, rule: 'run:started' });
  });

  it('match hashes in any case, of the program or its ancestors, and say that hashes are needed', () => {
    const hash = 'ab'.repeat(32);
    const rules = agentRules({ exact: { hash: hash.toUpperCase() }, signed: { signer: 'TEAM1' } });
    expect([rules.needsIdentify, rules.needsSigners]).toEqual([true, true]);
    expect(agentRules({ exact: { hash } }).needsSigners).toBe(false);
    expect(agentRules({ plain: { path: '/x' } }).needsIdentify).toBe(false);
    expect(recognise(app({ path: '/x', hash }), rules)?.agent).toBe('exact');
    expect(recognise(app({ path: '/y', parents: [{ pid: 1, path: '/x', hash }] }), rules)?.agent).toBe('exact');
    expect(recognise(app({ path: '/x', signer: 'TEAM1' }), rules)?.agent).toBe('signed');
    const signed = [{ pid: 1, path: '/x', signer: 'TEAM1' }];
    expect(recognise(app({ path: '/y', parents: signed }), rules)?.agent).toBe('signed');
    expect(recognise(app({ path: '/x' }), rules)).toBeUndefined();
  });

  it('have executables read only where some rule looks at hashes', async () => {
    let identified = 0;
    const finder: AppFinder = {
      find: () => Promise.resolve(app({ pid: 1, path: '/x' })),
      identify: (found) => {
        identified += 1;
        return Promise.resolve({ ...found, hash: 'ab'.repeat(32) });
      },
    };
    const plain = agentRules({ one: { path: '/x' } });
    expect(await recogniseAgents(finder, () => plain).find(flow)).toMatchObject({ agent: 'one' });
    expect(identified).toBe(0);
    expect(
      await recogniseAgents(
        finder,
        () => plain,
        () => true,
      ).find(flow),
    ).toHaveProperty('hash');
    expect((await recogniseAgents(finder, () => agentRules({ two: { hash: 'ab'.repeat(32) } })).find(flow)).agent).toBe(
      'two',
    );
    expect(identified).toBe(2);
  });

  it('without any condition match nothing', () => {
    expect(recognise(app({ path: '/x', user: 'ann' }), agentRules({ empty: { identity: 'i' } }))).toBeUndefined();
  });
});

describe('the script of an interpreter', () => {
  it.each([
    ['/usr/bin/node', ['node', '--no-warnings', '-r', 'ts', 'app.js', '--port', '1'], 'app.js'],
    ['/usr/bin/node', ['node', '--import=x', '/a/b.mjs'], '/a/b.mjs'],
    ['/usr/bin/node', ['node', '-e', 'code', 'x.js'], undefined],
    ['/usr/bin/python3.12', ['python3', '-u', '-m', 'aider', 'x.py'], 'module:aider'],
    ['/usr/bin/python3', ['python3', '-W', 'ignore', 'tool.py'], 'tool.py'],
    ['/usr/bin/bash', ['bash', '-eu', 'run.sh'], 'run.sh'],
    ['/usr/bin/bash', ['bash', '-c', 'curl x'], undefined],
    ['/usr/bin/deno', ['deno', 'run', '--allow-net', 'main.ts'], 'main.ts'],
    ['/usr/bin/java', ['java', '-Xmx1g', '-jar', 'agent.jar'], 'agent.jar'],
    ['C:\\Program Files\\nodejs\\node.exe', ['node', 'C:\\x\\cli.js'], 'C:\\x\\cli.js'],
    ['/usr/bin/curl', ['curl', 'x.js'], undefined],
    ['/usr/bin/node', ['node'], undefined],
  ] as const)('%s %o', (path, argv, script) => {
    expect(interpreterScript(path, argv)).toBe(script);
  });
});

/** Answers commands by their first words, and keeps what was run. */
function recorder(
  answers: Record<string, string>,
  errors: Record<string, string> = {},
): { run: RunCommand; ran: string[] } {
  const ran: string[] = [];
  const run: RunCommand = (file, args) => {
    const line = `${file} ${args.join(' ')}`;
    ran.push(line);
    const key = Object.keys(answers).find((start) => line.startsWith(start));
    return Promise.resolve({
      ok: key !== undefined,
      stdout: key === undefined ? '' : (answers[key] ?? ''),
      stderr: Object.entries(errors).find(([start]) => line.startsWith(start))?.[1] ?? '',
    });
  };
  return { run, ran };
}

const flow = {
  protocol: 'tcp',
  source: { address: '127.0.0.1', port: 50_000 },
  via: { address: '127.0.0.1', port: 1080 },
  destination: { hostname: 'x.dark', port: 80 },
} as const;

describe('macOS', () => {
  const ps = [
    '  1     0     0 root             /sbin/launchd',
    ' 40     1   501 ann   /Applications/Claude.app/Contents/MacOS/Claude',
    ` 41    40   501 ann              ${process.execPath}`,
  ].join('\n');
  /** What the kernel says runs there. */
  const kernel = {
    processChain: (pid: number) =>
      [
        { pid: 41, parent: 40, start: '1764492302000000', path: process.execPath },
        { pid: 40, parent: 1, start: '1764492301000000', path: '/Applications/Claude.app/Contents/MacOS/Claude' },
        { pid: 1, parent: 0, path: '/sbin/launchd' },
      ].slice(pid === 41 ? 0 : 1),
  };

  it('asks lsof for the socket, ps for the process, codesign for the signer', async () => {
    const { run, ran } = recorder(
      {
        '/usr/sbin/lsof': 'p41\nf20\nn127.0.0.1:50000->127.0.0.1:1080\np99\nf3\nn127.0.0.1:50000->127.0.0.1:9\n',
        '/bin/ps -axww': ps,
        '/bin/ps -ww': 'node /Users/ann/tool.js\n',
        '/usr/bin/codesign --verify': '',
      },
      { '/usr/bin/codesign': 'Executable=/x\nTeamIdentifier=HX7739G8FX\n' },
    );
    const finder = createDarwinAppFinder({ log: silentLog, clock: new ManualClock(), run, native: kernel });
    const found = await finder.find(flow);
    expect(found).toMatchObject({
      attribution: 'exact',
      pid: 41,
      path: process.execPath,
      script: '/Users/ann/tool.js',
      uid: 501,
      user: 'ann',
      parents: [
        { pid: 40, path: '/Applications/Claude.app/Contents/MacOS/Claude' },
        { pid: 1, path: '/sbin/launchd' },
      ],
    });
    expect(ran).toContain('/usr/sbin/lsof -nP -a -i 4tcp:50000 -F pn');
    expect(await finder.identify(found)).not.toHaveProperty('signer');
    expect((await finder.identify(found, { signers: true })).signer).toBe('HX7739G8FX');
    await finder.find(flow);
    expect(ran.filter((line) => line.startsWith('/bin/ps -axww'))).toHaveLength(1);
  });

  it('takes the kernel’s word for what a program is, whatever that calls itself; without that word nothing is certain', async () => {
    const disguised = ps.replace(process.execPath, '/usr/bin/true').replace(/\/Applications\S+/, '-zsh');
    const answers = {
      '/usr/sbin/lsof': 'p41\nn127.0.0.1:50000->127.0.0.1:1080\n',
      '/bin/ps -axww': disguised,
      '/bin/ps -ww': 'node /Users/ann/tool.js\n',
    };
    const node = '/usr/local/bin/node';
    const itself = {
      processChain: (pid: number) =>
        kernel.processChain(pid).map((one) => (one.pid === 41 ? { ...one, path: node } : one)),
    };
    const given = { log: silentLog, clock: new ManualClock(), run: recorder(answers).run };
    const parents = [
      { pid: 40, path: '/Applications/Claude.app/Contents/MacOS/Claude' },
      { pid: 1, path: '/sbin/launchd' },
    ];
    const seen = await createDarwinAppFinder({ ...given, native: itself }).find(flow);
    expect(seen).toMatchObject({ attribution: 'exact', path: node, parents });
    const claimed = await createDarwinAppFinder(given).find(flow);
    expect(claimed).toMatchObject({ attribution: 'inferred', path: '/usr/bin/true' });
    const text = `p41\nftxt\nn${node}\nftxt\nn/usr/lib/dyld\np40\nftxt\nn${parents[0]?.path ?? ''}\n`;
    const byLsof = recorder({ '/usr/sbin/lsof -nP -a -p 41,40,1 -d txt': text, ...answers });
    const without = createDarwinAppFinder({ ...given, run: byLsof.run });
    expect(await without.find(flow)).toMatchObject({ attribution: 'exact', path: node, parents });
    const caller = await darwinAncestry(recorder(answers).run, itself).read(41);
    expect(caller).toMatchObject({ app: { path: node, parents }, whole: true });
    expect(caller?.chain).toEqual([
      { pid: 41, start: '1764492302000000' },
      { pid: 40, start: '1764492301000000' },
      { pid: 1, start: '/sbin/launchd' },
    ]);
  });

  it('looks again for a program that started after the last listing', async () => {
    const older = recorder({
      '/usr/sbin/lsof': 'p41\nn127.0.0.1:50000->127.0.0.1:1080\n',
      '/bin/ps -axww': ps.slice(0, ps.lastIndexOf('\n')),
    });
    const newer = recorder({ '/bin/ps -axww': ps });
    const run: RunCommand = (file, args, timeoutMs) =>
      (older.ran.some((line) => line.startsWith('/bin/ps')) && file === '/bin/ps' ? newer : older).run(
        file,
        args,
        timeoutMs,
      );
    const finder = createDarwinAppFinder({ log: silentLog, clock: new ManualClock(), run, native: kernel });
    expect(await finder.find(flow)).toMatchObject({ attribution: 'exact', pid: 41 });
  });

  it('says unknown where lsof finds nothing, and inferred where several hold it', async () => {
    const nothing = createDarwinAppFinder({ log: silentLog, clock: new ManualClock(), run: recorder({}).run });
    expect(await nothing.find(flow)).toEqual({ attribution: 'unknown', parents: [] });
    const name = 'n127.0.0.1:50000->127.0.0.1:1080';
    const { run } = recorder({ '/usr/sbin/lsof': `p41\n${name}\np40\n${name}\n`, '/bin/ps -axww': ps });
    const shared = createDarwinAppFinder({ log: silentLog, clock: new ManualClock(), run });
    expect((await shared.find(flow)).attribution).toBe('inferred');
  });

  it('reads what lsof and codesign print', () => {
    const local = { address: '::1', port: 5 };
    expect(parseLsof('p3\nn[::1]:5->[::1]:6\n', local, { address: '::1', port: 6 })).toEqual([3]);
    expect(parseLsof('p3\nn*:5\n', local, undefined)).toEqual([3]);
    expect(parseTeam('TeamIdentifier=not set\n')).toBeUndefined();
  });
});

describe('Windows', () => {
  const processes = JSON.stringify([
    { p: 4, q: 0, t: 1, x: null, c: null, u: 'SYSTEM' },
    { p: 10, q: 4, t: 100, x: 'C:\\Windows\\explorer.exe', c: 'explorer', u: 'ann' },
    {
      p: 20,
      q: 10,
      t: 200,
      x: 'C:\\Program Files\\nodejs\\node.exe',
      c: '"C:\\Program Files\\nodejs\\node.exe" "C:\\x y\\cli.js" go',
      u: 'ann',
      s: 'S-1-5-21-1-2-3-1001',
    },
    { p: 30, q: 20, t: 150, x: 'C:\\orphan.exe', c: 'orphan', u: 'ann' },
  ]);
  const netstat =
    '  Proto  Local Address  Foreign Address  State  PID\n  TCP    127.0.0.1:50000    127.0.0.1:1080    ESTABLISHED    20\n  UDP    0.0.0.0:5353    *:*    30\n';

  it('asks netstat for the process and PowerShell for what it is', async () => {
    const { run, ran } = recorder({ 'netstat.exe -ano -p TCP': netstat, 'powershell.exe': processes });
    const finder = createWindowsAppFinder({ log: silentLog, clock: new ManualClock(), run });
    expect(await finder.find(flow)).toEqual({
      attribution: 'exact',
      pid: 20,
      path: 'C:\\Program Files\\nodejs\\node.exe',
      script: 'C:\\x y\\cli.js',
      uid: 'S-1-5-21-1-2-3-1001',
      user: 'ann',
      parents: [{ pid: 10, path: 'C:\\Windows\\explorer.exe' }],
    });
    await finder.find(flow);
    expect(ran.filter((line) => line.startsWith('powershell.exe'))).toHaveLength(1);
  });

  it('prefers the addon, and does not take a later process for a parent', async () => {
    const { run, ran } = recorder({ 'powershell.exe': processes });
    const native = {
      socketOwner: () => ({ inode: 0, uid: 0, pid: 30 }),
      processChain: () => {
        throw new Error('it cannot look');
      },
    };
    const finder = createWindowsAppFinder({ log: silentLog, clock: new ManualClock(), run, native });
    expect(await finder.find(flow)).toMatchObject({ pid: 30, parents: [] });
    expect(ran.some((line) => line.startsWith('netstat'))).toBe(false);
  });

  it('asks the addon for the process, its account and its parents, and starts no program for that', async () => {
    const { run, ran } = recorder({});
    const sid = 'S-1-5-21-1-2-3-1001';
    const native = {
      socketOwner: () => ({ inode: 0, uid: 0, pid: 20 }),
      processChain: () => [
        {
          pid: 20,
          parent: 10,
          start: '200',
          path: 'C:\\node.exe',
          command: 'node "C:\\x y\\cli.js" go',
          sid,
          user: 'ann',
        },
        { pid: 10, parent: 4, start: '100', path: 'C:\\Windows\\explorer.exe', command: 'explorer', sid, user: 'ann' },
        { pid: 4, parent: 0 },
      ],
    };
    const finder = createWindowsAppFinder({ log: silentLog, clock: new ManualClock(), run, native });
    expect(await finder.find(flow)).toEqual({
      attribution: 'exact',
      pid: 20,
      path: 'C:\\node.exe',
      script: 'C:\\x y\\cli.js',
      uid: sid,
      user: 'ann',
      parents: [{ pid: 10, path: 'C:\\Windows\\explorer.exe' }],
    });
    expect(ran).toEqual([]);
  });

  it('reads what netstat and PowerShell print, and nothing from nonsense', () => {
    expect(parseNetstat(netstat, 'udp', { address: '10.0.0.1', port: 5353 }, undefined)).toBe(30);
    expect(parseNetstat(netstat, 'tcp', { address: '127.0.0.1', port: 1 }, undefined)).toBeUndefined();
    expect(parseProcesses('nonsense').size).toBe(0);
    expect(parseProcesses('{"p":1,"q":0}').size).toBe(1);
    expect(splitCommand('"a b" c  "d"')).toEqual(['a b', 'c', 'd']);
    expect(splitCommand('--x="a b" C:\\y\\ "" "q\\"r" "s\\\\"')).toEqual(['--x=a b', 'C:\\y\\', '', 'q"r', 's\\']);
  });
});

describe('the program behind the MCP bridge', () => {
  const own = { path: '/usr/bin/node', script: '/opt/culvert/culvert.mjs' };
  const claude = { pid: 7, path: '/usr/bin/node', script: '/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js' };
  const shell = { pid: 6, path: '/usr/bin/bash' };
  const connect = app({ ...own, pid: 8, uid: 1000, user: 'ann', parents: [claude, shell] });

  it('is the client that started it, with its own chain, and is recognised as the agent it is', () => {
    const found = programBehind(connect, own);
    expect(found).toEqual({ ...claude, attribution: 'exact', uid: 1000, user: 'ann', parents: [shell] });
    expect(programBehind({ ...connect, attribution: 'inferred' }, own).attribution).toBe('inferred');
    const rules = agentRules({ writer: { identity: 'writer', path: '**/claude-code/cli.js' } });
    expect(recognise(found, rules)).toMatchObject({ agent: 'writer', identity: 'writer' });
  });

  it('is nobody else where another program only looks like the bridge, or its client is gone', () => {
    for (const other of [
      { ...connect, script: '/home/ann/culvert.mjs' },
      { ...connect, path: '/home/ann/bin/node' },
      { ...connect, parents: [{ pid: 1, path: '/usr/lib/systemd/systemd' }] },
      { ...connect, parents: [] },
    ]) {
      expect(programBehind(other, own)).toBe(other);
    }
  });

  it('is looked for only where the bridge comes in', async () => {
    const found = (): Promise<App> => Promise.resolve(connect);
    const finder = findBehind({ find: found, identify: (one) => Promise.resolve(one) }, own);
    const flow = { protocol: 'tcp', source: { address: '127.0.0.1', port: 1 }, destination: { port: 80 } } as const;
    expect((await finder.find({ ...flow, entry: 'socks5' })).pid).toBe(8);
    expect((await finder.find({ ...flow, entry: 'mcp' })).pid).toBe(7);
  });
});
