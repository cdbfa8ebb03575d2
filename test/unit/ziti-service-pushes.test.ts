import { afterEach, describe, expect, it } from 'vitest';
import { TunnelerError } from '../../main/base/errors.ts';
import { silentLog } from '../../main/base/log.ts';
import { newSoftwareKey, openZitiContext, type ZitiContext } from '../../main/ziti/ziti.ts';
import {
  encodePostureStateChange,
  encodeServiceChangeSet,
  readPostureStateChange,
  readServiceChangeSet,
  type PushedCheck,
  type PushedPolicy,
  type PushedService,
  type ServiceChangeSet,
} from '../../main/ziti/wire/service-updates.ts';
import { readRouterCapabilities } from '../../main/ziti/wire/router-capabilities.ts';
import type { FakeRouter } from '../support/fake-edge-router.ts';
import { RouterFleet } from '../support/fake-edge-router.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { ScriptedController } from '../support/scripted-controller.ts';
import { selfSigned } from '../support/self-signed.ts';

const { cert } = await selfSigned('127.0.0.1');
const key = await newSoftwareKey();
const updates = 'GET /edge/client/v1/current-api-session/service-updates';
const services = 'GET /edge/client/v1/services';

const service = (id: string, change: Partial<PushedService> = {}): PushedService => ({
  op: 'added',
  id,
  name: id,
  encryptionRequired: true,
  policyIds: ['dialling'],
  configs: [],
  ...change,
});
const policy = (id: string, change: Partial<PushedPolicy> = {}): PushedPolicy => ({
  op: 'added',
  id,
  type: 'Dial',
  postureCheckIds: [],
  ...change,
});
const check = (id: string): PushedCheck => ({
  op: 'added',
  id,
  type: 'OS',
  promptOnUnlock: false,
  promptOnWake: false,
  semantic: '',
  processes: [],
  timeoutSeconds: 0,
});
const whole = (index: number, change: Partial<ServiceChangeSet> = {}): ServiceChangeSet => ({
  index,
  previousIndex: -1,
  services: [service('web')],
  policies: [policy('dialling')],
  checks: [],
  ...change,
});

interface World {
  readonly clock: ManualClock;
  readonly controller: ScriptedController;
  readonly fleet: RouterFleet;
  readonly context: ZitiContext;
  /** The router whose stream is listened to. */
  stream(): FakeRouter;
  push(set: ServiceChangeSet): void;
  judge(sequence: number, states: Readonly<Record<string, boolean>>, policyPasses: boolean): void;
}

const open: ZitiContext[] = [];
afterEach(async () => {
  for (const context of open.splice(0)) await context[Symbol.asyncDispose]();
});

async function world(prepare: (fleet: RouterFleet, controller: ScriptedController) => void = () => undefined) {
  const clock = new ManualClock();
  const controller = new ScriptedController('oidc');
  const fleet = new RouterFleet();
  fleet.capabilities = { known: true, connectV2: true, serviceUpdates: true };
  controller.services = [{ id: 'web', name: 'web', permissions: ['Dial'] }];
  prepare(fleet, controller);
  const context = await openZitiContext({
    name: 'me',
    apis: ['https://one.test/edge/client/v1'],
    caPem: '',
    credential: { kind: 'certificate', certPem: cert, key },
    clock,
    log: silentLog,
    version: '0',
    open: controller.open,
    openRouter: fleet.open,
  });
  open.push(context);
  await clock.advanceSlowly(1000);
  const stream = (): FakeRouter => fleet.live().find(({ listener }) => listener !== undefined)!;
  const made: World = {
    clock,
    controller,
    fleet,
    context,
    stream,
    push: (set) => stream().listener?.({ kind: 'services', set: readServiceChangeSet(encodeServiceChangeSet(set))! }),
    judge: (sequence, states, isPassing) => {
      const change = {
        sequence,
        checks: Object.entries(states).map(([id, passes]) => ({
          id,
          isPassing: passes,
          timeoutRemainingSeconds: undefined,
        })),
        policies: [{ id: 'dialling', isPassing }],
      };
      stream().listener?.({
        kind: 'posture',
        change: readPostureStateChange(encodePostureStateChange(change, clock.now()))!,
      });
    },
  };
  return made;
}

