/** Keeps the keyboard where it was: when what had the focus goes with what it did, the row that it stood in takes it. */
import { useEffect, useLayoutEffect, useRef, type FocusEvent, type RefObject } from 'react';

/** @param fallback selects, inside `host`, what takes the focus. Returns what the host has to listen with. */
export function useKeptFocus(
  host: RefObject<HTMLElement | null>,
  fallback: string,
): { readonly onFocus: () => void; readonly onBlur: (event: FocusEvent<HTMLElement>) => void } {
  const held = useRef(false);
  useEffect(() => {
    const abort = new AbortController();
    document.addEventListener(
      'pointerdown',
      ({ target }) => {
        if (!(target instanceof Node) || host.current?.contains(target) !== true) held.current = false;
      },
      { capture: true, signal: abort.signal },
    );
    return () => abort.abort();
  }, [host]);
  useLayoutEffect(() => {
    if (!held.current || document.activeElement !== document.body) return;
    host.current?.querySelector<HTMLElement>(fallback)?.focus({ preventScroll: true });
  });
  return {
    onFocus: () => (held.current = true),
    onBlur({ relatedTarget }) {
      // Without one it is a removal, or the window lost the focus: neither is the person going elsewhere.
      if (relatedTarget instanceof Node && host.current?.contains(relatedTarget) !== true) held.current = false;
    },
  };
}
