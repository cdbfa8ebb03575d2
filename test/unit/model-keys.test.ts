/** Keys for models: made an agent, checked by a digest alone, taken back for good. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { AuditEvent } from '../../main/audit/record.ts';
import { systemClock } from '../../main/base/clock.ts';
import { silentLog } from '../../main/base/log.ts';
import { ModelKeyBook } from '../../main/engine/agents/model-keys.ts';
import { KeptSecrets } from '../../main/guard/data/kept-secrets.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const accounts: Record<string, string> = { writer: 'id-writer', reader: 'id-reader' };

function book(stateDirectory: string): { keys: ModelKeyBook; records: AuditEvent[]; kept: KeptSecrets } {
  const records: AuditEvent[] = [];
  const note = (event: AuditEvent): { seq: number } => ({ seq: records.push(event) });
  const kept = new KeptSecrets();
  const keys = new ModelKeyBook({
    stateDirectory,
    clock: systemClock,
    audit: { record: note, recordOrLog: note, head: () => ({ hash: '', count: 0 }) },
    log: silentLog,
    unlock: { passphrase: 'pass' },
    keystore: () => Promise.resolve('file'),
    keptSecrets: kept,
    accountOf: (agent) => (agent === undefined ? '' : (accounts[agent] ?? '')),
  });
  return { keys, records, kept };
}

const writer = { agent: 'writer', account: 'id-writer' };

test('a key is its agent’s alone, the same each time, and the same after a restart', async () => {
  const place = temporaryDirectory('model-keys');
  const { keys, records, kept } = book(place);
  const made = await keys.of('writer');
  expect(made.value).toMatch(/^sk-culvert-[0-9a-f]{12}-[A-Za-z0-9_-]{43}$/);
  expect((await keys.of('writer')).value).toBe(made.value);
  expect(keys.check(made.value, writer)).toEqual({ kind: 'good', id: made.id });
  expect(records).toMatchObject([{ kind: 'model-key.made', modelKey: made.id, agent: 'writer', generation: 1 }]);
  expect(kept.placesIn(`x ${made.value}`)).toHaveLength(1);

  const again = book(place).keys;
  expect(again.check(made.value, writer)).toEqual({ kind: 'good', id: made.id });
  expect((await again.of('writer')).value).toBe(made.value);
  const files = await readdir(place, { recursive: true, withFileTypes: true });
  const texts = await Promise.all(
    files.filter((one) => one.isFile()).map((one) => readFile(join(one.parentPath, one.name), 'utf8')),
  );
  expect([...texts, JSON.stringify(records)].join('\n')).not.toContain(made.value.slice(-43));
}, 30_000);

test('in other hands, as another identity or made elsewhere it is worth nothing, and says why', async () => {
  const { keys } = book(temporaryDirectory('model-keys'));
  const { value, id } = await keys.of('writer');
  const why = (key: string, by: { agent: string | undefined; account: string }): string => {
    const verdict = keys.check(key, by);
    return verdict.kind === 'refused' ? `${verdict.id ?? '-'}: ${verdict.why}` : 'good';
  };
  expect(why(value, { agent: 'reader', account: 'id-reader' })).toBe(
    `${id}: the key ${id} was made for the agent "writer": culvert env --agent reader shows the right one`,
  );
  expect(why(value, { agent: undefined, account: '' })).toContain('culvert env shows the right one');
  expect(why(value, { agent: 'writer', account: 'id-other' })).toContain('another identity');
  expect(why((await keys.of(undefined)).value, writer)).toContain('programs that are no agent');
  const foreign = (await book(temporaryDirectory('model-keys')).keys.of('writer')).value;
  expect(why(foreign, writer)).toMatch(/^-: the key is none of this device/);
}, 30_000);

test('a revoked key stays so, and its agent gets another', async () => {
  const place = temporaryDirectory('model-keys');
  const { keys, records } = book(place);
  const first = await keys.of('writer');
  expect(keys.revoke(first.id)).toMatchObject({ id: first.id, state: 'revoked' });
  keys.revoke(first.id);
  expect(() => keys.revoke('0'.repeat(12))).toThrow('no key');
  const second = await keys.of('writer');
  expect(second).toMatchObject({ generation: 2, state: 'active' });
  expect(second.value).not.toBe(first.value);
  const again = book(place).keys;
  expect(again.check(first.value, writer)).toMatchObject({ kind: 'refused', id: first.id });
  expect(again.check(second.value, writer)).toMatchObject({ kind: 'good' });
  expect(records.map(({ kind }) => kind)).toEqual(['model-key.made', 'model-key.revoked', 'model-key.made']);
}, 30_000);

test('an agent that is bound to another identity gets another key; a damaged file is no leave to go on', async () => {
  const place = temporaryDirectory('model-keys');
  const { keys } = book(place);
  const first = await keys.of('writer');
  accounts['writer'] = 'id-second';
  const second = await keys.of('writer');
  accounts['writer'] = 'id-writer';
  expect(second.value).not.toBe(first.value);
  expect(keys.check(first.value, writer)).toMatchObject({ kind: 'refused' });
  await writeFile(join(place, 'model-keys.json'), '{"version":1,"keys":[{}]}');
  expect(() => book(place)).toThrow('model-keys.json');
}, 30_000);
