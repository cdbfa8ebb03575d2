/** Runs in the window's sandbox before its page: puts `culvert` on it, plain functions over a closed list of channels. */
import type { ShellArrival, ShellBridge, ShellSettings } from '../api/shell-bridge.ts';
import { channels } from './channels.ts';

interface PreloadElectron {
  readonly contextBridge: { exposeInMainWorld(name: string, api: unknown): void };
  readonly ipcRenderer: {
    send(channel: string, ...args: readonly unknown[]): void;
    invoke(channel: string, ...args: readonly unknown[]): Promise<unknown>;
    on(channel: string, listener: (event: unknown, ...args: readonly unknown[]) => void): void;
  };
}

type Sink = Parameters<ShellBridge['listen']>[1];

declare const require: (name: 'electron') => PreloadElectron;
const { contextBridge, ipcRenderer } = require('electron');

const sinks = new Map<number, Sink>();
/** What came before the page listened. */
const early = new Map<number, ((sink: Sink) => void)[]>();
let nextId = 1;

function deliver(id: number, tell: (sink: Sink) => void): void {
  const sink = sinks.get(id);
  if (sink === undefined) early.get(id)?.push(tell);
  else tell(sink);
}

ipcRenderer.on(channels.message, (_event, id, text) => deliver(id as number, (sink) => sink.message(text as string)));
ipcRenderer.on(channels.closed, (_event, id, reason) =>
  deliver(id as number, (sink) => sink.closed(reason as { code: string; message: string })),
);

const bridge: ShellBridge = {
  connect() {
    const id = nextId++;
    early.set(id, []);
    ipcRenderer.send(channels.connect, id);
    return id;
  },
  send: (id, message) => ipcRenderer.send(channels.send, id, message),
  listen(id, sink) {
    sinks.set(id, sink);
    for (const tell of early.get(id) ?? []) tell(sink);
    early.delete(id);
    return () => {
      sinks.delete(id);
    };
  },
  disconnect(id) {
    early.delete(id);
    ipcRenderer.send(channels.disconnect, id);
  },
  settings: () => ipcRenderer.invoke(channels.settings) as Promise<ShellSettings>,
  set: (change) => ipcRenderer.invoke(channels.set, change) as Promise<ShellSettings>,
  openExternal: (url) => ipcRenderer.invoke(channels.openExternal, url) as Promise<void>,
  installUpdate: () => ipcRenderer.invoke(channels.installUpdate) as Promise<void>,
  onArrival(listener) {
    let listening = true;
    ipcRenderer.on(channels.arrival, (_event, arrival) => {
      if (listening) listener(arrival as ShellArrival);
    });
    ipcRenderer.send(channels.arrivals);
    return () => {
      listening = false;
    };
  },
};

contextBridge.exposeInMainWorld('culvert', bridge);