describe('services pushed by a router', () => {
  it('are known without asking, and a dial asks the controller nothing', async () => {
    const { clock, controller, context, stream, push } = await world();
    push(whole(10));
    await clock.advanceSlowly(100);
    const asked = controller.seen.length;
    push({ ...whole(11), previousIndex: 10, services: [service('db')], policies: [policy('dialling')] });
    expect(context.services().map(({ id }) => id)).toEqual(['web', 'db']);
    await context.confirmServices();
    const dialled = await context.dial('web');
    dialled.reset();
    expect(stream().dials.at(-1)).toMatchObject({ serviceId: 'web' });
    expect(stream().dials.at(-1)?.sessionToken).toBeUndefined();
    // What a stream does not tell of a service never listed is asked for, once.
    expect(controller.seen.slice(asked).filter((call) => !call.startsWith(services))).toEqual([]);
  });

  it('end the polling while the stream lives, and it begins again with the stream', async () => {
    const { clock, controller, fleet, stream, push, context } = await world();
    push(whole(10));
    const before = controller.count(services);
    await clock.advanceSlowly(60_000, 500);
    expect(controller.count(services)).toBe(before);
    expect(controller.count(updates)).toBeLessThan(8);
    fleet.unreachable.add('router-1');
    await stream()[Symbol.asyncDispose]();
    controller.services = [];
    await clock.advanceSlowly(2000, 100);
    expect(context.services()).toEqual([]);
  });

  it('carry configs, encryption and permissions of each service', async () => {
    const { context, push } = await world();
    const configs = [{ typeId: 't', typeName: 'intercept.v1', dataJson: '{"addresses":["a.ziti"]}' }];
    push(
      whole(3, {
        services: [service('web', { configs, policyIds: ['dialling', 'hosting'] })],
        policies: [policy('dialling'), policy('hosting', { type: 'Bind' })],
      }),
    );
    expect(context.services()).toMatchObject([
      { id: 'web', permissions: ['Dial', 'Bind'], configs: { 'intercept.v1': { addresses: ['a.ziti'] } } },
    ]);
  });

  it('are asked for anew where an index is missing, and a stale change is dropped', async () => {
    const { context, stream, push } = await world();
    push(whole(10));
    expect(stream().subscriptions).toBe(1);
    push({ ...whole(9), previousIndex: 8, services: [service('stale')] });
    push({ ...whole(13), previousIndex: 12, services: [service('later')] });
    expect(stream().subscriptions).toBe(2);
    expect(context.services().map(({ id }) => id)).toEqual(['web']);
    push(whole(13, { services: [service('web'), service('later')] }));
    expect(context.services().map(({ id }) => id)).toEqual(['web', 'later']);
  });

  it('move to another router when theirs is lost, whose indexes are its own', async () => {
    const { clock, context, fleet, stream, push } = await world((_fleet, controller) => {
      controller.routers = ['router-1', 'router-2'];
    });
    push(whole(500));
    const first = stream();
    fleet.unreachable.add(first.name);
    await first[Symbol.asyncDispose]();
    await clock.advanceSlowly(50, 5);
    expect(stream().name).not.toBe(first.name);
    push(whole(7, { services: [service('db')] }));
    expect(context.services().map(({ id }) => id)).toEqual(['db']);
  });

  it('cut what runs when they are taken away, at once and with the reason', async () => {
    const { context, stream, push } = await world();
    push(whole(10));
    await context.dial('web');
    push({ ...whole(11), previousIndex: 10, services: [service('web', { op: 'removed' })], policies: [] });
    expect(stream().revoked).toMatchObject([{ serviceId: 'web', error: { code: 'ziti.dial.access_denied' } }]);
  });
});

describe('posture pushed by a router', () => {
  const guarded = whole(10, { policies: [policy('dialling', { postureCheckIds: ['os'] })], checks: [check('os')] });

  it('cuts what runs the moment a check begins to fail, naming the check', async () => {
    const { context, stream, push, judge } = await world();
    push(guarded);
    judge(1, { os: true }, true);
    await context.dial('web');
    expect(context.services()[0]?.postureChecks).toMatchObject([{ id: 'os', isPassing: true, judged: 'router' }]);
    judge(2, { os: false }, false);
    expect(context.services()[0]?.postureChecks).toMatchObject([{ id: 'os', isPassing: false, judged: 'router' }]);
    expect(stream().revoked).toMatchObject([
      { error: { code: 'ziti.dial.posture_failed', details: { revoked: true, failingChecks: [{ id: 'os' }] } } },
    ]);
  });

  it('does not take the verdict of a router that was not told of this host yet for one', async () => {
    const { clock, context, stream, push, judge } = await world();
    push(guarded);
    await context.dial('web');
    push(guarded);
    const fresh = stream();
    judge(1, { os: false }, false);
    expect(fresh.revoked).toEqual([]);
    await clock.advanceSlowly(1100, 100);
    expect(fresh.revoked).toMatchObject([{ serviceId: 'web' }]);
  });

  it('is taken for a verdict at once where that router refuses a dial for it', async () => {
    const { context, fleet, push, judge } = await world();
    push(guarded);
    judge(1, { os: false }, false);
    expect(context.services()[0]?.postureChecks).toMatchObject([{ id: 'os', isPassing: true }]);
    fleet.dialFailures.push(new TunnelerError('ziti.dial.posture_failed', 'posture'));
    await expect(context.dial('web')).rejects.toMatchObject({ code: 'ziti.dial.posture_failed' });
    expect(context.services()[0]?.postureChecks).toMatchObject([{ id: 'os', isPassing: false, judged: 'router' }]);
  });

  it('is asked for anew where a number is missing', async () => {
    const { stream, push, judge } = await world();
    push(guarded);
    judge(1, { os: true }, true);
    judge(3, { os: true }, true);
    expect(stream().resyncs).toBe(1);
  });

  it('does not stand in the way where another policy grants the service', async () => {
    const { context, stream, push, judge } = await world();
    push(
      whole(10, {
        services: [service('web', { policyIds: ['dialling', 'open'] })],
        policies: [policy('dialling', { postureCheckIds: ['os'] }), policy('open')],
        checks: [check('os')],
      }),
    );
    await context.dial('web');
    judge(1, { os: true }, true);
    judge(2, { os: false }, false);
    expect(stream().revoked).toEqual([]);
    expect(context.services()[0]?.postureChecks).toEqual([]);
  });
});

it('capabilities are bits of a big-endian number of any length, unknown ones ignored', () => {
  expect(readRouterCapabilities(Uint8Array.of(0x40, 0, 0, 0, 0, 0, 0, 0x76))).toEqual({
    known: true,
    connectV2: true,
    serviceUpdates: true,
  });
  expect(readRouterCapabilities(Uint8Array.of(0x10))).toMatchObject({ connectV2: false, serviceUpdates: true });
  expect(readRouterCapabilities(undefined)).toEqual({ known: false, connectV2: false, serviceUpdates: false });
});
