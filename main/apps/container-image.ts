/**
 * Which image a container was made from, by what its engine keeps on the disk (Docker, Podman) or says (containerd). The container is known
 * by its control group, which nothing in it can change.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunCommand } from './run-command.ts';

const commandTimeoutMs = 2_000;
/** Namespaces of containerd that others use: Kubernetes, Docker, nerdctl. */
const namespaces = ['k8s.io', 'moby', 'default'];
const digest = /sha256:[0-9a-f]{64}/;

/** Where container engines keep what they know. */
export interface ContainerImagesDeps {
  readonly run: RunCommand;
  /** Default `/`: where the engines' directories begin. */
  readonly root?: string;
}

/** Every digest by which the image is known: its id, and those of its manifests; empty where no engine of this host says. */
export async function imageDigests(
  container: string,
  home: string | undefined,
  { run, root = '/' }: ContainerImagesDeps,
): Promise<readonly string[]> {
  const stores = [
    join(root, 'var/lib/containers/storage'),
    ...(home === undefined ? [] : [join(home, '.local/share/containers/storage')]),
  ];
  const found = docker(join(root, 'var/lib/docker'), container) ?? firstOf(stores, (store) => podman(store, container));
  return found ?? containerd(container, run);
}

function docker(directory: string, container: string): readonly string[] | undefined {
  const id = field(json(join(directory, 'containers', container, 'config.v2.json')), 'Image');
  if (typeof id !== 'string') return undefined;
  const repositories = field(json(join(directory, 'image/overlay2/repositories.json')), 'Repositories');
  const names = Object.values((repositories ?? {}) as Record<string, Record<string, string>>).flatMap(Object.entries);
  const manifests = names.filter(([, image]) => image === id).flatMap(([name]) => digest.exec(name)?.[0] ?? []);
  return [id, ...manifests];
}

function podman(store: string, container: string): readonly string[] | undefined {
  const image = field(rowOf(join(store, 'overlay-containers/containers.json'), container), 'image');
  if (typeof image !== 'string') return undefined;
  const manifest = field(rowOf(join(store, 'overlay-images/images.json'), image), 'digest');
  return [`sha256:${image}`, ...(typeof manifest === 'string' ? [manifest] : [])];
}

async function containerd(container: string, run: RunCommand): Promise<readonly string[]> {
  for (const namespace of namespaces) {
    const info = await run('ctr', ['-n', namespace, 'containers', 'info', container], commandTimeoutMs);
    const image = info.ok ? field(parsed(info.stdout), 'Image') : undefined;
    if (typeof image !== 'string') continue;
    const listed = await run('ctr', ['-n', namespace, 'images', 'ls', `name==${image}`], commandTimeoutMs);
    const found = digest.exec(listed.stdout)?.[0];
    return found === undefined ? [] : [found];
  }
  return [];
}

function rowOf(file: string, id: string): unknown {
  const rows = json(file);
  return Array.isArray(rows) ? rows.find((row: unknown) => field(row, 'id') === id) : undefined;
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function json(file: string): unknown {
  try {
    return parsed(readFileSync(file, 'utf8'));
  } catch {
    // Another engine's container, or not ours to read: then its image is not known, and bindings that ask for it do not hold.
    return undefined;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Just being written: not known this time.
    return undefined;
  }
}

function firstOf<A, B>(all: readonly A[], find: (one: A) => B | undefined): B | undefined {
  for (const one of all) {
    const found = find(one);
    if (found !== undefined) return found;
  }
  return undefined;
}
