/** How much the engine writes to its log, changed while it runs. */
import { useEffect, useState, type ReactNode } from 'react';
import { Choice } from '../../parts/Fields.tsx';
import { useAction, useStores } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';

const levels = ['error', 'warn', 'info', 'debug', 'trace'] as const;
type Level = (typeof levels)[number];

export function LogLevel(): ReactNode {
  const t = useText();
  const act = useAction();
  const { engine } = useStores();
  const [level, setLevel] = useState<Level>('info');
  useEffect(() => {
    engine.client.engine
      .settings()
      .then(({ logLevel }) => setLevel(levels.find((one) => one === logLevel) ?? 'info'))
      .catch(() => undefined); // the level stays as assumed; the link banner tells of a lost engine
  }, [engine]);
  return (
    <Choice
      label={t('diagnostics.logLevel')}
      value={level}
      onChange={(chosen) => {
        setLevel(chosen);
        void act(
          (client) => client.engine.setLogLevel({ level: chosen }),
          t('diagnostics.logLevelSet', { level: t(`level.${chosen}`) }),
        );
      }}
      options={levels.map((value) => ({ value, text: t(`level.${value}`) }))}
    />
  );
}
