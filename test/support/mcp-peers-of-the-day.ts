/** Clients and servers of the matrix in the releases of the day, each kit installed from its registry into one folder. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Matrix } from './mcp-matrix.ts';
import { typeScriptPeers } from './mcp-peers.ts';

const run = promisify(execFile);
const scripts = fileURLToPath(new URL('ai/', import.meta.url));
const [goSdk, mcpGo] = ['github.com/modelcontextprotocol/go-sdk', 'github.com/mark3labs/mcp-go'];
const npmPackages = ['@modelcontextprotocol/sdk', '@modelcontextprotocol/client', '@modelcontextprotocol/server'];

/** See `findings/go-sdk-cancels-without-its-revision.sh`. */
const afterCancel = 'the client ends its session after a cancelled call, without Culvert too';

/** Versions by the kit's name. */
export type Versions = Readonly<Record<string, string>>;

/** Install what is not there yet; minutes, for a Rust SDK is compiled. */
export async function installPeers(
  directory: string,
): Promise<{ readonly matrix: Matrix; readonly versions: Versions }> {
  await mkdir(directory, { recursive: true });
  await cp(scripts, directory, { recursive: true });
  await npm(directory);
  await python(directory, 'py', ['mcp', 'uvicorn']);
  await python(directory, 'fast', ['fastmcp']);
  await go(join(directory, 'go'));
  await run('cargo', ['build', '--quiet'], { cwd: join(directory, 'rust'), maxBuffer: 1 << 26 });
  return { matrix: peersIn(directory), versions: await versionsIn(directory) };
}

function peersIn(directory: string): Matrix {
  const at = (...names: readonly string[]): string => join(directory, ...names);
  const own = typeScriptPeers(directory);
  return {
    servers: [
      ...own.servers,
      {
        name: 'Python mcp',
        service: 'py',
        command: [at('py/bin/python'), at('server.py'), 'py'],
        stateless: true,
        events: true,
      },
      {
        name: 'fastmcp',
        service: 'fast',
        command: [at('fast/bin/python'), at('fast_server.py'), 'fast'],
        stateless: true,
        events: true,
        lacks: { subscription: 'it has no subscriptions' },
        lacksWithoutHandshake: { elicitation: 'it asks nobody without a handshake' },
      },
      { name: 'go-sdk', service: 'go', command: [at('go/bin/server'), 'go'], events: true },
      {
        name: 'mcp-go',
        service: 'mark',
        command: [at('go/bin/mark3labs'), 'mark'],
        stateless: true,
        events: true,
        lacksWithoutHandshake: { subscription: 'it tells of no change without a handshake' },
        lacksWith: { 'go-sdk': { elicitation: afterCancel, large: afterCancel } },
      },
    ],
    clients: [
      ...own.clients,
      {
        name: 'Python mcp',
        command: [at('py/bin/python'), at('client.py')],
        eras: ['handshake', 'stateless'],
        older: true,
        lacksOfEvents: { large: 'it takes no event of more than 1 MiB' },
      },
      { name: 'go-sdk', command: [at('go/bin/client')], eras: ['handshake', 'stateless'], older: true },
      { name: 'rmcp', command: [at('rust/target/debug/matrix-client')], eras: ['handshake'], older: false },
    ],
  };
}

async function npm(directory: string): Promise<void> {
  if (existsSync(join(directory, 'node_modules'))) return;
  await writeFile(join(directory, 'package.json'), '{ "private": true }\n');
  await run(
    'npm',
    ['install', '--silent', '--no-audit', '--no-fund', ...npmPackages.map((name) => `${name}@latest`), 'zod'],
    {
      cwd: directory,
    },
  );
}

async function python(directory: string, name: string, packages: readonly string[]): Promise<void> {
  const place = join(directory, name);
  if (existsSync(join(place, 'ready'))) return;
  await run('python3', ['-m', 'venv', place]);
  await run(join(place, 'bin', 'pip'), ['install', '--quiet', '--upgrade', ...packages], { maxBuffer: 1 << 26 });
  await writeFile(join(place, 'ready'), '');
}

async function go(directory: string): Promise<void> {
  const options = { cwd: directory, maxBuffer: 1 << 26 };
  if (!existsSync(join(directory, 'go.mod'))) {
    await run('go', ['mod', 'init', 'matrix'], options);
    await run('go', ['get', `${goSdk}@latest`, `${mcpGo}@latest`], options);
    await run('go', ['mod', 'tidy'], options);
  }
  await run('go', ['build', '-o', 'bin/', './server', './client', './mark3labs'], options);
}

async function versionsIn(directory: string): Promise<Versions> {
  const npmVersion = async (name: string): Promise<string> => {
    const file = await readFile(join(directory, 'node_modules', name, 'package.json'), 'utf8');
    return String((JSON.parse(file) as { version: string }).version);
  };
  const pythonVersion = async (place: string, name: string): Promise<string> => {
    const { stdout } = await run(join(directory, place, 'bin', 'pip'), ['show', name]);
    return /^Version: (.*)$/m.exec(stdout)?.[1] ?? '';
  };
  const goVersion = async (module: string): Promise<string> => {
    const { stdout } = await run('go', ['list', '-m', '-f', '{{.Version}}', module], { cwd: join(directory, 'go') });
    return stdout.trim();
  };
  const lock = await readFile(join(directory, 'rust', 'Cargo.lock'), 'utf8');
  return {
    'TypeScript 1.x': await npmVersion('@modelcontextprotocol/sdk'),
    'TypeScript 2.x': await npmVersion('@modelcontextprotocol/client'),
    'Python mcp': await pythonVersion('py', 'mcp'),
    fastmcp: await pythonVersion('fast', 'fastmcp'),
    'go-sdk': await goVersion(goSdk),
    'mcp-go': await goVersion(mcpGo),
    rmcp: /name = "rmcp"\nversion = "(.*)"/.exec(lock)?.[1] ?? '',
  };
}
