/** Providers' keys this device keeps for what it hosts: which there are and who uses them. A value goes in and never comes back. */
import { useCallback, useEffect, useState, type ReactNode } from 'react';
import type { SecretView, SettingsView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { Confirm } from '../../parts/Dialogs.tsx';
import { Status } from '../../parts/Pieces.tsx';
import { useAction, useStores } from '../../store/hooks.tsx';
import { useText, type Text } from '../../text/text.ts';
import { SecretDialog } from './SecretDialog.tsx';
import { secretRows, type SecretRow } from './secret-rows.ts';

type Asking = { readonly kind: 'set'; readonly name?: string } | { readonly kind: 'remove'; readonly name: string };

export function SecretsCard({ config }: { config: SettingsView['config'] }): ReactNode {
  const t = useText();
  const act = useAction();
  const { engine } = useStores();
  const [secrets, setSecrets] = useState<readonly SecretView[]>();
  const [asking, setAsking] = useState<Asking>();
  const load = useCallback(
    () =>
      engine.client.secret
        .list()
        .then(setSecrets)
        .catch(() => undefined), // the card stays away; the link banner tells of a lost engine
    [engine],
  );
  useEffect(() => void load(), [load]);
  if (secrets === undefined) return null;
  const rows = secretRows(secrets, config);
  const remove = (name: string): Promise<unknown> =>
    act((client) => client.secret.remove({ name }), t('secret.removed', { name })).then(load);
  return (
    <section className="card card-pad" aria-label={t('secret.title')}>
      <div className="card-head">
        <div>
          <h2 className="section-title">{t('secret.title')}</h2>
          <p className="quiet">{t('secret.lead')}</p>
        </div>
        <Button size="small" icon="plus" onPress={() => setAsking({ kind: 'set' })}>
          {t('secret.add')}
        </Button>
      </div>
      {rows.length === 0 ? null : (
        <ul className="line-list" aria-label={t('secret.title')}>
          {rows.map((row) => (
            <Row key={row.name} row={row} ask={setAsking} />
          ))}
        </ul>
      )}
      {asking?.kind === 'set' ? (
        <SecretDialog
          name={asking.name}
          taken={secrets.map(({ name }) => name)}
          onKept={load}
          onClose={() => setAsking(undefined)}
        />
      ) : null}
      {asking?.kind === 'remove' ? (
        <Confirm
          title={t('secret.removeTitle', { name: asking.name })}
          text={t('secret.removeText')}
          action={t('secret.remove')}
          danger
          act={() => remove(asking.name)}
          onClose={() => setAsking(undefined)}
        />
      ) : null}
    </section>
  );
}

function Row({ row, ask }: { row: SecretRow; ask: (asking: Asking) => void }): ReactNode {
  const t = useText();
  const { name, kept } = row;
  return (
    <li className="secret">
      <div style={{ minWidth: 0 }}>
        <div className="mono clip">{name}</div>
        <div className="quiet small clip">{factsText(row, t)}</div>
      </div>
      {kept === undefined ? <Status tone="warn">{t('secret.missing')}</Status> : null}
      <Button
        size="small"
        aria-label={t(kept === undefined ? 'secret.setOf' : 'secret.replaceOf', { name })}
        onPress={() => ask({ kind: 'set', name })}
      >
        {t(kept === undefined ? 'secret.set' : 'secret.replace')}
      </Button>
      {kept === undefined ? null : (
        <Button
          size="small"
          kind="danger"
          aria-label={t('secret.removeOf', { name })}
          onPress={() => ask({ kind: 'remove', name })}
        >
          {t('secret.remove')}
        </Button>
      )}
    </li>
  );
}

function factsText({ kept, services }: SecretRow, t: Text): string {
  const parts = [
    services.length === 0 ? t('secret.unused') : t('secret.usedBy', { services: services.join(', ') }),
    kept === undefined ? undefined : t(`keystore.${kept.keystore}`),
    kept === undefined ? undefined : t.format.dateTime(kept.setAt),
  ];
  return parts.filter((part) => part !== undefined).join(' · ');
}
