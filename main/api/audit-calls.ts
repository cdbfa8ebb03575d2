/** The record: searched, counted over time, taken along, followed and verified. */
import * as v from 'valibot';
import { call, stream } from './call.ts';
import { parser } from './parser.ts';
import { auditQuery, nothing, text } from './schema-parts.ts';
import type { AuditExportItem, AuditHistogramView, AuditRecordView, AuditVerifyView } from './record-views.ts';
import type { AlertView } from './views.ts';

const { limit: _limit, beforeSeq: _beforeSeq, ...auditFields } = auditQuery.entries;
const auditHistogram = v.strictObject({
  ...auditFields,
  buckets: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1000)),
});
const auditExport = v.strictObject({ ...auditFields, format: v.picklist(['json', 'csv', 'ocsf']) });

/** Calls of group `audit`. */
export const auditCalls = {
  search: call<v.InferOutput<typeof auditQuery>, readonly AuditRecordView[]>({
    needs: 'observe',
    parse: parser(auditQuery),
  }),
  /** When there was how much of what a search finds. */
  histogram: call<v.InferOutput<typeof auditHistogram>, AuditHistogramView>({
    needs: 'observe',
    parse: parser(auditHistogram),
  }),
  /** All that a search finds, oldest first and without a limit, as lines for other tools. */
  export: stream<v.InferOutput<typeof auditExport>, AuditExportItem>({
    needs: 'observe',
    parse: parser(auditExport),
  }),
  tail: stream<{ after?: number | undefined }, AuditRecordView>({
    needs: 'observe',
    parse: parser(v.strictObject({ after: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))) })),
  }),
  verify: call<{ witness?: string | undefined }, AuditVerifyView>({
    needs: 'observe',
    // Older clients ask with nothing at all.
    parse: (raw) => parser(v.strictObject({ witness: v.optional(text(256)) }))(raw ?? {}),
  }),
  alerts: call<void, readonly AlertView[]>({ needs: 'observe', parse: nothing }),
};
