/** Records that follow the journal: asked for anew whenever something was written, at most a few times a second. */
import { useCallback, useEffect, useRef, useState } from 'react';
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import type { EngineClient } from '../../../main/api/schema.ts';
import { useEngine, useStores } from '../../store/hooks.tsx';
import { selectStatus } from '../../store/selectors.ts';

/** What can be searched for. */
export type AuditSearch = Parameters<EngineClient['audit']['search']>[0];

const restMs = 400;

/** Call `load` at once, and again after the journal has grown; never two at a time. */
export function useOnRecords(load: () => Promise<unknown>): void {
  const count = useEngine(selectStatus)?.audit.count;
  const busy = useRef(false);
  const wanted = useRef(false);
  const latest = useRef(load);
  latest.current = load;
  const run = useCallback((): void => {
    if (busy.current) {
      wanted.current = true;
      return;
    }
    busy.current = true;
    wanted.current = false;
    void latest.current().finally(() =>
      setTimeout(() => {
        busy.current = false;
        if (wanted.current) run();
      }, restMs),
    );
  }, []);
  useEffect(() => run(), [run, count, load]);
}

/** The newest records that `query` finds; undefined until the first answer, and where the engine does not answer. */
export function useRecords(query: AuditSearch): readonly AuditRecordView[] | undefined {
  const { engine } = useStores();
  const key = JSON.stringify(query);
  const [found, setFound] = useState<{ readonly key: string; readonly records: readonly AuditRecordView[] }>();
  const load = useCallback(async () => {
    try {
      setFound({ key, records: await engine.client.audit.search(JSON.parse(key) as AuditSearch) });
    } catch {
      // The link banner tells of a lost engine; what was found stays.
    }
  }, [engine, key]);
  useOnRecords(load);
  return found?.key === key ? found.records : undefined;
}
