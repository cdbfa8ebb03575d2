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
  const stranger = strangerServing(path, reader, own);
  if (stranger === undefined) return;
  throw new TunnelerError('engine.socket_untrusted', `${path} is served by ${stranger}, neither the system nor you`, {
    details: { next: 'name the right engine with --state or --socket; that of the service is for administrators' },
  });
}

/** Who serves the pipe, where that is somebody else than this user or the system; undefined where nobody serves it or nobody can be asked. */
export function strangerServing(
  path: string,
  reader: PipeReader | undefined = thisSystem(),
  own: UserId | undefined = ownUser(),
): string | undefined {
  if (reader === undefined) return undefined;
  const owner = serverOf(path, reader);
  if (owner === 'nobody' || owner === own || isSuperuser(owner)) return undefined;
  return owner ?? 'somebody who cannot be told';
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
