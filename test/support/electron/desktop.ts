/** A desktop for one test: a screen nobody sees and a session bus of its own, on it what shows notifications and, where asked, tray icons. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { promisify } from 'node:util';
import { toolsMissing } from '../tools.ts';
import { until } from '../until.ts';
import type { Person } from './person.ts';

const run = promisify(execFile);

export const desktopMissing = (): string | undefined =>
  toolsMissing('Xvfb', 'busctl', 'dbus-daemon', 'gdbus', 'python3-dbusmock', 'libgtk', 'libnotify');

export interface Notification {
  readonly title: string;
  readonly body: string;
}

export interface Desktop extends AsyncDisposable {
  /** For the programs that shall use it. */
  readonly env: Readonly<Record<string, string>>;
  /** What was shown so far. */
  notifications(): readonly Notification[];
  /** Press the newest one's first button. */
  pressNotification(): Promise<void>;
  /** A panel with a place for tray icons comes. */
  addTray(): Promise<void>;
  /** And goes. */
  removeTray(): Promise<void>;
  /** Icons that asked for a place in it. */
  trayIcons(): number;
}

export async function openDesktop(person: Person): Promise<Desktop> {
  const children: ChildProcess[] = [];
  const start = (command: readonly string[], env: Readonly<Record<string, string>>, fd3: boolean): ChildProcess => {
    const [file = '', ...args] = person.as(command);
    const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'ignore', ...(fd3 ? (['pipe'] as const) : [])] });
    children.push(child);
    return child;
  };
  const said = (stream: NodeJS.ReadableStream | null | undefined): (() => string) => {
    let text = '';
    stream?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    return () => text;
  };

  // The server chooses a number that is free, and tells it once it takes clients.
  const screen = start(
    ['Xvfb', '-displayfd', '3', '-screen', '0', '1400x1000x24', '-nolisten', 'tcp'],
    person.env,
    true,
  );
  const number = said(screen.stdio[3] as NodeJS.ReadableStream);
  const bus = start(['dbus-daemon', '--session', '--nofork', '--print-address=1'], person.env, false);
  const address = said(bus.stdout);
  await until(() => number().includes('\n') && address().includes('\n'), 15_000);
  const env = {
    ...person.env,
    DISPLAY: `:${number().trim()}`,
    DBUS_SESSION_BUS_ADDRESS: address().trim(),
    // Electron's own: no other bus of this machine is its business.
    DBUS_SYSTEM_BUS_ADDRESS: address().trim(),
  };

  const call = async (name: string, path: string, method: string, ...args: readonly string[]): Promise<string> => {
    const [file = '', ...rest] = person.as([
      'gdbus',
      'call',
      '--session',
      '-d',
      name,
      '-o',
      path,
      '-m',
      method,
      ...args,
    ]);
    return (await run(file, rest, { env })).stdout;
  };
  const owned = (name: string): Promise<boolean> =>
    call('org.freedesktop.DBus', '/', 'org.freedesktop.DBus.NameHasOwner', name).then((out) => out.includes('true'));
  const mock = async (
    name: string,
    ...args: readonly string[]
  ): Promise<{ child: ChildProcess; log: () => string }> => {
    const child = start(['/usr/bin/python3', '-u', '-m', 'dbusmock', '--session', ...args], env, false);
    const log = said(child.stdout);
    await until(() => owned(name), 15_000);
    return { child, log };
  };

  const notices = 'org.freedesktop.Notifications';
  const noticesAt = '/org/freedesktop/Notifications';
  const shown = await mock(
    notices,
    '--template',
    'notification_daemon',
    '--parameters',
    '{"capabilities": "body actions"}',
  );
  const watcher = 'org.kde.StatusNotifierWatcher';
  const watcherAt = '/StatusNotifierWatcher';
  let panel: Awaited<ReturnType<typeof mock>> | undefined;

  return {
    env,
    notifications: () =>
      [...shown.log().matchAll(/ Notify "[^"]*" \d+ "[^"]*" "([^"]*)" "([^"]*)"/g)].map(
        ([, title = '', body = '']) => ({
          title,
          body,
        }),
      ),
    async pressNotification() {
      const count = [...shown.log().matchAll(/ Notify "/g)].length;
      const signal = ['', 'ActionInvoked', 'us', `[<uint32 ${count}>, <'default'>]`];
      await call(notices, noticesAt, 'org.freedesktop.DBus.Mock.EmitSignal', notices, ...signal.slice(1));
    },
    async addTray() {
      panel = await mock(watcher, watcher, watcherAt, watcher);
      const property = [watcher, 'IsStatusNotifierHostRegistered', '<true>'];
      await call(watcher, watcherAt, 'org.freedesktop.DBus.Mock.AddProperty', ...property);
      const method = [watcher, 'RegisterStatusNotifierItem', 's', '', ''];
      await call(watcher, watcherAt, 'org.freedesktop.DBus.Mock.AddMethod', ...method);
    },
    async removeTray() {
      panel?.child.kill('SIGTERM');
      panel = undefined;
      await until(async () => !(await owned(watcher)), 15_000);
    },
    trayIcons: () => [...(panel?.log() ?? '').matchAll(/ RegisterStatusNotifierItem /g)].length,
    async [Symbol.asyncDispose]() {
      for (const child of children.reverse()) await ended(child);
    },
  };
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}
