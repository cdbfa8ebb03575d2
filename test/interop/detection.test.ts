/** Breakers and baselines through a whole engine: who does too much, or what is unusual, is cut off, says why, and troubles nobody else. */
import { createServer, type Server } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AuditRecordView } from '../../main/api/record-views.ts';
import type { QuarantineView } from '../../main/api/views.ts';
import { openEmbeddedNetwork } from '../support/embedded-network.ts';
import { GovernedWorld } from '../support/governed-world.ts';
import { until } from '../support/until.ts';
import { listening } from '../support/listening.ts';

const settings = (more: string): string =>
  `policy:\n  breaker: { denials: 3, windowSeconds: 60, holdSeconds: 2 }\n  detectors: { ${more} }\n`;

describe('trouble is noticed', () => {
  let network: Awaited<ReturnType<typeof openEmbeddedNetwork>>;
  let world: GovernedWorld;
  let web: Server;
  let [calm, wild] = ['', ''];

  beforeAll(async () => {
    web = createServer((_request, response) => response.end('from the dark\n'));
    const target = await listening(web);
    network = await openEmbeddedNetwork('both');
    const plain = { target, dial: ['laptop'] };
    world = await GovernedWorld.open(network, {
      identities: ['laptop'],
      services: {
        guarded: { ...plain, contract: { http: { paths: ['/open'] } } },
        usual: plain,
        first: plain,
        second: plain,
      },
      config: () => settings('enabled: false'),
    });
    calm = (await world.program('calm')).path;
    wild = (await world.program('wild')).path;
  }, 90_000);

  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
    web?.closeAllConnections();
    web?.close();
  }, 60_000);

  const held = (): Promise<QuarantineView[]> => world.json<QuarantineView[]>(['quarantine', 'list']);
  const alerts = (): Promise<AuditRecordView[]> => world.records('alert');
  const status = async (program: string, service: string, path = ''): Promise<number> =>
    (await world.ask(program, service, path)).status;

  test('a breaker cuts one program off one service, says why, and lets it back by itself', async () => {
    for (let turn = 0; turn < 2; turn += 1) expect(await status(wild, 'guarded', 'closed')).toBe(403);
    expect(await held()).toEqual([]);
    await world.ask(wild, 'guarded', 'closed');
    const [entry] = await held();
    expect(entry).toMatchObject({ by: 'breaker' });
    expect(entry?.subject).toContain('wild');
    expect(entry?.cause).toMatch(/wild made 3 refused calls on guarded within 60 s$/);
    expect(await status(wild, 'guarded', 'open')).toBe(403);
    expect((await world.records('verdict', '--decision', 'deny'))[0]).toMatchObject({ code: 'policy.quarantined' });
    // Neither another service for it, nor this one for another.
    expect(await status(wild, 'usual')).toBe(200);
    expect(await status(calm, 'guarded', 'open')).toBe(200);
    expect((await alerts())[0]).toMatchObject({ what: 'quarantine', severity: 'critical' });
    await until(async () => (await held()).length === 0, 10_000);
    expect(await status(wild, 'guarded', 'open')).toBe(200);
  });

  test('what is unusual is an alert that explains itself, and the program goes on', async () => {
    await world.restart(settings('learnSeconds: 1'));
    expect(await status(calm, 'usual')).toBe(200);
    await delay(1_100);
    expect(await status(calm, 'first')).toBe(200);
    expect((await alerts())[0]).toMatchObject({ what: 'baseline.new-service', severity: 'warning' });
    expect((await alerts())[0]?.['text']).toMatch(/calm uses first for the first time$/);
    expect(await status(calm, 'first')).toBe(200);
  });

  test('or it is a quarantine, where so set, until somebody has looked; what was learnt outlived the restart', async () => {
    await world.restart(settings('learnSeconds: 1, action: quarantine'));
    await world.ask(calm, 'second');
    const [entry] = await held();
    expect(entry).toMatchObject({ by: 'detector' });
    expect(entry?.cause).toMatch(/calm uses second for the first time$/);
    expect(await status(calm, 'second')).toBe(403);
    expect(await status(calm, 'usual')).toBe(200);
    await world.run(['quarantine', 'release', entry?.subject ?? '']);
    expect(await status(calm, 'second')).toBe(200);
  });
});
