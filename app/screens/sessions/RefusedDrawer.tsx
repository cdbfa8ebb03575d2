/** One refused attempt: what was said then, how it stands now, and what to do. */
import { useEffect, useState, type ReactNode } from 'react';
import type { WhyView } from '../../../main/api/views.ts';
import { CopyButton } from '../../parts/CopyButton.tsx';
import { Drawer } from '../../parts/Drawer.tsx';
import { Facts, Notice, ReasonLines, Section } from '../../parts/Pieces.tsx';
import { useAction } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';
import { routeTo } from '../route.ts';
import { WhySteps } from '../services/Why.tsx';
import type { Refusal } from './refusals.ts';

export function RefusedDrawer({ refusal, onClose }: { refusal: Refusal; onClose: () => void }): ReactNode {
  const t = useText();
  const act = useAction();
  const [why, setWhy] = useState<WhyView>();
  const { destination, app, said, about } = refusal;
  useEffect(() => {
    if (destination === '') return;
    void act((client) => client.service.why(app === undefined ? { destination } : { destination, app })).then(setWhy);
  }, [act, destination, app]);
  return (
    <Drawer
      title={destination}
      sub={t('refused.sub', { program: refusal.program ?? t('session.unknownProgram') })}
      onClose={onClose}
      foot={
        <>
          <CopyButton
            size="normal"
            words
            what={t('refused.command')}
            text={`culvert why ${destination}${app === undefined ? '' : ` --app ${app}`}`}
          />
          <a className="button" href={routeTo('audit', undefined, { text: destination, decision: 'deny' })}>
            {t('refused.inAudit')}
          </a>
        </>
      }
    >
      <Notice tone="bad">
        <ReasonLines reason={t.reason(said, about)} />
      </Notice>
      <Facts
        items={[
          [t('refused.at'), t.format.instant(refusal.at, false)],
          [
            t('session.program'),
            refusal.programPath === undefined ? refusal.program : <span className="mono">{refusal.programPath}</span>,
          ],
          [t('session.service'), refusal.service],
          [t('refused.rule'), refusal.rule === undefined ? undefined : <code>{refusal.rule}</code>],
        ]}
      />
      {why === undefined ? null : (
        <Section title={t('refused.now')}>
          <WhySteps why={why} />
        </Section>
      )}
    </Drawer>
  );
}
