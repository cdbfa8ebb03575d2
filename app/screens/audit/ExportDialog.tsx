/** Save what the filter finds, as JSON lines or CSV. */
import { useState, type ReactNode } from 'react';
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import { Button } from '../../parts/Button.tsx';
import { Dialog } from '../../parts/Dialogs.tsx';
import { Choice } from '../../parts/Fields.tsx';
import { saveText } from '../../parts/save.ts';
import { useAction } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';
import { toCsv } from './audit-csv.ts';
import type { AuditFilter } from './use-audit-search.ts';

const maxRecords = 100_000;

export function ExportDialog({ filter, onClose }: { filter: AuditFilter; onClose: () => void }): ReactNode {
  const t = useText();
  const act = useAction();
  const [format, setFormat] = useState<'jsonl' | 'csv'>('jsonl');
  const [pending, setPending] = useState(false);
  const save = async (): Promise<void> => {
    setPending(true);
    const found = await act((client) => client.audit.search({ ...filter, limit: maxRecords }));
    setPending(false);
    if (found === undefined) return;
    const records = [...found].sort((a: AuditRecordView, b: AuditRecordView) => a.seq - b.seq);
    const day = new Date().toISOString().slice(0, 10);
    if (format === 'csv') saveText(`culvert-audit-${day}.csv`, toCsv(records), 'text/csv');
    else
      saveText(
        `culvert-audit-${day}.jsonl`,
        records.map((record) => `${JSON.stringify(record)}\n`).join(''),
        'application/jsonl',
      );
    onClose();
  };
  return (
    <Dialog title={t('audit.exportTitle')} onClose={onClose}>
      <p>{t(Object.keys(filter).length === 0 ? 'audit.exportAll' : 'audit.exportFiltered')}</p>
      <Choice
        label={t('audit.exportFormat')}
        value={format}
        onChange={setFormat}
        options={[
          { value: 'jsonl', text: t('audit.exportJsonl') },
          { value: 'csv', text: t('audit.exportCsv') },
        ]}
        hint={t('audit.exportHint')}
      />
      <div className="dialog-actions">
        <Button kind="plain" onPress={onClose}>
          {t('common.cancel')}
        </Button>
        <Button kind="primary" icon="download" isPending={pending} onPress={() => void save()}>
          {t('common.save')}
        </Button>
      </div>
    </Dialog>
  );
}
