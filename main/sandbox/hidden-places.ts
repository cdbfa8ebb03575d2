/** What an agent has no business with: keys, other programs' doors, the display. */
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** What is covered in the sandbox's view of the file system. */
export interface HiddenPlaces {
  readonly directories: readonly string[];
  readonly files: readonly string[];
}

/** Directories of sockets by which other programs of the same user may be made to start something, below `/tmp` and `/run`. */
const doors = /^(?:tmux-|\.X11-unix$|\.ICE-unix$|ssh-|screens?$|uscreens$)/;

/** Names of users and hosts are looked up by these; they start nothing. */
const lookups = /^\/(?:var\/)?run\/(?:nscd|nslcd|systemd\/(?:resolve|userdb|journal))\/|^\/var\/lib\/sss\/pipes\//;

/** Those that are there, by their real paths. `stateDirectories`: of every engine that may be on this host. */
export function hiddenPlaces(
  env: Readonly<Record<string, string | undefined>>,
  stateDirectories: readonly string[],
): HiddenPlaces {
  const home = env['HOME'] ?? '/';
  const uid = process.getuid?.() ?? 0;
  // A terminal multiplexer that is started later has its door here: covered before it is there.
  const multiplexer = join(env['TMUX_TMPDIR'] ?? '/tmp', `tmux-${uid}`);
  makePrivate(multiplexer);
  const directories = [
    ...stateDirectories,
    multiplexer,
    // Sockets of the session: D-Bus, the keychain behind it, Wayland, audio, systemd's user manager.
    env['XDG_RUNTIME_DIR'],
    `/run/user/${uid}`,
    '/run/dbus',
    '/run/podman',
    join(home, '.local/share/keyrings'),
    join(home, '.gnupg'),
    ...['/tmp', '/run'].flatMap((place) =>
      namesIn(place)
        .filter((name) => doors.test(name))
        .map((name) => join(place, name)),
    ),
  ];
  const files = [
    env['XAUTHORITY'],
    join(home, '.Xauthority'),
    '/run/docker.sock',
    '/run/containerd/containerd.sock',
    '/run/crio/crio.sock',
    '/run/systemd/private',
    ...listening().filter((path) => !lookups.test(path) && ownerOf(path) === uid),
  ];
  const hidden = { directories: present(directories, true), files: present(files, false) };
  const isBelow = (path: string): boolean => hidden.directories.some((directory) => path.startsWith(`${directory}/`));
  return { ...hidden, files: hidden.files.filter((path) => !isBelow(path)) };
}

/** Every socket with a path on which somebody listens (proc_net(5): flags of `unix`). */
function listening(): readonly string[] {
  const acceptsConnections = '00010000';
  try {
    const rows = readFileSync('/proc/net/unix', 'utf8').split('\n').slice(1);
    return rows.flatMap((row) => {
      const [, , , flags, , , , ...path] = row.split(' ').filter((field, index) => field !== '' || index > 6);
      const name = path.join(' ');
      return flags === acceptsConnections && name.startsWith('/') ? [name] : [];
    });
  } catch {
    // Not Linux: then there is no sandbox either.
    return [];
  }
}

function ownerOf(path: string): number | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })?.uid;
  } catch {
    // Not ours to reach, and so no door of ours.
    return undefined;
  }
}

/** As its program would make it; where it is already, or cannot be, that is as well. */
function makePrivate(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch {
    // There already, or nowhere to make it.
  }
}

function present(paths: readonly (string | undefined)[], isDirectory: boolean): readonly string[] {
  const found = new Set<string>();
  for (const path of paths) {
    if (path === undefined || path === '' || !existsSync(path)) continue;
    try {
      const real = realpathSync(path);
      if (statSync(real).isDirectory() === isDirectory && real !== '/') found.add(real);
    } catch {
      // Not ours to look into, and so nothing to hide.
    }
  }
  // What lies below another hidden one is hidden with it.
  return [...found].filter((path) => ![...found].some((other) => other !== path && path.startsWith(`${other}/`)));
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    // A host without it.
    return [];
  }
}
