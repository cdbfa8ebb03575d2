/** Everything the shell says no to. Pure: the handlers given to Electron call these and do as they say. */
import type { FrameLike } from './electron.ts';
import { windowAddress, windowOrigin } from './channels.ts';

/** The window stays on its own page: it may reload it, and go nowhere. */
export function mayNavigate(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const target = new URL(url);
  target.hash = '';
  target.search = '';
  return target.href === windowAddress;
}

/** Requests of the page itself: its own files, and what it made in memory. No network at all. */
export function mayRequest(url: string): boolean {
  return url.startsWith(`${windowOrigin}/`) || url.startsWith('blob:') || url.startsWith('devtools:');
}

/** No permission is ever granted but writing the clipboard, which copies what the person asked to copy. */
export function mayHave(permission: string): boolean {
  return permission === 'clipboard-sanitized-write';
}

/** Messages count only from our page's own top frame: not from a frame within it, not from a frame that is gone. */
export function isOwnFrame(frame: FrameLike | null): boolean {
  return frame !== null && frame.parent === null && mayNavigate(frame.url);
}

/** The user's browser is opened for https alone: no file, no other program's scheme, no credentials in the address. */
export function mayOpenOutside(url: unknown): url is string {
  if (typeof url !== 'string' || url.length > 4096 || !URL.canParse(url)) return false;
  const target = new URL(url);
  return target.protocol === 'https:' && target.username === '' && target.password === '';
}
