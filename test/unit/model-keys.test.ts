/** Keys for models: made an agent, checked by a digest alone, taken back for good. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { AuditEvent } from '../../main/audit/record.ts';
import { systemClock } from '../../main/base/clock.ts';
import { silentLog } from '../../main/base/log.ts';
import type { Standing } from '../../main/api/call.ts';
import { agentCalls, type AgentCallsDeps } from '../../main/engine/calls/agent-calls.ts';
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

/** The key that `culvert env` tells: as whom, and for which agent. */
function environmentOf(keys: ModelKeyBook): (agent?: string, standing?: Standing) => Promise<string | undefined> {
  const model = (identity: string): object => ({
    ...{ identity, name: 'llm', addresses: ['llm.dark'], ports: ['80'], permissions: ['Dial'] },
    contract: { terms: { http: { models: ['*'] } } },
  });
  const calls = agentCalls({
    agents: { all: () => ({ writer: { identity: 'w' }, reader: { identity: 'r' } }) },
    modelKeys: keys,
    services: () => ['w', 'r', 'plain'].map(model),
    proxy: () => undefined,
    modelDoor: { ensure: () => Promise.resolve('127.0.0.1:11111') },
  } as unknown as AgentCallsDeps);
  return async (agent, standing) => {
    const caller = { permission: 'observe', via: 'socket', ...(standing === undefined ? {} : { standing }) } as const;
    const asked = agent === undefined ? {} : { agent };
    const { variables } = await calls.environment(asked, { caller, signal: new AbortController().signal });
    expect(variables['OPENAI_BASE_URL']).toBe('http://127.0.0.1:11111/v1');
    return variables['OPENAI_API_KEY'];
  };
}

test('nobody is told a key but of what they are themselves', async () => {
  const { keys, records } = book(temporaryDirectory('model-keys'));
  const environment = environmentOf(keys);
  for (const observes of [true, false]) {
    const member = { kind: 'member', uid: 1_001, observes } as const;
    expect(await environment('writer', member)).toBeUndefined();
  }
  expect(records).toEqual([]);
  const own = await environment('writer');
  expect(own).toBe((await keys.of('writer')).value);
  expect(await environment('writer', { kind: 'member', uid: 1_001, observes: true })).toBeUndefined();
  const writerItself = { kind: 'agent', agent: 'writer' } as const;
  expect(await environment(undefined, writerItself)).toBe(own);
  await expect(environment('reader', writerItself)).rejects.toMatchObject({ code: 'engine.not_permitted' });
  const plain = await environment(undefined, { kind: 'member', uid: 1_001, observes: false });
  expect(plain).toBe((await keys.of(undefined)).value);
  expect(records.map(({ kind }) => kind)).toEqual(['model-key.made', 'model-key.made']);
}, 30_000);

test('whoever looks takes no key back', async () => {
  const place = temporaryDirectory('model-keys');
  const { keys, records } = book(place);
  const first = await environmentOf(keys)('writer');
  accounts['writer'] = 'id-second';
  const second = await environmentOf(keys)('writer');
  expect(second).not.toBe(first);
  expect(await environmentOf(keys)('writer')).toBe(second);
  accounts['writer'] = 'id-writer';
  expect(await environmentOf(keys)('writer')).toBe(first);
  await rm(join(place, 'model-keys'), { recursive: true });
  // Another secret makes another key: the one that stands is good still.
  const later = book(place);
  expect(await environmentOf(later.keys)('writer')).toBeUndefined();
  expect(later.keys.check(first ?? '', writer)).toMatchObject({ kind: 'good' });
  expect([...records, ...later.records].map(({ kind }) => kind)).toEqual(['model-key.made', 'model-key.made']);
  expect((await later.keys.of('writer')).value).not.toBe(first);
  expect(later.keys.check(first ?? '', writer)).toMatchObject({ kind: 'refused' });
}, 30_000);
