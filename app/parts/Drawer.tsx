/** Detail beside a list: a region of its own that Escape closes, giving focus back to the list. */
import { useEffect, useRef, type ReactNode } from 'react';
import { useText } from '../text/text.ts';
import { IconButton } from './Button.tsx';

export function Drawer({
  title,
  sub,
  onClose,
  foot,
  children,
}: {
  title: ReactNode;
  sub?: ReactNode;
  onClose: () => void;
  foot?: ReactNode;
  children: ReactNode;
}): ReactNode {
  const t = useText();
  const region = useRef<HTMLElement>(null);
  useEffect(() => {
    const opener = document.activeElement;
    region.current?.focus({ preventScroll: true });
    return () => {
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  return (
    <aside
      ref={region}
      className="drawer"
      tabIndex={-1}
      aria-label={t('common.details')}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.stopPropagation();
        onClose();
      }}
    >
      <header className="drawer-head">
        <div className="clip" style={{ flex: 1 }}>
          <h2 className="drawer-title clip">{title}</h2>
          <div className="quiet clip">{sub}</div>
        </div>
        <IconButton icon="close" label={t('common.closeDetails')} onPress={onClose} />
      </header>
      <div className="drawer-body" tabIndex={0} role="group" aria-label={t('common.details')}>
        {children}
      </div>
      {foot === undefined ? null : <footer className="drawer-foot">{foot}</footer>}
    </aside>
  );
}
