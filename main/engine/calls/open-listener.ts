/** The engine's doors: its socket, and behind the same dispatcher the window in a browser. */
import { readFileSync } from 'node:fs';
import type { Clock } from '../../base/clock.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { DisposalStack } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import { createDispatcher } from '../../api/dispatch.ts';
import { schema } from '../../api/schema.ts';
import type { ConsoleView, ServiceView } from '../../api/views.ts';
import type { EngineConfig } from '../runtime/config.ts';
import { lazyConsole, type ConsoleListener } from './console-listener.ts';
import { createHandlers, type EngineBackend } from './handlers.ts';
import { peerCredentials } from './peer-credentials.ts';
import { openSocketServer } from './socket-server.ts';
import { userIdentities } from './user-identities.ts';

export interface DoorDeps {
  readonly socketPath: string;
  readonly version: string;
  readonly config: EngineConfig;
  readonly consoleListener: ConsoleListener | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** What this device hosts now: among it may be the console itself. */
  readonly services: () => readonly ServiceView[];
  /** The desk behind the handlers; it is handed the way to open the console. */
  readonly desk: (openConsole: () => Promise<ConsoleView>) => EngineBackend;
}

/** Open them; a console the settings ask for is open when this resolves. Throws `engine.state_unusable`, `engine.config_invalid`. */
export async function openListeners(deps: DoorDeps, stack: DisposalStack): Promise<void> {
  const { version, config, clock, log } = deps;
  const desk = deps.desk(() => console.addresses());
  const handlers = createHandlers(desk);
  const { identities } = desk;
  const identity = stack.use(
    userIdentities(handlers.identity, {
      clock,
      log,
      recordOf: (name) => identities.find(name)?.record(),
      lock: (name) => identities.lock(name),
      ownUid: process.getuid?.(),
    }),
  );
  const dispatcher = createDispatcher(
    schema,
    { ...handlers, identity: identity.handlers },
    {
      version,
      onDefect: (call, error) => log.error('engine.defect', { call, error }),
    },
  );
  const console = lazyConsole(deps, config, { dispatcher, clock, log, services: deps.services }, stack);
  const groupId = config.socket?.group === undefined ? undefined : groupIdOf(config.socket.group);
  stack.use(
    await openSocketServer({
      path: deps.socketPath,
      dispatcher,
      log,
      peerCredentials: peerCredentials(),
      groupId,
      isMember,
    }),
  );
  if (config.console?.enabled === true) await console.open();
}

interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** The host's own groups (group(5)); those of a directory service are known only by their primary members' gid. */
function groups(): readonly Group[] {
  return lines('/etc/group').map(([name = '', , gid = '', members = '']) => ({
    name,
    gid: Number(gid),
    members: members.split(',').filter((member) => member !== ''),
  }));
}

function groupIdOf(name: string): number {
  const found = groups().find((group) => group.name === name);
  if (found !== undefined) return found.gid;
  throw new TunnelerError('engine.config_invalid', `socket.group: this host has no group "${name}"`, {
    details: { issues: [{ path: 'socket.group', message: 'no such group' }] },
  });
}

/** Is the user a further member of the group? (Whose primary group it is shows in the peer's own gid.) */
function isMember(uid: number, groupId: number): boolean {
  const user = lines('/etc/passwd').find(([, , id]) => Number(id) === uid)?.[0];
  return user !== undefined && groups().some((group) => group.gid === groupId && group.members.includes(user));
}

function lines(file: string): readonly (readonly string[])[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(':'));
}
