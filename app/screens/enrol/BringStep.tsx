/** Step one: drop, choose or paste a token; or give a controller's address to sign in. */
import { useState, type ReactNode } from 'react';
import { DropZone, FileTrigger, Form, Text as AriaText } from 'react-aria-components';
import { Button } from '../../parts/Button.tsx';
import { Field } from '../../parts/Fields.tsx';
import { Icon } from '../../parts/Icon.tsx';
import { useText } from '../../text/text.ts';
import type { Brought } from './EnrolScreen.tsx';
import { recogniseSource } from './enrol-source.ts';

/** No token and no identity file comes near this; a larger file was dropped by mistake. */
const maxFileBytes = 1_048_576;

export function BringStep({ onBrought }: { onBrought: (brought: Brought) => void }): ReactNode {
  const t = useText();
  const [pasted, setPasted] = useState('');
  const [error, setError] = useState<string>();
  const take = (text: string, fileName?: string): void => {
    const source = recogniseSource(text);
    if (source.kind === 'unknown') setError(t('enrol.unknown'));
    else onBrought(fileName === undefined ? { source } : { source, fileName });
  };
  const takeFile = async (file: File): Promise<void> => {
    if (file.size > maxFileBytes) setError(t('enrol.tooLarge'));
    else take(await file.text(), file.name);
  };
  return (
    <div className="stack">
      <DropZone
        className="drop"
        getDropOperation={() => 'copy'}
        onDrop={(event) => {
          for (const item of event.items) {
            if (item.kind === 'file') void item.getFile().then(takeFile);
            else if (item.kind === 'text') void item.getText('text/plain').then((text) => take(text));
          }
        }}
      >
        <Icon name="upload" size={26} />
        <AriaText slot="label" className="drop-label">
          {t('enrol.drop')}
        </AriaText>
        <FileTrigger
          acceptedFileTypes={['.jwt', '.json', 'application/jwt']}
          onSelect={(files) => {
            const file = files?.[0];
            if (file !== undefined) void takeFile(file);
          }}
        >
          <Button>{t('enrol.choose')}</Button>
        </FileTrigger>
      </DropZone>
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
            setError(undefined);
          }}
          error={error}
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
