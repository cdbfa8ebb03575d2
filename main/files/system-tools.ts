/**
 * Where the system's own tools are. Windows looks a bare name up in the current directory and then in the PATH, and macOS in a PATH that sudo
 * leaves as its user has it: whoever may write to one of those places would have the engine run what lies there. Each is run by its own path.
 */
import { posix, win32 } from 'node:path';
import { loadNative } from 'node-tun';

/** Below the system directory (System32). */
const windowsTools: Readonly<Record<string, string>> = {
  'netsh.exe': 'netsh.exe',
  'netstat.exe': 'netstat.exe',
  'powershell.exe': 'WindowsPowerShell\\v1.0\\powershell.exe',
  'rundll32.exe': 'rundll32.exe',
  'schtasks.exe': 'schtasks.exe',
  'whoami.exe': 'whoami.exe',
};

const darwinTools: Readonly<Record<string, string>> = {
  codesign: '/usr/bin/codesign',
  dscacheutil: '/usr/bin/dscacheutil',
  ifconfig: '/sbin/ifconfig',
  killall: '/usr/bin/killall',
  launchctl: '/bin/launchctl',
  lsof: '/usr/sbin/lsof',
  netstat: '/usr/sbin/netstat',
  open: '/usr/bin/open',
  ps: '/bin/ps',
  route: '/sbin/route',
};

/**
 * The path of a tool, or what is a path already; undefined where this system has no tool of that name that we know. Linux keeps its tools in
 * other places from one distribution to the next, and its sudo and systemd set the PATH: there the name stays a name.
 */
export function systemTool(
  name: string,
  platform: NodeJS.Platform = process.platform,
  directory: () => string = systemDirectory,
): string | undefined {
  if (platform === 'win32') {
    if (/^(?:[a-z]:[\\/]|\\\\)/i.test(name)) return name;
    const below = windowsTools[name];
    return below === undefined ? undefined : win32.join(directory(), below);
  }
  return platform === 'darwin' && !posix.isAbsolute(name) ? darwinTools[name] : name;
}

/**
 * Arguments of powershell.exe for a script. It loads modules by its own variable of places, of which the first is in the user's documents; the
 * script looks among those that came with the system alone.
 */
export function powerShellScript(script: string): readonly string[] {
  return ['-NoProfile', '-NonInteractive', '-Command', `$env:PSModulePath=$PSHOME+'\\Modules'; ${script}`];
}

/** Where Windows itself is. */
export function windowsDirectory(): string {
  return win32.dirname(systemDirectory());
}

/** By the system itself; its variable SystemRoot is whoever's who set the environment, and where the addon is not built the usual place has to do. */
function systemDirectory(): string {
  const found = loadNative();
  return found.ok && process.platform === 'win32' ? found.native.systemDirectory() : 'C:\\Windows\\System32';
}
