/** The tools that an agent may meet, as they were kept: those that changed or are new as diffs, the rest by their number. */
import { useCallback, useState, type ReactNode } from 'react';
import type { PinView } from '../../../main/api/views.ts';
import { Section } from '../../parts/Pieces.tsx';
import { useStores } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';
import { useOnRecords } from '../shared/use-records.ts';
import { PinDiff } from './PinDiff.tsx';

export function AgentPins({ reach }: { reach: readonly string[] }): ReactNode {
  const t = useText();
  const { engine } = useStores();
  const [pins, setPins] = useState<{ readonly kept: number; readonly waiting: readonly PinView[] }>();
  const services = reach.join('\n');
  const load = useCallback(async (): Promise<void> => {
    const own = new Set(services.split('\n'));
    const isOwn = ({ service }: PinView): boolean => own.has(service);
    try {
      const [all, waiting] = await Promise.all([
        engine.client.mcp.pins({ diff: false }),
        engine.client.mcp.pins({ diff: true }),
      ]);
      setPins({ kept: all.filter(isOwn).length, waiting: waiting.filter(isOwn) });
    } catch {
      // The link banner tells of a lost engine.
    }
  }, [engine, services]);
  useOnRecords(load);
  return (
    <Section title={t('pins.title')}>
      {pins === undefined ? null : (
        <p className="quiet">{t('pins.lead', { kept: pins.kept, waiting: pins.waiting.length })}</p>
      )}
      <ul className="stack" aria-label={t('pins.title')}>
        {pins?.waiting.map((pin) => (
          <PinDiff key={`${pin.service}/${pin.tool}`} pin={pin} onAccepted={() => void load()} />
        ))}
      </ul>
    </Section>
  );
}
