/** Whether the journal is whole: its chain head as reported, and a full check on demand. */
import { useState, type ReactNode } from 'react';
import type { AuditVerifyView } from '../../../main/api/record-views.ts';
import { Button } from '../../parts/Button.tsx';
import { Icon } from '../../parts/Icon.tsx';
import { useAction, useEngine } from '../../store/hooks.tsx';
import { selectStatus } from '../../store/selectors.ts';
import { useText, type Text } from '../../text/text.ts';

export function Integrity(): ReactNode {
  const t = useText();
  const act = useAction();
  const status = useEngine(selectStatus);
  const [checked, setChecked] = useState<AuditVerifyView>();
  const [pending, setPending] = useState(false);
  const verify = async (): Promise<void> => {
    setPending(true);
    setChecked(await act((client) => client.audit.verify({})));
    setPending(false);
  };
  const bad = checked !== undefined && !checked.ok;
  return (
    <div className="integrity" data-tone={checked === undefined ? 'plain' : bad ? 'bad' : 'ok'} role="status">
      <Icon name={bad ? 'warning' : 'shield'} size={20} />
      <div style={{ minWidth: 0 }}>
        <div style={{ fontWeight: 600 }}>
          {checked === undefined
            ? t('audit.unchecked')
            : bad
              ? t('audit.tampered', { seq: checked.firstBad?.seq ?? 0, reason: faultText(checked.firstBad, t) })
              : t('audit.intact', { count: checked.count, checkpoints: checked.checkpoints })}
        </div>
        <div className="quiet small clip mono">{checked?.head ?? status?.audit.head ?? ' '}</div>
      </div>
      <Button size="small" isPending={pending} onPress={() => void verify()}>
        {t('audit.verify')}
      </Button>
    </div>
  );
}

function faultText(fault: AuditVerifyView['firstBad'], t: Text): string {
  return fault === undefined ? '' : t.reason({ code: fault.code, sentence: fault.reason }).sentence;
}
