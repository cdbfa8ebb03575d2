import { describe, expect, it } from 'vitest';
import { silentLog } from '../../main/base/log.ts';
import type { SessionLike, WebContentsLike } from '../../main/shell/electron.ts';
import { lockContents, lockSession, windowOptions } from '../../main/shell/main-window.ts';
import { isOwnFrame, mayHave, mayNavigate, mayOpenOutside, mayRequest } from '../../main/shell/refusals.ts';

const own = 'culvert-window://app/index.html';

describe('leaving the page', () => {
  it.each([own, `${own}#/sessions`])('stays possible within it: %s', (url) => expect(mayNavigate(url)).toBe(true));

  it.each([
    'https://evil.example/',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'data:text/html,<script></script>',
    'culvert-window://evil/index.html',
    'culvert-window://app/other.html',
    'culvert-window://app@evil.example/index.html',
    'nonsense',
    '',
  ])('is refused: %s', (url) => expect(mayNavigate(url)).toBe(false));
});

describe('requests of the page', () => {
  it('reach only its own files', () => {
    expect(mayRequest('culvert-window://app/assets/main.js')).toBe(true);
    for (const url of [
      'https://example.com',
      'http://127.0.0.1:1280',
      'ws://127.0.0.1',
      'file:///etc/passwd',
      'culvert-window://apple/x',
    ]) {
      expect(mayRequest(url)).toBe(false);
    }
  });
});

describe('opening outside', () => {
  it('takes https alone, without credentials', () => {
    expect(mayOpenOutside('https://idp.example/authorize?x=1')).toBe(true);
    for (const url of [
      'http://idp.example',
      'file:///bin/sh',
      'smb://host/x',
      'https://user:pw@idp.example',
      'x',
      7,
      null,
      `https://a/${'b'.repeat(5000)}`,
    ]) {
      expect(mayOpenOutside(url)).toBe(false);
    }
  });
});

describe('permissions', () => {
  it.each([
    'media',
    'geolocation',
    'notifications',
    'clipboard-read',
    'openExternal',
    'fileSystem',
    'hid',
    'serial',
    'usb',
  ])('refuses %s', (permission) => expect(mayHave(permission)).toBe(false));
});

describe('senders', () => {
  it('counts only the top frame of our own page', () => {
    expect(isOwnFrame({ url: own, parent: null })).toBe(true);
    expect(isOwnFrame({ url: own, parent: { url: own, parent: null } })).toBe(false);
    expect(isOwnFrame({ url: 'https://evil.example', parent: null })).toBe(false);
    expect(isOwnFrame(null)).toBe(false);
  });
});

describe('the handlers given to Electron', () => {
  it('prevent navigation, redirects, web views and new windows, and hand https links to the browser', () => {
    const listeners = new Map<string, (event: { preventDefault(): void }, url: string) => void>();
    let openHandler: ((details: { url: string }) => { action: 'deny' }) | undefined;
    const contents = {
      id: 1,
      send: () => undefined,
      isDestroyed: () => false,
      once: () => undefined,
      on: (event: string, listener: (event: { preventDefault(): void }, url: string) => void) =>
        listeners.set(event, listener),
      setWindowOpenHandler: (handler: (details: { url: string }) => { action: 'deny' }) => {
        openHandler = handler;
      },
    } as unknown as WebContentsLike;
    const opened: string[] = [];
    lockContents(contents, (url) => opened.push(url), silentLog);
    const prevented = (event: string, url: string): boolean => {
      let stopped = false;
      listeners.get(event)?.({ preventDefault: () => (stopped = true) }, url);
      return stopped;
    };
    expect(prevented('will-navigate', 'https://evil.example')).toBe(true);
    expect(prevented('will-redirect', 'https://evil.example')).toBe(true);
    expect(prevented('will-attach-webview', own)).toBe(true);
    expect(prevented('will-navigate', own)).toBe(false);
    expect(openHandler?.({ url: 'https://docs.example' })).toEqual({ action: 'deny' });
    expect(openHandler?.({ url: 'file:///bin/sh' })).toEqual({ action: 'deny' });
    expect(opened).toEqual(['https://docs.example']);
  });

  it('deny every permission and every foreign request, and answer the window’s scheme', async () => {
    let permission: Parameters<SessionLike['setPermissionRequestHandler']>[0] | undefined;
    let check: (() => boolean) | undefined;
    let before: Parameters<SessionLike['webRequest']['onBeforeRequest']>[0] | undefined;
    let answer: ((request: Request) => Response | Promise<Response>) | undefined;
    const session: SessionLike = {
      setPermissionRequestHandler: (handler) => (permission = handler),
      setPermissionCheckHandler: (handler) => (check = handler),
      webRequest: { onBeforeRequest: (handler) => (before = handler) },
      protocol: { handle: (_scheme, handler) => (answer = handler) },
    };
    const body = new Uint8Array([104, 105]);
    lockSession(session, () => ({ status: 200, headers: { 'content-type': 'text/plain' }, body }), silentLog);
    let granted: boolean | undefined;
    permission?.({}, 'media', (decision) => (granted = decision));
    expect(granted).toBe(false);
    expect(check?.()).toBe(false);
    let cancelled: boolean | undefined;
    before?.({ url: 'https://evil.example' }, (decision) => (cancelled = decision.cancel));
    expect(cancelled).toBe(true);
    const response = await answer?.({ url: own } as Request);
    expect(await response?.text()).toBe('hi');
  });

  it('opens the window sandboxed, isolated and without Node', () => {
    expect(windowOptions('/p.cjs', '/i.png')['webPreferences']).toMatchObject({
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      webviewTag: false,
    });
  });
});
