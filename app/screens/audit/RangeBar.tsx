/** Which span of time is looked at: presets, two fields, and the histogram whose part can be drawn over. */
import { useCallback, useState, type ReactNode } from 'react';
import type { AuditHistogramView } from '../../../main/api/record-views.ts';
import { Button } from '../../parts/Button.tsx';
import { Switch } from '../../parts/Fields.tsx';
import { useStores } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';
import { useRoute, type RouteQuery } from '../route.ts';
import { useOnRecords } from '../shared/use-records.ts';
import { Histogram } from './Histogram.tsx';
import { auditSearch, fromLocalField, presets, presetSpan, toLocalField } from './audit-filter.ts';

const buckets = 120;

export function RangeBar({ query, utc }: { query: RouteQuery; utc: boolean }): ReactNode {
  const t = useText();
  const { narrow } = useRoute();
  const histogram = useHistogram(query);
  const field = (name: 'since' | 'until'): ReactNode => (
    <label className="range-field">
      <span className="quiet small">{t(`audit.${name}`)}</span>
      <input
        className="input"
        type="datetime-local"
        step={1}
        value={toLocalField(query[name], utc)}
        onChange={(event) => narrow({ [name]: fromLocalField(event.target.value, utc) })}
      />
    </label>
  );
  return (
    <div className="range">
      <div className="range-line">
        {presets.map((preset) => (
          <Button
            key={preset}
            size="small"
            kind="plain"
            onPress={() => narrow({ since: undefined, until: undefined, ...presetSpan(preset, Date.now(), utc) })}
          >
            {t(`audit.preset.${preset}`)}
          </Button>
        ))}
        {field('since')}
        {field('until')}
        <Switch label={t('audit.utc')} selected={utc} onChange={(on) => narrow({ utc: on ? '1' : undefined })} />
      </div>
      {histogram === undefined || histogram.total === 0 ? null : (
        <Histogram histogram={histogram} onChosen={(since, until) => narrow({ since, until })} />
      )}
    </div>
  );
}

function useHistogram(query: RouteQuery): AuditHistogramView | undefined {
  const { engine } = useStores();
  const key = JSON.stringify(auditSearch(query));
  const [histogram, setHistogram] = useState<AuditHistogramView>();
  const load = useCallback(async (): Promise<void> => {
    try {
      const search = JSON.parse(key) as ReturnType<typeof auditSearch>;
      setHistogram(await engine.client.audit.histogram({ ...search, buckets }));
    } catch {
      // The link banner tells of a lost engine; the list says the rest.
    }
  }, [engine, key]);
  useOnRecords(load);
  return histogram;
}
