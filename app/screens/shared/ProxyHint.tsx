/** How a program gets to services where nothing is intercepted: through the engine's proxy on loopback. */
import type { ReactNode } from 'react';
import { Notice } from '../../parts/Pieces.tsx';
import { useEngine } from '../../store/hooks.tsx';
import { selectStatus } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';

/** Nothing in the other modes, or where the engine listens nowhere. */
export function ProxyHint(): ReactNode {
  const t = useText();
  const status = useEngine(selectStatus);
  if (status?.mode !== 'proxy' || status.proxy === undefined) return null;
  const { listen } = status.proxy;
  return (
    <Notice>
      <p>{t('proxy.hint', { listen })}</p>
      <code className="notice-code">{`export ALL_PROXY=socks5h://${listen}`}</code>
    </Notice>
  );
}
