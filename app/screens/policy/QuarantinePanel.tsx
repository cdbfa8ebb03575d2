/** What is cut off now, why, by whom; and the way to add to it or to let go. */
import { useState, type ReactNode } from 'react';
import { Form } from 'react-aria-components';
import type { QuarantineView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { Dialog } from '../../parts/Dialogs.tsx';
import { Choice, Field } from '../../parts/Fields.tsx';
import { Empty, Tag } from '../../parts/Pieces.tsx';
import { useAction, useNow } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';

const kinds = ['app', 'service', 'identity', 'session'] as const;

export function QuarantinePanel({ entries }: { entries: readonly QuarantineView[] }): ReactNode {
  const t = useText();
  const act = useAction();
  const nowMs = useNow();
  const [adding, setAdding] = useState(false);
  const add = (
    <Button icon="plus" onPress={() => setAdding(true)}>
      {t('quarantine.addSomething')}
    </Button>
  );
  return (
    <div className="stack">
      {entries.length === 0 ? (
        <Empty title={t('quarantine.emptyTitle')} text={t('quarantine.emptyText')} icon="shield">
          {add}
        </Empty>
      ) : (
        <>
          <div>{add}</div>
          <ul className="card line-list quarantine">
            {entries.map((entry) => {
              const [kind = '', ...rest] = entry.subject.split(':');
              const name = rest.join(':');
              return (
                <li key={entry.subject}>
                  <Tag tone="bad">{t(`quarantine.kind.${kinds.find((one) => one === kind) ?? 'app'}`)}</Tag>
                  <div>
                    <div className="clip" style={{ fontWeight: 560 }}>
                      {name}
                    </div>
                    <div className="quiet clip">
                      {t('quarantine.facts', {
                        by: t(`quarantine.by.${entry.by}`),
                        when: t.format.relative(entry.since, nowMs),
                        cause: t.reason({
                          code: entry.causeCode,
                          sentence: entry.cause,
                          details: entry.causeDetails,
                        }).sentence,
                      })}
                    </div>
                  </div>
                  <Button
                    size="small"
                    aria-label={t('quarantine.releaseOf', { name })}
                    onPress={() =>
                      void act(
                        (client) => client.quarantine.release({ subject: entry.subject }),
                        t('quarantine.released', { name }),
                      )
                    }
                  >
                    {t('quarantine.release')}
                  </Button>
                </li>
              );
            })}
          </ul>
        </>
      )}
      {adding ? <AddDialog onClose={() => setAdding(false)} /> : null}
    </div>
  );
}

function AddDialog({ onClose }: { onClose: () => void }): ReactNode {
  const t = useText();
  const act = useAction();
  const [kind, setKind] = useState<(typeof kinds)[number]>('app');
  const [name, setName] = useState('');
  const [cause, setCause] = useState('');
  const add = (): Promise<unknown> =>
    act(
      (client) =>
        client.quarantine.add({
          subject: `${kind}:${name.trim()}`,
          ...(cause.trim() === '' ? {} : { cause: cause.trim() }),
        }),
      t('quarantine.added', { name: name.trim() }),
    );
  return (
    <Dialog title={t('quarantine.addSomething')} onClose={onClose}>
      <p>{t('quarantine.askText')}</p>
      <Form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void add().finally(onClose);
        }}
      >
        <Choice
          label={t('quarantine.what')}
          value={kind}
          onChange={setKind}
          options={kinds.map((value) => ({ value, text: t(`quarantine.kind.${value}`) }))}
        />
        <Field
          label={t('quarantine.name')}
          value={name}
          onChange={setName}
          hint={t(`quarantine.nameHint.${kind}`)}
          mono
        />
        <Field label={t('quarantine.cause')} value={cause} onChange={setCause} />
        <div className="dialog-actions">
          <Button kind="plain" onPress={onClose}>
            {t('common.cancel')}
          </Button>
          <Button kind="danger" type="submit" isDisabled={name.trim() === ''}>
            {t('quarantine.add')}
          </Button>
        </div>
      </Form>
    </Dialog>
  );
}
