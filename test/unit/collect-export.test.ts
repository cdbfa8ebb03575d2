/** What devices sent, on its way from the collector to a security team's own store. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openExporters } from '../../main/audit/export/open-exporters.ts';
import { systemClock } from '../../main/base/clock.ts';
import { Emitter } from '../../main/base/emitter.ts';
import { DisposalStack } from '../../main/base/lifecycle.ts';
import { silentLog } from '../../main/base/log.ts';
import { fleetSource } from '../../main/engine/collect/fleet-source.ts';
import { openSqliteStore } from '../../main/engine/collect/sqlite-store.ts';
import { chainOf, newDevice } from '../conformance/fleet-store.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

const calls = (count: number): ReturnType<typeof chainOf> =>
  chainOf(Array.from({ length: count }, (_, n) => ({ kind: 'call', tool: `tool-${n}`, decision: 'deny' }) as const));

test('each device’s records go out once, in its order and under its name, over a restart, and nobody waits behind another', async () => {
  const stateDirectory = temporaryDirectory('fleet-export');
  const file = join(stateDirectory, 'ocsf.jsonl');
  const kept = new Emitter<void>();
  const owned = new DisposalStack();
  const store = owned.use(openSqliteStore(stateDirectory));
  const start = () =>
    openExporters([{ type: 'ocsf', file }], {
      stateDirectory,
      source: fleetSource(store),
      clock: systemClock,
      log: silentLog,
      version: '0.2.0',
      onRecord: (listener) => kept.subscribe(listener),
    });
  const came = async (): Promise<readonly { device: string; seq: number }[]> => {
    const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
    return lines
      .map((line) => JSON.parse(line) as { device: { hostname: string }; metadata: { sequence: number } })
      .map(({ device, metadata }) => ({ device: device.hostname, seq: metadata.sequence }));
  };
  const seqsOf = async (name: string): Promise<readonly number[]> =>
    (await came()).filter(({ device }) => device === name).map(({ seq }) => seq);
  const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n + 1);
  try {
    const talker = await store.addDevice(newDevice('talker'));
    const quiet = await store.addDevice(newDevice('quiet'));
    const all = calls(1_300);
    await store.append(talker.id, all.slice(0, 1_200), 1);
    await store.append(quiet.id, calls(3), 2);
    await writeFile(file, '');
    const first = await start();
    await until(async () => (await seqsOf('talker')).length >= 1_200);
    const order = (await came()).map(({ device }) => device);
    expect(order.lastIndexOf('quiet')).toBeLessThan(order.lastIndexOf('talker'));
    await first[Symbol.asyncDispose]();
    const second = owned.use(await start());
    await store.append(talker.id, all.slice(1_200), 3);
    kept.emit();
    await until(() => second.states()[0]?.deliveredSeq === 1_303);
    expect(await seqsOf('talker')).toEqual(upTo(1_300));
    expect(await seqsOf('quiet')).toEqual(upTo(3));
  } finally {
    await owned[Symbol.asyncDispose]();
  }
});
