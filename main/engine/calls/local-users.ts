/** Users and groups of this host, as its own files know them (passwd(5), group(5)). */
import { readFileSync } from 'node:fs';
import { TunnelerError } from '../../base/errors.ts';

interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** The host's own groups; those of a directory service are known only by their primary members' gid. */
function groups(): readonly Group[] {
  return lines('/etc/group').map(([name = '', , gid = '', members = '']) => ({
    name,
    gid: Number(gid),
    members: members.split(',').filter((member) => member !== ''),
  }));
}

/** Throws `engine.config_invalid` where there is no such group. */
export function groupIdOf(name: string): number {
  const found = groups().find((group) => group.name === name);
  if (found !== undefined) return found.gid;
  throw new TunnelerError('engine.config_invalid', `socket.group: this host has no group "${name}"`, {
    details: { issues: [{ path: 'socket.group', message: 'no such group' }] },
  });
}

/** Is the user a further member of the group? (Whose primary group it is shows in the peer's own gid.) */
export function isMember(uid: number, groupId: number): boolean {
  const user = nameOf(uid);
  return user !== undefined && groups().some((group) => group.gid === groupId && group.members.includes(user));
}

/** The user as views name it: by number where the host knows no name. */
export function userName(uid: number): string {
  return nameOf(uid) ?? String(uid);
}

function nameOf(uid: number): string | undefined {
  return lines('/etc/passwd').find(([, , id]) => id !== undefined && id !== '' && Number(id) === uid)?.[0];
}

function lines(file: string): readonly (readonly string[])[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    // A minimal container has none; users then stay numbers, and nobody is in a group.
    return [];
  }
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(':'));
}
