/** Keys that work anywhere: the palette, the search of the screen that is shown, and what keys there are. */
import { useEffect, useState, type ReactNode } from 'react';
import { Dialog } from '../../parts/Dialogs.tsx';
import { Facts } from '../../parts/Pieces.tsx';
import { useText } from '../../text/text.ts';
import { Palette } from './Palette.tsx';

export function Shortcuts(): ReactNode {
  const t = useText();
  const [open, setOpen] = useState<'palette' | 'keys'>();
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        setOpen('palette');
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (event.key === '?') setOpen('keys');
      else if (event.key === '/') {
        const search = document.querySelector<HTMLInputElement>('#screen input[type="search"]');
        if (search === null) return;
        event.preventDefault();
        search.focus();
      }
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
  if (open === 'palette') return <Palette onClose={() => setOpen(undefined)} />;
  if (open !== 'keys') return null;
  const key = (name: string): ReactNode => <kbd>{name}</kbd>;
  return (
    <Dialog title={t('keys.title')} onClose={() => setOpen(undefined)}>
      <Facts
        items={[
          [key('Ctrl K'), t('keys.palette')],
          [key('/'), t('keys.search')],
          [key('↑ ↓'), t('keys.rows')],
          [key('Enter'), t('keys.open')],
          [key('Esc'), t('keys.close')],
          [key('Delete'), t('keys.end')],
          [key('?'), t('keys.title')],
        ]}
      />
    </Dialog>
  );
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable]') !== null;
}
