/** The window's one door out: to the shell's preload where there is one, else to the console that served the page. */
import type { Transport } from '../../main/api/client.ts';
import { openConsoleTransport } from './console-socket.ts';
import { noTab, tabSecret } from './tab-secret.ts';
import { openShellTransport, type ShellBridge } from './shell-bridge.ts';

/** How this page reaches an engine, and what else it can do where it stands. */
export interface Bridge {
  readonly kind: 'shell' | 'console';
  /** A fresh connection to the engine; the store opens the next one when this ends. */
  open(): Transport;
  /** What only a desktop shell can do; absent in a browser. */
  readonly shell?: ShellBridge;
}

/** Choose the door by what the page finds: the preload's `culvert` object, else a WebSocket beside the page's own address. */
export function chooseBridge(page: Window & { readonly culvert?: ShellBridge }): Bridge {
  const door = page.culvert;
  if (door !== undefined) return { kind: 'shell', open: () => openShellTransport(door), shell: door };
  const address = new URL('engine', page.location.href);
  address.protocol = page.location.protocol === 'https:' ? 'wss:' : 'ws:';
  address.hash = '';
  address.search = '';
  const tab = tabSecret(page);
  const isRefused = async (): Promise<boolean> => {
    // Let in by a cookie alone, as a second tab is: the engine does not talk to it.
    if (tab === noTab) return true;
    try {
      return (await fetch(page.location.href, { method: 'HEAD', cache: 'no-store' })).status === 401;
    } catch {
      return false; // nobody answers at all: that is a lost engine, not a refused page
    }
  };
  return { kind: 'console', open: () => openConsoleTransport(address.href, tab, isRefused) };
}
