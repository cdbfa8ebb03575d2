/** A support bundle: what would be in it and how much was blacked out, before anything is saved. */
import { useEffect, useState, type ReactNode } from 'react';
import type { BundleView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { Dialog } from '../../parts/Dialogs.tsx';
import { saveBase64 } from '../../parts/save.ts';
import { Segments } from '../../parts/Segments.tsx';
import { useAction } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';

export function BundleDialog({ onClose }: { onClose: () => void }): ReactNode {
  const t = useText();
  const act = useAction();
  const [redact, setRedact] = useState<'basic' | 'full'>('full');
  const [preview, setPreview] = useState<BundleView>();
  const [pending, setPending] = useState(false);
  useEffect(() => {
    setPreview(undefined);
    void act((client) => client.engine.bundle({ redact, preview: true })).then(setPreview);
  }, [act, redact]);
  const save = async (): Promise<void> => {
    setPending(true);
    const bundle = await act((client) => client.engine.bundle({ redact }));
    setPending(false);
    if (bundle?.data === undefined) return;
    saveBase64('culvert-bundle.zip', bundle.data, 'application/zip');
    onClose();
  };
  return (
    <Dialog title={t('bundle.title')} onClose={onClose} wide>
      <p>{t('bundle.text')}</p>
      <div className="field">
        <div>
          <Segments
            label={t('bundle.redact')}
            value={redact}
            onChange={setRedact}
            segments={(['full', 'basic'] as const).map((value) => ({ value, text: t(`bundle.redact.${value}`) }))}
          />
        </div>
        <p className="field-hint">{t(`bundle.redactHint.${redact}`)}</p>
      </div>
      <div className="bundle" role="region" aria-label={t('bundle.preview')} tabIndex={0}>
        {preview === undefined ? (
          <div className="skeleton" style={{ height: 140 }} />
        ) : (
          <ul className="line-list names">
            {preview.entries.map((entry) => (
              <li key={entry.name}>
                <span className="mono clip">{entry.name}</span>
                <span className="quiet">
                  {t('bundle.entry', { bytes: t.format.bytes(entry.bytes), redactions: entry.redactions })}
                </span>
              </li>
            ))}
          </ul>
        )}
      </div>
      <div className="dialog-actions">
        <Button kind="plain" onPress={onClose}>
          {t('common.cancel')}
        </Button>
        <Button
          kind="primary"
          icon="download"
          isPending={pending}
          isDisabled={preview === undefined}
          onPress={() => void save()}
        >
          {t('common.save')}
        </Button>
      </div>
    </Dialog>
  );
}
