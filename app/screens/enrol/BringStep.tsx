/** Step one: drop, choose or paste a token; or give a controller's address to sign in. */
import { useState, type ReactNode } from 'react';
import { FileTrigger, Form } from 'react-aria-components';
import { Button } from '../../parts/Button.tsx';
import { Field } from '../../parts/Fields.tsx';
import { Icon } from '../../parts/Icon.tsx';
import { useText } from '../../text/text.ts';
import { maxSourceBytes } from './enrol-source.ts';

/** @param refused what was last brought is nothing one can enrol with; the page itself takes what is dropped. */
export function BringStep({
  take,
  refused,
  onChange,
}: {
  take: (text: string, fileName?: string) => void;
  refused: boolean;
  onChange: () => void;
}): ReactNode {
  const t = useText();
  const [pasted, setPasted] = useState('');
  return (
    <div className="stack">
      <div className="drop" role="group" aria-label={t('enrol.drop')}>
        <Icon name="upload" size={26} />
        <p className="drop-label">{t('enrol.drop')}</p>
        <FileTrigger
          acceptedFileTypes={['.jwt', '.json', 'application/jwt']}
          onSelect={(files) => {
            const file = files?.[0];
            if (file === undefined) return;
            if (file.size > maxSourceBytes) take('');
            else void file.text().then((text) => take(text, file.name));
          }}
        >
          <Button>{t('enrol.choose')}</Button>
        </FileTrigger>
      </div>
      <div className="or">
        <span>{t('enrol.or')}</span>
      </div>
      <Form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          take(pasted);
        }}
      >
        <Field
          label={t('enrol.paste')}
          hint={t('enrol.pasteHint')}
          value={pasted}
          onChange={(value) => {
            setPasted(value);
            onChange();
          }}
          error={refused ? t('enrol.unknown') : undefined}
          lines
        />
        <div className="dialog-actions">
          <Button kind="primary" type="submit" isDisabled={pasted.trim() === ''}>
            {t('enrol.continue')}
          </Button>
        </div>
      </Form>
    </div>
  );
}
