/** The person's own browser, where this machine has a screen. */
import { spawn } from 'node:child_process';

/** Ask the desktop to open an address. True where there was a desktop to ask; what it does with it is its own business. */
export function openInBrowser(url: string, env: Readonly<Record<string, string | undefined>>): boolean {
  const command = browserCommand(env);
  if (command === undefined) return false;
  const [file, ...args] = [...command, url];
  const child = spawn(file ?? '', args, { stdio: 'ignore', detached: true });
  child.on('error', () => undefined); // no such opener: the address has been printed anyway
  child.unref();
  return true;
}

function browserCommand(env: Readonly<Record<string, string | undefined>>): readonly string[] | undefined {
  if (process.platform === 'darwin') return ['open'];
  if (process.platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler'];
  const hasScreen = (env['DISPLAY'] ?? '') !== '' || (env['WAYLAND_DISPLAY'] ?? '') !== '';
  return hasScreen ? ['xdg-open'] : undefined;
}
