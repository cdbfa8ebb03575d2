import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type {
  AuditVerifyView,
  FleetAlertView,
  FleetContainmentView,
  FleetDarkView,
  FleetDeviceView,
  FleetIncidentView,
  FleetOrderView,
  FleetReachView,
  FleetRecordView,
} from '../../main/api/record-views.ts';
import type { QuarantineView } from '../../main/api/views.ts';
import { culvert, culvertJson, startCulvert } from '../support/culvert.ts';
import { describeGoverned } from '../support/networks.ts';
import { until } from '../support/until.ts';

type Running = Awaited<ReturnType<typeof startCulvert>>;

describeGoverned('the record beyond the device', (network) => {
  let home: string;
  let env: Record<string, string>;
  let deviceId = '';

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'culvert-witness-'));
    await writeFile(join(home, 'culvert-passphrase'), 'a passphrase for tests\n');
    env = { CREDENTIALS_DIRECTORY: home };
    const { admin } = network();
    for (const service of ['record', 'heads']) {
      const id = await admin.createService({ name: service, configs: {} });
      const desk = await admin.createIdentity(`desk-${service}`);
      const device = await admin.createIdentity(`device-${service}`);
      if (service === 'record') deviceId = device.id;
      await admin.createServicePolicy({ type: 'Bind', services: [id], identities: [desk.id] });
      await admin.createServicePolicy({ type: 'Dial', services: [id], identities: [device.id] });
      await enrol('desk', service, desk.jwt);
      await enrol('device', service, device.jwt);
      await writeFile(join(stateOf('device', service), 'culvert.yaml'), `audit: { witness: ${service} }\n`);
    }
    await writeFile(join(stateOf('desk', 'heads'), 'culvert.yaml'), 'witness: { service: heads }\n');
  }, 240_000);

  afterAll(() => rm(home, { recursive: true, force: true }));

  const stateOf = (who: string, service: string): string => join(home, `${who}-${service}`);

  async function enrol(who: string, service: string, jwt: string): Promise<void> {
    const token = join(home, `${who}-${service}.jwt`);
    await writeFile(token, jwt);
    const ran = await culvert(
      ['enroll', token, '--name', who, '--keystore', 'file', '--state', stateOf(who, service)],
      { env },
    );
    expect(ran.err).toBe('');
    expect(ran.code).toBe(0);
  }

  const device = (service: string): Promise<Running> =>
    startCulvert(['run', '--mode', 'proxy', '--proxy-listen', '127.0.0.1:0', '--state', stateOf('device', service)], {
      env,
    });

  test('a device sends its record to a collector, which finds, countersigns and commands', async () => {
    const desk = stateOf('desk', 'record');
    const state = stateOf('device', 'record');
    await using _collector = await startCulvert(['collect', '--service', 'record', '--state', desk], { env });
    const fleet = <T>(...args: string[]): Promise<T> => culvertJson<T>(['fleet', ...args, '--state', desk]);
    {
      await using _device = await device('record');
      await until(async () => (await fleet<FleetDeviceView[]>('devices'))[0]?.state === 'connected', 60_000);
      const [seen] = await fleet<FleetDeviceView[]>('devices');
      // Who it is: the router's word where the release gives it, else what the certificate proves, which is the identity's id.
      expect(seen).toMatchObject(
        seen?.asserted === 'router' ? { name: 'device-record' } : { name: deviceId, asserted: 'signature' },
      );

      const started = await fleet<FleetRecordView[]>('search', '--kind', 'engine.started');
      expect(started).toMatchObject([{ device: seen?.name, kind: 'engine.started' }]);

      await fleet<FleetOrderView>('quarantine', 'service:plc', '--cause', 'a drill');
      await until(async () => {
        const [order] = await fleet<FleetOrderView[]>('quarantine', '--list');
        return order?.devices[0]?.state === 'acknowledged';
      }, 30_000);
      const held = await culvertJson<QuarantineView[]>(['quarantine', 'list', '--state', state]);
      expect(held).toMatchObject([{ subject: 'service:plc' }]);

      // The questions of the desk, of a device that did little: it gained the witness's service and was cut off from another.
      expect(await fleet<FleetReachView[]>('reach')).toMatchObject([
        { device: seen?.name, dial: ['record'], bind: [] },
      ]);
      const cut = await fleet<FleetContainmentView[]>('containment');
      expect(cut).toMatchObject([{ what: 'quarantined', subject: 'service:plc', sessions: 0 }]);
      const incident = await fleet<FleetIncidentView>('incident', 'drill');
      expect(incident.timeline.map(({ kind }) => kind)).toEqual(['desk.ordered', 'quarantine.added']);
      expect(await fleet<FleetDarkView[]>('dark')).toMatchObject([{ device: seen?.name, hosts: [], open: [] }]);

      await until(async () => {
        const asked = await culvertJson<AuditVerifyView>(['audit', 'verify', '--witness', 'record', '--state', state]);
        return asked.ok && (asked.witness?.agreed ?? 0) > 0;
      }, 30_000);
    }
    expect(await fleet<FleetAlertView[]>('alerts')).toEqual([]);
  }, 240_000);

  test('an older copy put back is told by the witness, asked or saved, and the engine still starts', async () => {
    const desk = stateOf('desk', 'heads');
    const state = stateOf('device', 'heads');
    const saved = join(home, 'answer.json');
    await using _witness = await startCulvert(['run', '--mode', 'host', '--state', desk], { env });
    await cp(state, join(home, 'older'), { recursive: true });
    const verify = async (witness: string, ...more: string[]) => {
      const ran = await culvert(['audit', 'verify', '--json', '--witness', witness, '--state', state, ...more]);
      return { code: ran.code, verdict: JSON.parse(ran.out) as AuditVerifyView };
    };
    {
      await using _device = await device('heads');
      await until(async () => ((await verify('heads')).verdict.witness?.agreed ?? 0) > 0, 60_000);
      expect((await verify('heads', '--save', saved)).code).toBe(0);
    }
    expect(await verify(saved)).toMatchObject({ code: 0, verdict: { ok: true } });
    expect(JSON.parse(await readFile(saved, 'utf8'))).toMatchObject({ service: 'heads' });

    await rm(state, { recursive: true });
    await cp(join(home, 'older'), state, { recursive: true });
    expect(await verify(saved)).toMatchObject({ code: 1, verdict: { firstBad: { code: 'audit.fault.witness_lost' } } });
    await using _device = await device('heads');
    const asked = await verify('heads');
    expect(asked.code).toBe(1);
    expect(asked.verdict.firstBad?.code).toMatch(/^audit\.fault\.witness_(lost|changed)$/);
  }, 240_000);
});
