/** Command-line agents of the day, each installed from its registry into a folder of its own. What their install scripts do is done without a network. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { quiet, type RealAgent } from './agents.ts';

const run = promisify(execFile);
const maxBuffer = 1 << 26;

/** An agent that is installed. */
export interface InstalledAgent {
  readonly name: string;
  readonly version: string;
  /** Its program. */
  readonly program: string;
}

/** Install it where it is not there yet; `version` absent: the newest. Rejects where its registry has it not, or not for this machine. */
export async function installAgent(agent: RealAgent, directory: string, version?: string): Promise<InstalledAgent> {
  const place = join(directory, agent.name);
  const ready = join(place, 'ready');
  const program = join(place, agent.npm === undefined ? 'bin' : join('node_modules', '.bin'), agent.bin);
  if (!existsSync(ready)) {
    await mkdir(place, { recursive: true });
    await (agent.npm === undefined ? fromPython(agent.pip ?? '', place) : fromNpm(agent.npm, place, version));
    // Some packages bring their program in another that a registry may not have.
    await run('unshare', ['--net', program, '--version'], {
      timeout: 60_000,
      env: { ...process.env, ...quiet, HOME: place },
    });
    await writeFile(ready, '');
  }
  return { name: agent.name, version: await versionOf(agent, place), program };
}

async function fromNpm(name: string, cwd: string, version = 'latest'): Promise<void> {
  await writeFile(join(cwd, 'package.json'), '{ "private": true }\n');
  const plain = ['--silent', '--no-audit', '--no-fund'];
  await run('npm', ['install', ...plain, '--ignore-scripts', `${name}@${version}`], { cwd, maxBuffer });
  await run('unshare', ['--net', 'npm', 'rebuild', ...plain], { cwd, maxBuffer });
}

async function fromPython(name: string, place: string): Promise<void> {
  await run('python3', ['-m', 'venv', place]);
  await run(join(place, 'bin', 'pip'), ['install', '--quiet', name], { maxBuffer });
}

async function versionOf({ npm, pip = '' }: RealAgent, place: string): Promise<string> {
  if (npm !== undefined) {
    const text = await readFile(join(place, 'node_modules', npm, 'package.json'), 'utf8');
    return (JSON.parse(text) as { readonly version: string }).version;
  }
  const { stdout } = await run(join(place, 'bin', 'pip'), ['show', pip]);
  return /^Version: (.*)$/m.exec(stdout)?.[1] ?? '';
}
