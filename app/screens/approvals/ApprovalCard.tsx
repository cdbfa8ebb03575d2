/** One question to a person: who asks for what, with which arguments and why it is asked; and the answers there are. */
import { useId, useState, type ReactNode } from 'react';
import { Form } from 'react-aria-components';
import type { ApprovalAnswer, ApprovalView } from '../../../main/api/approval-view.ts';
import { Button } from '../../parts/Button.tsx';
import { Field } from '../../parts/Fields.tsx';
import { Icon } from '../../parts/Icon.tsx';
import { ActionMenu } from '../../parts/Menu.tsx';
import { Facts, Tag } from '../../parts/Pieces.tsx';
import { useAction, useNow } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';
import { routeTo } from '../route.ts';
import { JsonBlock } from '../shared/JsonBlock.tsx';
import { AttendDialog } from './AttendDialog.tsx';
import { approvalTitle, approvalTone, asker } from './approval-words.ts';

const spans = [5, 15, 60] as const;

export function ApprovalCard({ row }: { row: ApprovalView }): ReactNode {
  const t = useText();
  const nowMs = useNow();
  const title = useId();
  const { call } = row;
  return (
    <li className="card card-pad stack" aria-labelledby={title}>
      <div className="agent-head">
        <span className="program-mark" data-agent={row.agent === null ? undefined : ''} aria-hidden="true">
          <Icon name={row.kind === 'call' ? 'tool' : row.kind === 'grant' ? 'clock' : 'link'} size={18} />
        </span>
        <div style={{ minWidth: 0 }}>
          <h2 className="drawer-title wrap-any" id={title}>
            {approvalTitle(row, t)}
          </h2>
          <p className="quiet wrap-any">{t(`approvals.why.${row.kind}`, { service: row.service })}</p>
        </div>
        <span className="push-end">
          {row.brokenGlass === true ? <Tag tone="bad">{t('approvals.brokenGlass')}</Tag> : null}{' '}
          <Tag {...approvalTone(row)}>{t(`approvals.state.${row.state}`)}</Tag>
        </span>
      </div>
      <Facts
        items={[
          [
            t('approvals.who'),
            row.agent === null ? asker(row) : <a href={routeTo('agents', row.agent)}>{asker(row)}</a>,
          ],
          [t('approvals.service'), row.service],
          [t('approvals.method'), call === undefined ? undefined : <span className="mono">{call.method}</span>],
          [t('approvals.asked'), t.format.relative(row.requestedAt, nowMs)],
          [
            t(row.state === 'granted' ? 'approvals.until' : 'approvals.lapses'),
            row.expiresAt === null || row.state === 'denied' || row.state === 'expired'
              ? undefined
              : t.format.relative(row.expiresAt, nowMs),
          ],
          [t('approvals.reason'), row.reason],
          [t('approvals.by'), row.answeredBy],
        ]}
      />
      {call === undefined ? null : <JsonBlock value={call.arguments} label={t('approvals.arguments')} />}
      {row.state === 'pending' || row.state === 'granted' ? <Answers row={row} /> : null}
    </li>
  );
}

function Answers({ row }: { row: ApprovalView }): ReactNode {
  const t = useText();
  const act = useAction();
  const [denying, setDenying] = useState(false);
  const [attending, setAttending] = useState(false);
  const [reason, setReason] = useState('');
  const answer = (said: Omit<ApprovalAnswer, 'id'>): Promise<unknown> =>
    act(
      (client) => client.approval.answer({ id: row.id, ...said }),
      t(said.grant ? 'approvals.saidYes' : 'approvals.saidNo', { what: approvalTitle(row, t) }),
    );
  if (denying) {
    return (
      <Form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void answer({ grant: false, ...(reason.trim() === '' ? {} : { reason: reason.trim() }) });
        }}
      >
        <Field
          label={t('approvals.denyReason')}
          hint={t('approvals.denyHint')}
          value={reason}
          onChange={setReason}
          autoFocus
        />
        <div className="dialog-actions">
          <Button kind="plain" onPress={() => setDenying(false)}>
            {t('common.cancel')}
          </Button>
          <Button kind="danger" type="submit">
            {t('approvals.deny')}
          </Button>
        </div>
      </Form>
    );
  }
  const minutes = spans.map((count) => ({
    id: String(count),
    text: t('approvals.forMinutes', { count }),
    run: () => void answer({ grant: true, minutes: count }),
  }));
  return (
    <div className="agent-actions">
      {row.state === 'granted' ? (
        <Button kind="danger" onPress={() => void answer({ grant: false })}>
          {t('approvals.end')}
        </Button>
      ) : (
        <>
          <Button kind="primary" icon="check" onPress={() => void answer({ grant: true })}>
            {t(row.kind === 'call' ? 'approvals.once' : 'approvals.allow')}
          </Button>
          {row.kind === 'call' ? (
            <Button onPress={() => void answer({ grant: true, session: true })}>{t('approvals.session')}</Button>
          ) : null}
          <Button kind="danger" onPress={() => setDenying(true)}>
            {t('approvals.denyAsk')}
          </Button>
        </>
      )}
      {row.state === 'granted' && row.kind !== 'call' ? (
        <Button onPress={() => setAttending(true)}>{t('approvals.attend')}</Button>
      ) : null}
      {attending ? (
        <AttendDialog
          id={row.id}
          what={row.service}
          cut={() => answer({ grant: false })}
          onClose={() => setAttending(false)}
        />
      ) : null}
      <span className="push-end">
        <ActionMenu label={t(row.state === 'granted' ? 'approvals.extend' : 'approvals.forTime')} actions={minutes} />
      </span>
    </div>
  );
}
