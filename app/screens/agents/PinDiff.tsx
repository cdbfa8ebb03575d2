/** A tool whose definition changed or that is new: what it was and what it is, field by field, and letting it in. */
import { useState, type ReactNode } from 'react';
import type { PinView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { Notice, Tag } from '../../parts/Pieces.tsx';
import { useAction } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';
import { changedFields } from './pin-fields.ts';

export function PinDiff({ pin, onAccepted }: { pin: PinView; onAccepted: () => void }): ReactNode {
  const t = useText();
  const act = useAction();
  const [pending, setPending] = useState(false);
  const accept = async (): Promise<void> => {
    setPending(true);
    const { service, tool } = pin;
    const done = await act(
      (client) => client.mcp.acceptPins({ service, tools: [tool] }),
      t('pins.accepted', { tool: pin.tool }),
    );
    setPending(false);
    if (done !== undefined) onAccepted();
  };
  return (
    <li className="stack" aria-label={pin.tool}>
      <div className="section-title">
        <span className="mono">{pin.tool}</span>
        <span className="quiet">{pin.service}</span>
        <Tag tone={pin.state === 'changed' ? 'bad' : 'warn'}>{t(`pins.state.${pin.state}`)}</Tag>
        <span className="push-end">
          <Button
            size="small"
            isPending={pending}
            aria-label={t('pins.acceptOf', { tool: pin.tool })}
            onPress={() => void accept()}
          >
            {t('pins.accept')}
          </Button>
        </span>
      </div>
      {pin.flags.map(({ kind, place, found }) => (
        <Notice key={`${kind}${place}${found}`} tone="bad">
          {t('pins.flag', { place })} <q className="mono">{found}</q> <span className="quiet">{kind}</span>
        </Notice>
      ))}
      <dl className="diff">
        {changedFields(pin).map(({ field, removed, added }) => (
          <div key={field}>
            <dt className="quiet small">{field}</dt>
            <dd>
              {removed.map((line, index) => (
                <del key={index}>{line}</del>
              ))}
              {added.map((line, index) => (
                <ins key={index}>{line}</ins>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </li>
  );
}
