/** `culvert mcp config` in the settings of today's clients: edited in place, everything else kept, taken out again without a trace. */
import { lstat, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse as parseToml } from '@decimalturn/toml-patch';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { changeClientConfig } from '../../main/cli/mcp/client-config.ts';
import { clientKinds, type ClientKind } from '../../main/cli/mcp/client-kinds.ts';
import { culvert, culvertJson } from '../support/culvert.ts';
import { isUnix, keepsModes } from '../support/modes.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'culvert-clients-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

const entry = { command: '/usr/bin/node', args: ['/opt/culvert.mjs', 'mcp', 'serve'] };
const add = { add: { culvert: entry }, remove: () => false };
const remove = { add: {}, remove: (name: string) => name === 'culvert' };
const place = () => ({ home, cwd: home, env: {}, platform: 'linux' as const });
const kindOf = (name: string): ClientKind => {
  const kind = clientKinds.find((one) => one.name === name);
  if (kind === undefined) throw new Error(name);
  return kind;
};
const written = async (kind: ClientKind): Promise<Record<string, Record<string, unknown>>> => {
  const text = await readFile(kind.user(place()), 'utf8');
  return (kind.format === 'toml' ? parseToml(text) : JSON.parse(text)) as Record<string, Record<string, unknown>>;
};

describe('every client', () => {
  const expected: Readonly<Record<string, readonly [file: string, key: string, entry: object]>> = {
    'claude-code': ['.claude.json', 'mcpServers', { type: 'stdio', ...entry }],
    codex: ['.codex/config.toml', 'mcp_servers', entry],
    'gemini-cli': ['.gemini/settings.json', 'mcpServers', entry],
    'qwen-code': ['.qwen/settings.json', 'mcpServers', entry],
    'copilot-cli': ['.copilot/mcp-config.json', 'mcpServers', { type: 'local', ...entry, tools: ['*'] }],
    opencode: [
      '.config/opencode/opencode.json',
      'mcp',
      { type: 'local', command: [entry.command, ...entry.args], enabled: true },
    ],
    amp: ['.config/amp/settings.json', 'amp.mcpServers', entry],
    auggie: ['.augment/settings.json', 'mcpServers', { type: 'stdio', ...entry }],
    cursor: ['.cursor/mcp.json', 'mcpServers', entry],
    vscode: ['.config/Code/User/mcp.json', 'servers', { type: 'stdio', ...entry }],
  };
  for (const [name, [file, key, shape]] of Object.entries(expected)) {
    test(`${name} finds it where it looks, in its own words, and loses it again`, async () => {
      const kind = kindOf(name);
      const path = kind.user(place());
      expect(path).toBe(join(home, file));
      expect(await changeClientConfig(kind, path, add)).toMatchObject({ added: ['culvert'], removed: [] });
      expect((await written(kind))[key]?.['culvert']).toMatchObject(shape);
      if (keepsModes) expect((await stat(path)).mode & 0o777).toBe(0o600);
      await changeClientConfig(kind, path, add);
      expect(await changeClientConfig(kind, path, remove)).toMatchObject({ removed: ['culvert'] });
      expect((await written(kind))[key] ?? {}).toEqual({});
    });
  }
});

const jsonc = `{
    // the theme stays
    "theme": "dark",
    "mcpServers": {
        "other": { "command": "o", "args": [] }, // and this
    },
}
`;

test.runIf(isUnix)(
  'comments, order, indentation, mode and links stay, and removal leaves the very same text',
  async () => {
    const kind = kindOf('gemini-cli');
    const [path, target] = [kind.user(place()), join(home, 'dotfiles', 'settings.json')];
    await mkdir(dirname(path), { recursive: true });
    await mkdir(dirname(target));
    await writeFile(target, jsonc, { mode: 0o640 });
    await symlink(target, path);
    expect(await changeClientConfig(kind, path, add)).toMatchObject({ file: target });
    const text = await readFile(target, 'utf8');
    for (const line of ['// the theme stays', '"theme": "dark"', '// and this', '"culvert": {'])
      expect(text).toContain(line);
    expect(text).toMatch(/^ {8}"culvert"/m);
    expect((await lstat(path)).isSymbolicLink()).toBe(true);
    if (keepsModes) expect((await stat(target)).mode & 0o777).toBe(0o640);
    await changeClientConfig(kind, path, remove);
    const back = await readFile(target, 'utf8');
    for (const line of ['// the theme stays', '"other"', '// and this']) expect(back).toContain(line);
    expect(back).not.toContain('culvert');
  },
);

