/** A search of the journal that follows its filter, newest first, a page at a time. */
import { useCallback, useEffect, useRef, useState } from 'react';
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import { useStores } from '../../store/hooks.tsx';
import type { AuditSearch } from '../shared/use-records.ts';

const page = 200;
/** A person still typing is not yet asking. */
const settleMs = 180;

/** The records found so far; a new filter aborts the search under way. */
export function useAuditSearch(
  filter: AuditSearch,
  onError: (error: unknown) => void,
): {
  readonly records: readonly AuditRecordView[] | undefined;
  /** There may be more before the last one shown. */
  readonly older: boolean;
  loadOlder(): void;
  refresh(): void;
} {
  const { engine } = useStores();
  const [records, setRecords] = useState<readonly AuditRecordView[]>();
  const [older, setOlder] = useState(false);
  const pages = useRef(1);
  const running = useRef<AbortController>(undefined);

  const load = useCallback(
    async (wanted: number): Promise<void> => {
      running.current?.abort();
      const abort = new AbortController();
      running.current = abort;
      try {
        const limit = wanted * page;
        const found = await engine.client.audit.search({ ...filter, limit }, { signal: abort.signal });
        pages.current = wanted;
        setRecords([...found].sort((a, b) => b.seq - a.seq));
        setOlder(found.length === limit);
      } catch (error) {
        if (!abort.signal.aborted) onError(error);
      }
    },
    [engine, filter, onError],
  );

  useEffect(() => {
    const timer = setTimeout(() => void load(1), settleMs);
    return () => {
      clearTimeout(timer);
      running.current?.abort();
    };
  }, [load]);

  return {
    records,
    older,
    loadOlder: useCallback(() => void load(pages.current + 1), [load]),
    refresh: useCallback(() => void load(pages.current), [load]),
  };
}
