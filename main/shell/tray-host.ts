/** Whether a tray icon is shown to anybody. Linux alone has desktops without a place for one, and making an icon there fails silently. */
import { execFile } from 'node:child_process';

/** What is asked, as `busctl` takes it. Source: freedesktop.org, StatusNotifierItem, `org.kde.StatusNotifierWatcher`. */
const question = [
  '--user',
  'get-property',
  'org.kde.StatusNotifierWatcher',
  '/StatusNotifierWatcher',
  'org.kde.StatusNotifierWatcher',
  'IsStatusNotifierHostRegistered',
] as const;

/** Asks the session bus each time, for panels come and go. A bus that does not answer has none. */
export function hasTrayHost(platform: NodeJS.Platform): Promise<boolean> {
  if (platform !== 'linux') return Promise.resolve(true);
  return new Promise((resolve) => {
    execFile('busctl', question, { timeout: 2_000 }, (error, stdout) => {
      resolve(error === null && stdout.trim() === 'b true');
    });
  });
}
