/**
 * The part of Electron the shell uses, written down, and the one place that loads it. Electron's own package carries a binary that
 * cannot be had everywhere; with the shape kept here the shell type-checks and its refusals are tested without it.
 * Source of the shapes: electronjs.org/docs/latest/api, version 30 and later.
 */
import { createRequire } from 'node:module';

/** Electron's `WebFrameMain`, as far as it is used. */
export interface FrameLike {
  readonly url: string;
  readonly parent: FrameLike | null;
}

/** Electron's `IpcMainEvent`, as far as it is used. */
export interface IpcEvent {
  readonly senderFrame: FrameLike | null;
  readonly sender: WebContentsLike;
}

/** Electron's `WebContents`, as far as it is used. */
export interface WebContentsLike {
  readonly id: number;
  send(channel: string, ...args: readonly unknown[]): void;
  isDestroyed(): boolean;
  once(event: 'destroyed', listener: () => void): void;
  on(
    event: 'will-navigate' | 'will-redirect',
    listener: (event: { preventDefault(): void }, url: string) => void,
  ): void;
  on(event: 'did-start-navigation', listener: (details: NavigationLike) => void): void;
  on(event: 'will-attach-webview', listener: (event: { preventDefault(): void }) => void): void;
  setWindowOpenHandler(handler: (details: { readonly url: string }) => { action: 'deny' }): void;
}

/** What Electron tells of a navigation that has begun, as far as it is used. */
export interface NavigationLike {
  readonly isMainFrame: boolean;
  readonly isSameDocument: boolean;
}

/** Electron's `Rectangle`: of a screen or on it, in its own pixels. */
export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Electron's `BrowserWindow`, as far as it is used. */
export interface BrowserWindowLike {
  readonly webContents: WebContentsLike;
  loadURL(url: string): Promise<void>;
  show(): void;
  hide(): void;
  focus(): void;
  restore(): void;
  isMinimized(): boolean;
  isVisible(): boolean;
  isFocused(): boolean;
  isMaximized(): boolean;
  maximize(): void;
  /** Place and size it has, or would have if it were not maximised. */
  getNormalBounds(): Rectangle;
  once(event: 'ready-to-show', listener: () => void): void;
  on(event: 'close', listener: (event: { preventDefault(): void }) => void): void;
}

/** Electron's `Session`, as far as it is used. */
export interface SessionLike {
  setPermissionRequestHandler(
    handler: (contents: unknown, permission: string, decide: (granted: boolean) => void) => void,
  ): void;
  setPermissionCheckHandler(handler: () => boolean): void;
  readonly webRequest: {
    onBeforeRequest(
      handler: (details: { readonly url: string }, decide: (answer: { cancel: boolean }) => void) => void,
    ): void;
  };
  readonly protocol: { handle(scheme: string, handler: (request: Request) => Response | Promise<Response>): void };
}

/** Electron's `Notification`, as far as it is used. */
export interface NotificationLike {
  show(): void;
  on(event: 'click', listener: () => void): void;
  on(event: 'action', listener: (event: unknown, index: number) => void): void;
}

/** Electron's `MenuItemConstructorOptions`, as far as it is used. */
export interface MenuItemTemplate {
  readonly label?: string;
  readonly type?: 'separator';
  readonly click?: () => void;
}

/** Electron's `Tray`, as far as it is used. */
export interface TrayLike {
  setToolTip(text: string): void;
  setContextMenu(menu: unknown): void;
  on(event: 'click', listener: () => void): void;
  destroy(): void;
}

/** To be used once the app is ready. `unlock-screen` comes on macOS and Windows. */
export interface PowerMonitorLike {
  on(event: 'unlock-screen', listener: () => void): void;
}

/** What is used of the module `electron`. */
export interface ElectronApi {
  readonly app: {
    requestSingleInstanceLock(): boolean;
    quit(): void;
    /** At once, asking nobody. */
    exit(code: number): void;
    readonly isPackaged: boolean;
    getVersion(): string;
    getLocale(): string;
    getPath(name: 'userData'): string;
    enableSandbox(): void;
    whenReady(): Promise<void>;
    setAsDefaultProtocolClient(scheme: string): boolean;
    setLoginItemSettings(settings: { readonly openAtLogin: boolean; readonly args: readonly string[] }): void;
    getLoginItemSettings(): { readonly openAtLogin: boolean };
    on(event: 'second-instance', listener: (event: unknown, argv: readonly string[]) => void): void;
    on(event: 'open-url' | 'open-file', listener: (event: { preventDefault(): void }, value: string) => void): void;
    on(event: 'activate' | 'window-all-closed' | 'before-quit', listener: () => void): void;
  };
  readonly BrowserWindow: new (options: Readonly<Record<string, unknown>>) => BrowserWindowLike;
  readonly ipcMain: {
    handle(channel: string, handler: (event: IpcEvent, ...args: readonly unknown[]) => unknown): void;
    on(channel: string, handler: (event: IpcEvent, ...args: readonly unknown[]) => void): void;
  };
  readonly protocol: {
    registerSchemesAsPrivileged(
      schemes: readonly { scheme: string; privileges: Readonly<Record<string, boolean>> }[],
    ): void;
  };
  readonly session: { readonly defaultSession: SessionLike };
  /** To be used once the app is ready. */
  readonly screen: { getAllDisplays(): readonly { readonly workArea: Rectangle }[] };
  readonly shell: { openExternal(url: string): Promise<void> };
  readonly Tray: new (image: unknown) => TrayLike;
  readonly Menu: {
    buildFromTemplate(items: readonly MenuItemTemplate[]): unknown;
    setApplicationMenu(menu: null): void;
  };
  readonly Notification: (new (options: Readonly<Record<string, unknown>>) => NotificationLike) & {
    isSupported(): boolean;
  };
  readonly powerMonitor: PowerMonitorLike;
  readonly nativeImage: { createFromPath(path: string): unknown };
}

/** Electron of the process we run in. Throws where this is plain Node. */
export function loadElectron(): ElectronApi {
  return createRequire(import.meta.url)('electron') as ElectronApi;
}
