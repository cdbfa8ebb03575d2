/** The journal as lines for other tools: all of it, however long. */
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import type { AuditExportItem } from '../../main/api/record-views.ts';
import { openAuditIndex } from '../../main/audit/index-store.ts';
import { openAudit } from '../../main/audit/audit.ts';
import { systemClock } from '../../main/base/clock.ts';
import { silentLog } from '../../main/base/log.ts';
import { exportJournal } from '../../main/engine/record/export-journal.ts';
import { offlineExport, offlineVerify } from '../../main/engine/offline/offline.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** Beyond what a search may answer with. */
const many = 100_100;

it('is exported and verified whole beyond a hundred thousand records', async () => {
  const state = temporaryDirectory('export');
  const audit = openAudit({ stateDirectory: state, clock: systemClock, log: silentLog });
  for (let number = 0; number < many; number++) audit.record({ kind: 'service.gained', service: `s${number}` });
  await audit[Symbol.asyncDispose]();
  let exported = 0;
  const options = { format: 'json', query: { kind: 'service.gained' }, version: '1' } as const;
  for await (const line of offlineExport(state, options)) exported += line === '' ? 0 : 1;
  expect(exported).toBe(many);
  const told: number[] = [];
  const verdict = await offlineVerify(state, undefined, (records) => told.push(records));
  expect(verdict).toMatchObject({ ok: true });
  expect(verdict.count).toBeGreaterThanOrEqual(many);
  expect(told.length).toBeGreaterThanOrEqual(100);
  expect(told).toEqual([...told].sort((a, b) => a - b));
}, 120_000);

it('is a table that a spreadsheet reads and does not run, with a manifest that vouches for its bytes', async () => {
  const state = temporaryDirectory('export-table');
  const audit = openAudit({ stateDirectory: state, clock: systemClock, log: silentLog });
  audit.record({ kind: 'call', service: '=HYPERLINK("x")', tool: 'a,b', agent: 'coder' });
  audit.record({ kind: 'call', service: 'other', agent: 'another' });
  await audit[Symbol.asyncDispose]();
  using index = openAuditIndex({ stateDirectory: state, clock: systemClock, log: silentLog });
  const deps = { index, clock: systemClock, version: '1', verify: () => offlineVerify(state) };
  const items: AuditExportItem[] = [];
  const query = { agent: 'coder' };
  for await (const item of exportJournal(deps, { format: 'csv', query }, new AbortController().signal))
    items.push(item);
  const text = items.map((item) => (item.kind === 'lines' ? item.text : '')).join('');
  const [head = '', line = ''] = text.split('\n');
  expect(head).toMatch(/^seq,at,kind,decision,agent,/);
  expect(line).toContain(`"'=HYPERLINK(""x"")"`);
  expect(line).toContain('"a,b"');
  expect(text.trim().split('\n')).toHaveLength(2);
  expect(items.at(-1)).toMatchObject({
    kind: 'manifest',
    manifest: { records: 1, query, sha256: createHash('sha256').update(text).digest('hex'), journal: { ok: true } },
  });
});
