/** Where MCP clients keep their servers, and our entries among the others there. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { TunnelerError } from '../../base/errors.ts';

export interface ClientKind {
  readonly name: string;
  /** Its file, from a person's home and working directory. */
  readonly file: (home: string, cwd: string, env: Readonly<Record<string, string | undefined>>) => string;
  /** Key under which the servers stand. */
  readonly key: 'mcpServers' | 'servers';
}

/** Clients whose files are JSON and documented by their makers. */
export const clientKinds: readonly ClientKind[] = [
  { name: 'claude-desktop', key: 'mcpServers', file: claudeDesktopFile },
  { name: 'claude-code', key: 'mcpServers', file: (_home, cwd) => join(cwd, '.mcp.json') },
  { name: 'cursor', key: 'mcpServers', file: (home) => join(home, '.cursor', 'mcp.json') },
  { name: 'windsurf', key: 'mcpServers', file: (home) => join(home, '.codeium', 'windsurf', 'mcp_config.json') },
  { name: 'gemini-cli', key: 'mcpServers', file: (home) => join(home, '.gemini', 'settings.json') },
  { name: 'vscode', key: 'servers', file: (_home, cwd) => join(cwd, '.vscode', 'mcp.json') },
];

function claudeDesktopFile(home: string, _cwd: string, env: Readonly<Record<string, string | undefined>>): string {
  const name = ['Claude', 'claude_desktop_config.json'] as const;
  if (process.platform === 'darwin') return join(home, 'Library', 'Application Support', ...name);
  if (process.platform === 'win32') return join(env['APPDATA'] ?? join(home, 'AppData', 'Roaming'), ...name);
  return join(env['XDG_CONFIG_HOME'] ?? join(home, '.config'), ...name);
}

export interface ServerEntry {
  readonly command: string;
  readonly args: readonly string[];
}

/** Put our entries into a client's file; everything else in it stays. Throws `base.invalid` where the file is no JSON object. */
export async function writeClientConfig(
  kind: ClientKind,
  entries: Readonly<Record<string, ServerEntry>>,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const file = kind.file(env['HOME'] ?? homedir(), process.cwd(), env);
  const before = await readJson(file);
  const servers = before[kind.key];
  const known = typeof servers === 'object' && servers !== null ? servers : {};
  const after = { ...before, [kind.key]: { ...known, ...entries } };
  await mkdir(dirname(file), { recursive: true });
  const draft = `${file}.culvert-${process.pid}.tmp`;
  await writeFile(draft, `${JSON.stringify(after, undefined, 2)}\n`, { mode: 0o600 });
  await rename(draft, file);
  return file;
}

async function readJson(file: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new TunnelerError('base.invalid', `${file}: ${(error as Error).message}`, { cause: error });
  }
  try {
    const raw: unknown = JSON.parse(text);
    if (typeof raw === 'object' && raw !== null && !Array.isArray(raw)) return raw as Record<string, unknown>;
  } catch (error) {
    throw new TunnelerError('base.invalid', `${file} is no JSON, so it is left as it is: ${(error as Error).message}`, {
      cause: error,
    });
  }
  throw new TunnelerError('base.invalid', `${file} is no JSON object, so it is left as it is`);
}
