/** How a program gets to services where nothing is intercepted: through the engine's proxy on loopback. */
import type { ReactNode } from 'react';
import { CopyButton } from '../../parts/CopyButton.tsx';
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
  const line = `export ALL_PROXY=socks5h://${listen}`;
  return (
    <Notice>
      <p>{t('proxy.hint', { listen })}</p>
      <span className="copyable">
        <code className="notice-code">{line}</code>
        <CopyButton text={line} what={t('gone.command')} />
      </span>
    </Notice>
  );
}
