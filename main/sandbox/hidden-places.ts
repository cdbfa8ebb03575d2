/** What an agent has no business with: keys, other programs' doors, the display. */
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** What is covered in the sandbox's view of the file system. */
export interface HiddenPlaces {
  readonly directories: readonly string[];
  readonly files: readonly string[];
}

/** Sockets by which other programs of the same user may be made to start something, below `/tmp` and `/run`. */
const doors = /^(?:tmux-|\.X11-unix$|\.ICE-unix$|ssh-|screens?$|uscreens$)/;

/** Those that are there, by their real paths. `stateDirectories`: of every engine that may be on this host. */
export function hiddenPlaces(
  env: Readonly<Record<string, string | undefined>>,
  stateDirectories: readonly string[],
): HiddenPlaces {
  const home = env['HOME'] ?? '/';
  const uid = process.getuid?.() ?? 0;
  const directories = [
    ...stateDirectories,
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
  ];
  return { directories: present(directories, true), files: present(files, false) };
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
