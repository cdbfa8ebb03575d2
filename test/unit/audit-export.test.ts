/** The journal as lines for other tools: all of it, however long. */
import { expect, it } from 'vitest';
import { openAudit } from '../../main/audit/audit.ts';
import { systemClock } from '../../main/base/clock.ts';
import { silentLog } from '../../main/base/log.ts';
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
