/** Save exactly what the filter finds, as it streams from the engine; beside it a manifest that says what it is and whether the journal held. */
import { useState, type ReactNode } from 'react';
import type { AuditExportItem } from '../../../main/api/record-views.ts';
import { Button } from '../../parts/Button.tsx';
import { Dialog } from '../../parts/Dialogs.tsx';
import { Choice } from '../../parts/Fields.tsx';
import { saveBlob, saveText } from '../../parts/save.ts';
import { useAction } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';
import type { AuditSearch } from '../shared/use-records.ts';

const formats = {
  json: { extension: 'jsonl', type: 'application/jsonl' },
  csv: { extension: 'csv', type: 'text/csv' },
  ocsf: { extension: 'ocsf.jsonl', type: 'application/jsonl' },
} as const;
type Format = keyof typeof formats;

export function ExportDialog({ search, onClose }: { search: AuditSearch; onClose: () => void }): ReactNode {
  const t = useText();
  const act = useAction();
  const [format, setFormat] = useState<Format>('json');
  const [saved, setSaved] = useState<number>();
  const save = async (): Promise<void> => {
    setSaved(0);
    const parts: string[] = [];
    const manifest = await act(async (client) => {
      let last: Extract<AuditExportItem, { kind: 'manifest' }>['manifest'] | undefined;
      for await (const item of client.audit.export({ ...search, format })) {
        if (item.kind === 'manifest') last = item.manifest;
        else {
          parts.push(item.text);
          setSaved((before) => (before ?? 0) + item.records);
        }
      }
      return last;
    });
    setSaved(undefined);
    if (manifest === undefined) return;
    const { extension, type } = formats[format];
    const name = `culvert-audit-${manifest.exportedAt.slice(0, 19).replaceAll(':', '')}.${extension}`;
    saveBlob(name, new Blob(parts, { type }));
    saveText(
      `${name}.manifest.json`,
      `${JSON.stringify({ file: name, ...manifest }, undefined, 2)}\n`,
      'application/json',
    );
    onClose();
  };
  return (
    <Dialog title={t('audit.exportTitle')} onClose={onClose}>
      <p>{t(Object.keys(search).length === 0 ? 'audit.exportAll' : 'audit.exportFiltered')}</p>
      <Choice
        label={t('audit.exportFormat')}
        value={format}
        onChange={setFormat}
        options={(['json', 'csv', 'ocsf'] as const).map((value) => ({ value, text: t(`audit.export.${value}`) }))}
        hint={t('audit.exportHint')}
      />
      <div className="dialog-actions">
        <span className="quiet push-start" role="status">
          {saved === undefined ? '' : t('audit.exported', { count: saved })}
        </span>
        <Button kind="plain" onPress={onClose}>
          {t('common.cancel')}
        </Button>
        <Button kind="primary" icon="download" isPending={saved !== undefined} onPress={() => void save()}>
          {t('common.save')}
        </Button>
      </div>
    </Dialog>
  );
}
