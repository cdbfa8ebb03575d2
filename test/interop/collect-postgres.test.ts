import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FleetStore } from '../../main/engine/collect/fleet-store.ts';
import { openPostgresStore } from '../../main/engine/collect/postgres-store.ts';
import { chainOf, describeFleetStore, newDevice } from '../conformance/fleet-store.ts';
import { newWitnessKey, openCollector, startSending } from '../support/collect-world.ts';
import { mustSkip } from '../support/optional.ts';
import { enrolIdentity, journalRows, openSignedJournal } from '../support/signed-journal.ts';
import { softPostgresMissing, startSoftPostgres, type SoftPostgres } from '../support/soft-postgres.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

describe.skipIf(mustSkip(softPostgresMissing()))('the fleet’s record in PostgreSQL', () => {
  let server: SoftPostgres;
  let made = 0;

  beforeAll(async () => {
    server = await startSoftPostgres();
  }, 120_000);

  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  }, 60_000);

  /** A database of its own for each test. */
  async function newDatabase(): Promise<string> {
    const name = `fleet_${++made}`;
    const client = new pg.Client(server.url);
    await client.connect();
    await client.query(`create database ${name}`);
    await client.end();
    return server.url.replace(/\/postgres$/, `/${name}`);
  }

  describeFleetStore(async (): Promise<FleetStore> => openPostgresStore(await newDatabase()));

  it('is written by one collector a device, however many share it', async () => {
    const url = await newDatabase();
    await using one = await openPostgresStore(url);
    await using two = await openPostgresStore(url);
    const device = await one.addDevice(newDevice('edge-box'));
    const batch = chainOf(Array.from({ length: 50 }, () => ({ kind: 'verdict' as const })));
    const outcomes = await Promise.allSettled([one, two].map((store) => store.append(device.id, batch.slice(1), 1)));
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await two.search({ limit: 1000 })).toHaveLength(49);
    expect(await two.devices()).toMatchObject([{ count: 50 }]);
  });

  it('loses nothing when the database is killed under a device that sends', async () => {
    const url = await newDatabase();
    const state = temporaryDirectory('device');
    const key = newWitnessKey();
    await using collector = openCollector(temporaryDirectory('desk'), {
      fleetStore: await openPostgresStore(url),
      key: () => Promise.resolve(key),
    });
    await using journal = await openSignedJournal(state);
    await enrolIdentity(journal, 'edge-box');
    await using _device = startSending(state, 'edge-box', journal, () => collector);
    const kept = async (): Promise<number> => (await collector.devices().catch(() => []))[0]?.records ?? 0;
    const write = (): void => {
      for (let i = 0; i < 200; i += 1) journal.audit.record({ kind: 'verdict', service: `service ${i}` });
    };
    write();
    await until(async () => (await kept()) > 100, 30_000);
    await server.kill();
    write();
    await server.start();
    await journal.audit.checkpoint();
    await until(async () => (await kept()) === journal.audit.head().count, 60_000);
    const all = await collector.search({ limit: 10_000 });
    expect(all.map(({ record }) => record.seq).reverse()).toEqual(journalRows(state).map(({ seq }) => seq));
    expect(await collector.alerts(10)).toEqual([]);
  }, 180_000);
});
