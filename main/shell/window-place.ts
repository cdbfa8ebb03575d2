/** Where the window stands and how large it is, kept from one start to the next. Pure. */
import type { Rectangle } from './electron.ts';

/** As it was when it was last closed. */
export interface WindowPlace extends Rectangle {
  readonly maximized: boolean;
}

/** What the window is no smaller than. */
export const smallest = { width: 720, height: 480 } as const;
const usual = { width: 1200, height: 780 } as const;

/** How much of it has to be on a screen to be found there and moved. */
const graspable = { width: 120, height: 40 } as const;

/** Undefined for what is no place. */
export function parsePlace(raw: unknown): WindowPlace | undefined {
  if (typeof raw !== 'object' || raw === null) return undefined;
  const { x, y, width, height, maximized } = raw as Readonly<Record<string, unknown>>;
  if (![x, y, width, height].every(Number.isSafeInteger) || typeof maximized !== 'boolean') return undefined;
  return { x, y, width, height, maximized } as WindowPlace;
}

/** Options of the window: where it was, if one of today's screens still shows it there; else the usual size, placed by the desktop. */
export function placeOptions(
  kept: WindowPlace | undefined,
  screens: readonly Rectangle[],
): Partial<Rectangle> & { readonly width: number; readonly height: number } {
  if (kept === undefined) return usual;
  const width = Math.max(kept.width, smallest.width);
  const height = Math.max(kept.height, smallest.height);
  return screens.some((screen) => isShown({ ...kept, width, height }, screen))
    ? { x: kept.x, y: kept.y, width, height }
    : { width, height };
}

/** Its upper edge counts: by that it is moved. */
function isShown(window: Rectangle, screen: Rectangle): boolean {
  const across = Math.min(window.x + window.width, screen.x + screen.width) - Math.max(window.x, screen.x);
  return across >= graspable.width && window.y >= screen.y && window.y + graspable.height <= screen.y + screen.height;
}
