/** What the window may ask of the shell. Each handler first looks at who sends: only our page's own top frame is answered. */
import { TunnelerError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { ShellArrival, ShellSettings } from '../api/shell-bridge.ts';
import { channels } from './channels.ts';
import type { ElectronApi, IpcEvent } from './electron.ts';
import type { EngineLines, LineSink } from './engine-lines.ts';
import { isOwnFrame, mayOpenOutside } from './refusals.ts';

/** What the handlers do. */
export interface IpcDeps {
  readonly lines: EngineLines;
  readonly settings: () => ShellSettings;
  readonly set: (change: { readonly autostart?: boolean; readonly notifications?: boolean }) => ShellSettings;
  readonly openOutside: (url: string) => Promise<void>;
  readonly installUpdate: () => void;
  /** The window listens for arrivals from now on. */
  readonly arrivals: (deliver: (arrival: ShellArrival) => void) => void;
  readonly log: Log;
}

/** Listen on every channel there is. */
export function serveIpc(ipcMain: ElectronApi['ipcMain'], deps: IpcDeps): void {
  const own = (event: IpcEvent, channel: string): boolean => {
    if (isOwnFrame(event.senderFrame)) return true;
    deps.log.warn('shell.foreign_sender', { channel });
    return false;
  };
  const handle = (channel: string, answer: (...args: readonly unknown[]) => unknown): void =>
    ipcMain.handle(channel, (event, ...args) => {
      if (!own(event, channel)) throw new TunnelerError('engine.forbidden', 'this frame may ask nothing');
      return answer(...args);
    });
  const listen = (channel: string, take: (event: IpcEvent, ...args: readonly unknown[]) => void): void =>
    ipcMain.on(channel, (event, ...args) => {
      if (own(event, channel)) take(event, ...args);
    });

  const watched = new Set<number>();
  listen(channels.connect, ({ sender }, id) => {
    const sink: LineSink = {
      message: (line, text) => {
        if (!sender.isDestroyed()) sender.send(channels.message, line, text);
      },
      closed: (line, reason) => {
        if (!sender.isDestroyed()) sender.send(channels.closed, line, reason);
      },
    };
    if (!watched.has(sender.id)) {
      watched.add(sender.id);
      sender.once('destroyed', () => {
        watched.delete(sender.id);
        deps.lines.closeWindow(sender.id);
      });
      // A page that is loaded anew knows nothing of the connections of the one before.
      sender.on('did-start-navigation', ({ isMainFrame, isSameDocument }) => {
        if (isMainFrame && !isSameDocument) deps.lines.closeWindow(sender.id);
      });
    }
    deps.lines.open(sender.id, id, sink);
  });
  listen(channels.send, ({ sender }, id, message) => deps.lines.send(sender.id, id, message));
  listen(channels.disconnect, ({ sender }, id) => deps.lines.close(sender.id, id));
  listen(channels.arrivals, ({ sender }) =>
    deps.arrivals((arrival) => {
      if (!sender.isDestroyed()) sender.send(channels.arrival, arrival);
    }),
  );
  handle(channels.settings, () => deps.settings());
  handle(channels.set, (change) => deps.set(parseChange(change)));
  handle(channels.openExternal, async (url) => {
    if (!mayOpenOutside(url)) throw new TunnelerError('engine.forbidden', 'only https addresses are opened');
    await deps.openOutside(url);
  });
  handle(channels.installUpdate, () => deps.installUpdate());
}

function parseChange(raw: unknown): { autostart?: boolean; notifications?: boolean } {
  if (typeof raw !== 'object' || raw === null) throw new TunnelerError('base.invalid', 'settings: expected an object');
  const change: { autostart?: boolean; notifications?: boolean } = {};
  for (const [name, value] of Object.entries(raw)) {
    if ((name !== 'autostart' && name !== 'notifications') || typeof value !== 'boolean') {
      throw new TunnelerError('base.invalid', `settings.${name}: expected autostart or notifications, true or false`);
    }
    change[name] = value;
  }
  return change;
}
