/** One record: when, what the chain has of it, all its fields, and the list narrowed to what it is about. */
import type { ReactNode } from 'react';
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import { Button } from '../../parts/Button.tsx';
import { Drawer } from '../../parts/Drawer.tsx';
import { Facts, Notice, Section } from '../../parts/Pieces.tsx';
import { useText } from '../../text/text.ts';
import { dataCount } from '../agents/tool-counts.ts';
import { useRoute } from '../route.ts';
import { JsonBlock } from '../shared/JsonBlock.tsx';
import { chipFields } from './audit-filter.ts';
import { auditBody, auditKind } from './audit-words.ts';

export function RecordDrawer({
  record,
  utc,
  onClose,
}: {
  record: AuditRecordView;
  utc: boolean;
  onClose: () => void;
}): ReactNode {
  const t = useText();
  const { narrow } = useRoute();
  const found = dataCount(record);
  const fields = chipFields.flatMap((field) => {
    const value = record[field];
    return typeof value === 'string' && value !== '' && field !== 'kind' ? [{ field, value }] : [];
  });
  const mono = (name: string): ReactNode =>
    typeof record[name] === 'string' ? <span className="mono small">{record[name]}</span> : undefined;
  return (
    <Drawer
      title={auditKind(record, t)}
      sub={`#${t.format.number(record.seq)} · ${record.kind}`}
      onClose={onClose}
      foot={fields.map(({ field, value }) => (
        <Button key={field} size="small" onPress={() => narrow({ [field]: value })}>
          {t('audit.only', { field: t(`audit.field.${field}`) })}
        </Button>
      ))}
    >
      {found === 0 ? null : <Notice tone="warn">{t('audit.dataFound', { count: found })}</Notice>}
      <Facts
        items={[
          [t('audit.at'), t.format.instant(record.at, utc)],
          [t('audit.hash'), mono('hash')],
          [t('audit.prev'), mono('prev')],
        ]}
      />
      <Section title={t('audit.record')}>
        <JsonBlock value={auditBody(record)} label={t('audit.record')} />
      </Section>
    </Drawer>
  );
}
