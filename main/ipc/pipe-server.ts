/** Windows: who serves a named pipe. Its name is known to all, and whoever is first may take it: an impostor would be told secrets. */
import { loadNative, type Native } from 'node-tun';
import { TunnelerError } from '../base/errors.ts';
import { isSuperuser, type UserId } from '../base/user-id.ts';
import { ownUser } from '../files/own-user.ts';

/** How the system is asked. */
export type PipeReader = Pick<Native, 'pipeServer' | 'processChain'>;

/**
 * Throws `engine.socket_untrusted` where the pipe is served by a process of somebody else than this user or the system. Where nobody serves it
 * the connection itself says so; without the addon nobody can be asked, and the system's own list on the pipe has to do.
 */
export function requireTrustedPipe(
  path: string,
  reader: PipeReader | undefined = thisSystem(),
  own: UserId | undefined = ownUser(),
): void {
  if (reader === undefined) return;
  const owner = serverOf(path, reader);
  if (owner === 'nobody' || owner === own || isSuperuser(owner)) return;
  throw new TunnelerError(
    'engine.socket_untrusted',
    `${path} is served by ${owner ?? 'somebody who cannot be told'}, neither the system nor you`,
    { details: { next: 'name the right engine with --state or --socket; that of the service is for administrators' } },
  );
}

function serverOf(path: string, reader: PipeReader): string | undefined {
  let pid: number;
  try {
    pid = reader.pipeServer(path);
  } catch {
    // Nobody serves it, or it is busy: what is done next with it fails in its own words.
    return 'nobody';
  }
  return reader.processChain(pid)[0]?.sid;
}

function thisSystem(): PipeReader | undefined {
  const found = loadNative();
  return found.ok ? found.native : undefined;
}
