/** Which engine's socket the shell talks to: the installed service's, else the user's own. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { defaultSocketPath, isSocketThere } from '../ipc/socket-path.ts';

/** What the shell was started with, and what is on this machine. */
export interface EnginePathFacts {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
}

/** `--socket PATH` or `--state DIR` as given, else the first socket that is there, else the service's. */
export function enginePath(facts: EnginePathFacts, exists: (path: string) => boolean = isSocketThere): string {
  const socket = optionOf(facts.argv, '--socket');
  if (socket !== undefined) return socket;
  const state = optionOf(facts.argv, '--state');
  if (state !== undefined) return defaultSocketPath(state);
  const candidates = directories(facts).map(defaultSocketPath);
  return candidates.find(exists) ?? candidates[0] ?? '';
}

function directories({ env, platform }: EnginePathFacts): readonly string[] {
  const home = env['HOME'] ?? homedir();
  if (platform === 'win32') {
    return [join(env['ProgramData'] ?? 'C:\\ProgramData', 'Culvert'), join(env['LOCALAPPDATA'] ?? home, 'Culvert')];
  }
  if (platform === 'darwin') {
    return ['/Library/Application Support/Culvert', join(home, 'Library', 'Application Support', 'Culvert')];
  }
  return ['/var/lib/culvert', join(env['XDG_STATE_HOME'] ?? join(home, '.local', 'state'), 'culvert')];
}

function optionOf(argv: readonly string[], name: string): string | undefined {
  const at = argv.indexOf(name);
  return at >= 0 ? argv[at + 1] : argv.find((argument) => argument.startsWith(`${name}=`))?.slice(name.length + 1);
}
