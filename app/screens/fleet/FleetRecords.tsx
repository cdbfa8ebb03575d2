/** What happened on all devices, on one line of time; each record leads to more of its kind, and to an order. */
import { useState, type ReactNode } from 'react';
import type { FleetRecordView } from '../../../main/api/record-views.ts';
import { Confirm } from '../../parts/Dialogs.tsx';
import { ActionMenu } from '../../parts/Menu.tsx';
import { Section, Tag } from '../../parts/Pieces.tsx';
import { useAction } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';
import { auditDecision, auditKind, auditLine } from '../audit/audit-words.ts';
import { useRoute } from '../route.ts';

const fields = ['device', 'agent', 'service', 'identity', 'kind'] as const;
const subjects = { agent: 'app', service: 'service', identity: 'identity' } as const;

export function FleetRecords({
  records,
  onOrdered,
}: {
  records: readonly FleetRecordView[];
  onOrdered: () => Promise<void>;
}): ReactNode {
  const t = useText();
  const act = useAction();
  const { narrow } = useRoute();
  const [subject, setSubject] = useState<string>();
  return (
    <Section title={t('fleet.timeline')}>
      {records.length === 0 ? <p className="quiet">{t('audit.noMatch')}</p> : null}
      <ol className="card line-list fleet-records" aria-label={t('fleet.timeline')}>
        {records.map((record) => {
          const decision = auditDecision(record);
          const valueOf = (field: (typeof fields)[number]): string | undefined => {
            const value = record[field];
            return typeof value === 'string' && value !== '' ? value : undefined;
          };
          return (
            <li key={`${record.origin}/${record.branch}/${record.seq}`}>
              <span className="quiet small">{t.format.recently(record.at, Date.now(), false)}</span>
              <span style={{ fontWeight: 540 }}>{record.device}</span>
              <span>{auditKind(record, t)}</span>
              <span className="clip quiet" title={auditLine(record)}>
                {auditLine(record)}
              </span>
              {decision === undefined ? (
                <span />
              ) : (
                <Tag tone={decision === 'allow' ? 'ok' : 'bad'}>{t(`decision.${decision}`)}</Tag>
              )}
              <ActionMenu
                size="small"
                label={t('fleet.more', { device: record.device, seq: record.seq })}
                actions={[
                  ...fields.flatMap((field) => {
                    const value = valueOf(field);
                    return value === undefined
                      ? []
                      : [
                          {
                            id: field,
                            text: t('fleet.only', { field: t(`fleet.field.${field}`), value }),
                            run: () => narrow({ [field]: value }),
                          },
                        ];
                  }),
                  ...(['agent', 'service', 'identity'] as const).flatMap((field) => {
                    const value = valueOf(field);
                    return value === undefined
                      ? []
                      : [
                          {
                            id: `order-${field}`,
                            tone: 'bad' as const,
                            text: t('fleet.quarantine', { name: value }),
                            run: () => setSubject(`${subjects[field]}:${value}`),
                          },
                        ];
                  }),
                ]}
              />
            </li>
          );
        })}
      </ol>
      {subject === undefined ? null : (
        <Confirm
          title={t('fleet.askTitle', { subject })}
          text={t('fleet.askText')}
          action={t('quarantine.add')}
          danger
          act={() =>
            act(
              (client) => client.fleet.order({ action: 'quarantine', subject }),
              t('quarantine.added', { name: subject }),
            ).then(onOrdered)
          }
          onClose={() => setSubject(undefined)}
        />
      )}
    </Section>
  );
}
