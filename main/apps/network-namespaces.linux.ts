/** The network namespaces of this host beside the engine's own, as far as it may look into them. */
import { readdirSync, readlinkSync } from 'node:fs';

/** More than a host full of containers has; who makes more only hides his own. */
const maxNamespaces = 1024;

/** A process in each, by whose `/proc/PID/net` its sockets are seen. Only root sees other users'. */
export function networkNamespaces(procRoot: string): readonly number[] {
  const known = new Set([namespaceOf(procRoot, 'self')]);
  const found: number[] = [];
  for (const name of readdirSync(procRoot)) {
    if (!/^\d+$/.test(name)) continue;
    const namespace = namespaceOf(procRoot, name);
    if (namespace === undefined || known.has(namespace)) continue;
    known.add(namespace);
    found.push(Number(name));
    if (found.length === maxNamespaces) break;
  }
  return found;
}

function namespaceOf(procRoot: string, pid: string): string | undefined {
  try {
    return readlinkSync(`${procRoot}/${pid}/ns/net`);
  } catch {
    // Gone, or not ours to look into.
    return undefined;
  }
}
