/** The ways to open a service, each to be pressed or copied. */
import type { ReactNode } from 'react';
import type { ServiceView } from '../../../main/api/views.ts';
import { CopyButton } from '../../parts/CopyButton.tsx';
import { Section } from '../../parts/Pieces.tsx';
import { useEngine, useStores } from '../../store/hooks.tsx';
import { selectStatus } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { openLines } from './open-lines.ts';

export function OpenService({ service }: { service: ServiceView }): ReactNode {
  const t = useText();
  const { bridge } = useStores();
  const status = useEngine(selectStatus);
  const lines = status === undefined ? [] : openLines(service, status);
  if (lines.length === 0) return null;
  return (
    <Section title={t('open.title')}>
      <ul className="open-lines">
        {lines.map(({ tool, line, url }) => (
          <li key={tool}>
            {url === undefined ? (
              <code className="clip" title={line}>
                {line}
              </code>
            ) : (
              <a
                className="clip"
                href={url}
                target="_blank"
                rel="noreferrer"
                onClick={(event) => {
                  // The shell opens nothing itself, and hands on what is https.
                  if (bridge.shell === undefined || !url.startsWith('https:')) return;
                  event.preventDefault();
                  void bridge.shell.openExternal(url);
                }}
              >
                {t('open.browser', { url })}
              </a>
            )}
            <CopyButton text={line} what={t('open.line', { tool })} />
          </li>
        ))}
      </ul>
    </Section>
  );
}