const toml = `# mine
model = "m" # best

[mcp_servers.other] # keep
command = "x"
args = ["a",
  "b", # second
]

[profiles.a]
x = 1
`;

test('TOML keeps its comments and tables, and is the very same after removal', async () => {
  const kind = kindOf('codex');
  const path = kind.user(place());
  await mkdir(dirname(path));
  await writeFile(path, toml);
  await changeClientConfig(kind, path, { add: { culvert: entry, 'a.b': entry }, remove: () => false });
  const text = await readFile(path, 'utf8');
  expect(text.startsWith(toml)).toBe(true);
  expect(text).toContain('[mcp_servers.culvert]\ncommand = "/usr/bin/node"');
  expect((await written(kind))['mcp_servers']).toMatchObject({ other: { command: 'x' }, culvert: entry, 'a.b': entry });
  await changeClientConfig(kind, path, { add: {}, remove: (name) => name !== 'other' });
  expect((await readFile(path, 'utf8')).trimEnd()).toBe(toml.trimEnd());
});

test('an entry that is there is replaced, not doubled', async () => {
  const kind = kindOf('codex');
  const path = kind.user(place());
  await mkdir(dirname(path));
  await writeFile(path, `${toml}\n[mcp_servers.culvert]\ncommand = "old"\nargs = []\nenv = { A = "1" }\n`);
  await changeClientConfig(kind, path, add);
  expect((await readFile(path, 'utf8')).match(/mcp_servers\.culvert/g)).toHaveLength(1);
  expect((await written(kind))['mcp_servers']?.['culvert']).toEqual(entry);
});

for (const [name, broken] of [
  ['cursor', '{ "mcpServers": { '],
  ['cursor', '[]'],
  ['cursor', '{ "mcpServers": [] }'],
  ['codex', 'model = \n[x'],
] as const) {
  test(`${name}: a file that cannot be understood is left as it is: ${JSON.stringify(broken)}`, async () => {
    const kind = kindOf(name);
    const path = kind.user(place());
    await mkdir(dirname(path));
    await writeFile(path, broken);
    await expect(changeClientConfig(kind, path, add)).rejects.toMatchObject({ code: 'base.invalid' });
    expect(await readFile(path, 'utf8')).toBe(broken);
  });
}

test('as a verb: one entry for all by default, one a service where named, other programs left alone', async () => {
  const env = { HOME: home, XDG_CONFIG_HOME: join(home, '.config') };
  const state = ['--state', join(home, 'state')];
  const printed = await culvertJson<{ mcpServers: Record<string, { args: string[] }> }>(['mcp', 'config', ...state], {
    env,
  });
  expect(printed.mcpServers['culvert']?.args.slice(1, 3)).toEqual(['mcp', 'serve']);
  await mkdir(join(home, '.cursor'));
  await writeFile(join(home, '.cursor/mcp.json'), '{"mcpServers":{"other":{"command":"o","args":["mcp","serve"]}}}');
  const config = (...args: string[]) =>
    culvertJson<object>(['mcp', 'config', ...args, '--client', 'cursor', ...state], { env });
  expect(await config()).toMatchObject({ client: 'cursor', added: ['culvert'] });
  expect(await config('notes')).toMatchObject({ added: ['notes'] });
  expect(await config('--remove')).toMatchObject({ removed: ['culvert', 'notes'] });
  expect(await written(kindOf('cursor'))).toEqual({ mcpServers: { other: { command: 'o', args: ['mcp', 'serve'] } } });
  expect((await culvert(['mcp', 'config', '--client', 'nobody', ...state], { env })).code).toBe(2);
});
