/** What models cost: tokens and money by agent, model and day, what was refused, and how long answers took. */
import { useMemo, type ReactNode } from 'react';
import { Empty, Section, SkeletonRows } from '../../parts/Pieces.tsx';
import { ScreenHead } from '../../parts/ScreenHead.tsx';
import { Segments } from '../../parts/Segments.tsx';
import { useText, type Text } from '../../text/text.ts';
import { presetSpan } from '../audit/audit-filter.ts';
import { routeTo, useRoute } from '../route.ts';
import { useRecords } from '../shared/use-records.ts';
import { modelUsage, type UsageDay, type UsageRow } from './model-usage.ts';

const spans = ['today', 'week', 'month'] as const;
/** Calls that are added up: the newest. */
const most = 20_000;

export function ModelsScreen(): ReactNode {
  const t = useText();
  const { route, narrow } = useRoute();
  const span = spans.find((one) => one === route.query['span']) ?? 'week';
  const { since } = useMemo(() => presetSpan(span, Date.now(), false), [span]);
  const calls = useRecords({ kind: 'call', limit: most, ...(since === undefined ? {} : { since }) });
  const usage = useMemo(() => modelUsage(calls ?? []), [calls]);
  return (
    <>
      <ScreenHead
        title={t('models.title')}
        lead={
          calls === undefined ? ' ' : t('models.lead', { requests: usage.total.requests, refused: usage.total.refused })
        }
      >
        <Segments
          label={t('models.span')}
          value={span}
          onChange={(chosen) => narrow({ span: chosen })}
          segments={spans.map((value) => ({ value, text: t(`audit.preset.${value}`) }))}
        />
      </ScreenHead>
      <div className="screen-body">
        {calls === undefined ? (
          <SkeletonRows rows={5} heightPx={60} label={t('common.loading')} />
        ) : usage.total.requests === 0 ? (
          <Empty title={t('models.emptyTitle')} text={t('models.emptyText')} icon="models" />
        ) : (
          <div className="screen-scroll stack">
            {calls.length === most ? <p className="quiet">{t('agent.newestCalls', { count: most })}</p> : null}
            <dl className="card card-pad model-figures">
              <Figure name={t('models.spend')} value={money(usage.total.cost, t)} />
              <Figure name={t('models.tokensIn')} value={t.format.number(usage.total.tokensIn)} />
              <Figure name={t('models.tokensOut')} value={t.format.number(usage.total.tokensOut)} />
              <Figure name={t('models.median')} value={latency(usage.total, t)} />
            </dl>
            <div className="card card-pad">
              <Section title={t('models.days')}>
                <Days days={usage.days} />
              </Section>
            </div>
            <div className="card card-pad">
              <Section title={t('models.rows')}>
                <Rows rows={usage.rows} />
              </Section>
            </div>
          </div>
        )}
      </div>
    </>
  );
}

function Figure({ name, value }: { name: string; value: string }): ReactNode {
  return (
    <div>
      <dt className="quiet small">{name}</dt>
      <dd className="ribbon-value">{value}</dd>
    </div>
  );
}

/** A bar a day; its height is tokens, its words say all of it. */
function Days({ days }: { days: readonly UsageDay[] }): ReactNode {
  const t = useText();
  const most = Math.max(1, ...days.map(({ tokens }) => tokens));
  return (
    <ol className="model-days" tabIndex={0}>
      {days.map(({ day, tokens, cost, requests }) => (
        <li key={day} title={t('models.day', { tokens: t.format.number(tokens), spend: money(cost, t), requests })}>
          <span className="model-bar" style={{ height: `${Math.max(1, (tokens / most) * 100)}%` }} aria-hidden="true" />
          <span className="small quiet">{t.format.date(`${day}T12:00:00`)}</span>
          <span className="unseen">
            {t('models.day', { tokens: t.format.number(tokens), spend: money(cost, t), requests })}
          </span>
        </li>
      ))}
    </ol>
  );
}

function Rows({ rows }: { rows: readonly UsageRow[] }): ReactNode {
  const t = useText();
  return (
    <div className="wide-content" tabIndex={0} role="region" aria-label={t('models.rows')}>
      <table className="figures">
        <thead>
          <tr>
            <th scope="col">{t('models.who')}</th>
            <th scope="col">{t('models.requests')}</th>
            <th scope="col">{t('models.refused')}</th>
            <th scope="col">{t('models.tokensIn')}</th>
            <th scope="col">{t('models.tokensOut')}</th>
            <th scope="col">{t('models.spend')}</th>
            <th scope="col">{t('models.median')}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={`${row.who}/${row.model}`}>
              <th scope="row">
                <a href={routeTo('audit', undefined, { kind: 'call', text: row.model })}>{row.model}</a>{' '}
                <span className="quiet small">{row.who}</span>
              </th>
              <td>{t.format.number(row.requests)}</td>
              <td data-tone={row.refused > 0 ? 'bad' : undefined}>{t.format.number(row.refused)}</td>
              <td>{t.format.number(row.tokensIn)}</td>
              <td>{t.format.number(row.tokensOut)}</td>
              <td>{money(row.cost, t)}</td>
              <td>{latency(row, t)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function money(cost: Readonly<Record<string, number>>, t: Text): string {
  const parts = Object.entries(cost).map(([currency, amount]) => t.format.money(amount, currency));
  return parts.length === 0 ? '–' : parts.join(' + ');
}

function latency({ medianMs }: UsageRow, t: Text): string {
  return medianMs === undefined ? '–' : `${t.format.number(medianMs)} ms`;
}
