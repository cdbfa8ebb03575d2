/** MCP clients and where each keeps its servers. Found by what each client's own `mcp add` writes and `mcp list` reads. */
import { join } from 'node:path';

/** Somebody's home, working directory and environment. */
export interface Place {
  readonly home: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
}

/** How a client starts an MCP server on standard streams. */
export interface ServerEntry {
  readonly command: string;
  readonly args: readonly string[];
}

/** An MCP client: where its settings are and how they are written. */
export interface ClientKind {
  readonly name: string;
  readonly format: 'json' | 'toml';
  /** Its file for a person, whatever they work on. */
  readonly user: (place: Place) => string;
  /** Its file for one project; absent where there is none. */
  readonly project?: (place: Place) => string;
  /** Key under which the servers stand, in one piece even where it holds dots. */
  readonly key: string;
  /** An entry in its words. */
  readonly entry: (entry: ServerEntry) => Readonly<Record<string, unknown>>;
}

const plain = ({ command, args }: ServerEntry): Readonly<Record<string, unknown>> => ({ command, args });
const typed =
  (type: string, more: Readonly<Record<string, unknown>> = {}) =>
  ({ command, args }: ServerEntry): Readonly<Record<string, unknown>> => ({ type, command, args, ...more });

const xdg = ({ home, env }: Place, ...names: string[]): string =>
  join(env['XDG_CONFIG_HOME'] ?? join(home, '.config'), ...names);

/** Where applications keep what is theirs on each platform. */
function applicationData(place: Place, ...names: string[]): string {
  const { home, env, platform } = place;
  if (platform === 'darwin') return join(home, 'Library', 'Application Support', ...names);
  if (platform === 'win32') return join(env['APPDATA'] ?? join(home, 'AppData', 'Roaming'), ...names);
  return xdg(place, ...names);
}

/** Every client whose settings can be written. */
export const clientKinds: readonly ClientKind[] = [
  {
    name: 'claude-code',
    format: 'json',
    key: 'mcpServers',
    user: ({ home, env }) => join(env['CLAUDE_CONFIG_DIR'] ?? home, '.claude.json'),
    project: ({ cwd }) => join(cwd, '.mcp.json'),
    entry: typed('stdio', { env: {} }),
  },
  {
    name: 'claude-desktop',
    format: 'json',
    key: 'mcpServers',
    user: (place) => applicationData(place, 'Claude', 'claude_desktop_config.json'),
    entry: plain,
  },
  {
    name: 'codex',
    format: 'toml',
    key: 'mcp_servers',
    user: ({ home, env }) => join(env['CODEX_HOME'] ?? join(home, '.codex'), 'config.toml'),
    entry: plain,
  },
  {
    name: 'gemini-cli',
    format: 'json',
    key: 'mcpServers',
    user: ({ home }) => join(home, '.gemini', 'settings.json'),
    project: ({ cwd }) => join(cwd, '.gemini', 'settings.json'),
    entry: plain,
  },
  {
    name: 'qwen-code',
    format: 'json',
    key: 'mcpServers',
    user: ({ home }) => join(home, '.qwen', 'settings.json'),
    project: ({ cwd }) => join(cwd, '.qwen', 'settings.json'),
    entry: plain,
  },
  {
    name: 'copilot-cli',
    format: 'json',
    key: 'mcpServers',
    user: ({ home, env }) => join(env['COPILOT_HOME'] ?? join(home, '.copilot'), 'mcp-config.json'),
    project: ({ cwd }) => join(cwd, '.github', 'mcp.json'),
    entry: typed('local', { tools: ['*'] }),
  },
  {
    name: 'opencode',
    format: 'json',
    key: 'mcp',
    user: (place) => xdg(place, 'opencode', 'opencode.json'),
    project: ({ cwd }) => join(cwd, 'opencode.json'),
    entry: ({ command, args }) => ({ type: 'local', command: [command, ...args], enabled: true }),
  },
  {
    name: 'amp',
    format: 'json',
    key: 'amp.mcpServers',
    user: (place) => xdg(place, 'amp', 'settings.json'),
    project: ({ cwd }) => join(cwd, '.amp', 'settings.json'),
    entry: plain,
  },
  {
    name: 'auggie',
    format: 'json',
    key: 'mcpServers',
    user: ({ home }) => join(home, '.augment', 'settings.json'),
    entry: typed('stdio', { env: {} }),
  },
  {
    name: 'cursor',
    format: 'json',
    key: 'mcpServers',
    user: ({ home }) => join(home, '.cursor', 'mcp.json'),
    project: ({ cwd }) => join(cwd, '.cursor', 'mcp.json'),
    entry: plain,
  },
  {
    name: 'windsurf',
    format: 'json',
    key: 'mcpServers',
    user: ({ home }) => join(home, '.codeium', 'windsurf', 'mcp_config.json'),
    entry: plain,
  },
  {
    name: 'vscode',
    format: 'json',
    key: 'servers',
    user: (place) => applicationData(place, 'Code', 'User', 'mcp.json'),
    project: ({ cwd }) => join(cwd, '.vscode', 'mcp.json'),
    entry: typed('stdio'),
  },
];

/** Other names that people have for them. */
export const clientAliases: Readonly<Record<string, string>> = {
  claude: 'claude-code',
  gemini: 'gemini-cli',
  qwen: 'qwen-code',
  copilot: 'copilot-cli',
  code: 'vscode',
};
