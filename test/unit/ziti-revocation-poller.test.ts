/** How soon a change at the controller is known: while streams are open that nobody else would end, and when something is dialled. */
import { afterEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../main/base/log.ts';
import { PollPace } from '../../main/ziti/context/revocation-poller.ts';
import type { HttpAnswer } from '../../main/ziti/controller/transport.ts';
import { newSoftwareKey, openZitiContext, type ZitiContext } from '../../main/ziti/ziti.ts';
import { RouterFleet } from '../support/fake-edge-router.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { ScriptedController, data } from '../support/scripted-controller.ts';
import { selfSigned } from '../support/self-signed.ts';

const { cert } = await selfSigned('127.0.0.1');
const key = await newSoftwareKey();
const updates = 'GET /edge/client/v1/current-api-session/service-updates';
const granted = (id: string) => ({ id, name: id, permissions: ['Dial'] });
const open: ZitiContext[] = [];

interface World {
  readonly clock: ManualClock;
  readonly controller: ScriptedController;
  readonly context: ZitiContext;
  /** Names of the services, each time they changed. */
  readonly seen: string[][];
}

/** A router of a release that leaves streams open when access to their service ends. */
async function world(): Promise<World> {
  const clock = new ManualClock();
  const controller = new ScriptedController('legacy');
  const fleet = new RouterFleet();
  fleet.version = 'v1.7.2';
  controller.services = ['web', 'mail', 'files'].map(granted);
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
  const seen: string[][] = [];
  context.events.subscribe((event) => {
    if (event.kind === 'services-changed') seen.push(event.services.map(({ name }) => name));
  });
  await clock.advanceSlowly(1000);
  seen.length = 0;
  return { clock, controller, context, seen };
}

afterEach(async () => {
  for (const context of open.splice(0)) await context[Symbol.asyncDispose]();
});

/** Answers to whole lists, held back until they are let go. */
function holdLists(controller: ScriptedController): (() => void)[] {
  const held: (() => void)[] = [];
  controller.override = (request) => {
    if (!request.path.includes('/services?') || request.path.includes('filter=')) return undefined;
    const answer = data(controller.services.map((service) => ({ ...service, encryptionRequired: false })));
    return new Promise<HttpAnswer>((resolve) => held.push(() => resolve(answer)));
  };
  return held;
}

describe('the watch over open streams', () => {
  it('asks for the services in use first, and need not wait for the whole list', async () => {
    const { clock, controller, context, seen } = await world();
    await context.dial('web');
    const held = holdLists(controller);
    controller.services = ['mail', 'news'].map(granted);
    controller.touch();
    await clock.advanceSlowly(60, 5);
    expect(seen).toEqual([['mail', 'files']]);
    held[0]?.();
    await clock.advanceSlowly(5, 5);
    expect(seen.at(-1)).toEqual(['mail', 'news']);
  });

  it('brings nothing back by a whole list that was on its way before', async () => {
    const { clock, controller, context, seen } = await world();
    await Promise.all([context.dial('web'), context.dial('mail')]);
    const held = holdLists(controller);
    controller.services = ['mail', 'files'].map(granted);
    controller.touch();
    await clock.advanceSlowly(60, 5);
    controller.services = ['files'].map(granted);
    controller.touch();
    await clock.advanceSlowly(60, 5);
    expect(held).toHaveLength(1);
    for (let turn = 0; turn < 2; turn += 1) {
      held[turn]?.();
      await clock.advanceSlowly(5, 5);
    }
    expect(seen).toEqual([['mail', 'files'], ['files']]);
  });

  it('asks again beside an answer that is late, and stops with the last stream', async () => {
    const { clock, controller, context, seen } = await world();
    const stream = await context.dial('web');
    let late = 0;
    controller.override = (request) => {
      if (!request.path.endsWith('/service-updates') || late > 0) return undefined;
      late += 1;
      return new Promise<HttpAnswer>(() => undefined);
    };
    await clock.advanceSlowly(60, 5);
    expect(late).toBe(1);
    controller.services = ['mail', 'files'].map(granted);
    controller.touch();
    await clock.advanceSlowly(240, 5);
    expect(seen).toEqual([['mail', 'files']]);
    stream.reset();
    await clock.advanceSlowly(500, 5);
    const asked = controller.count(updates);
    await clock.advanceSlowly(2_000, 5);
    expect(controller.count(updates)).toBe(asked);
  });

  it('asks often where the controller is quick or far away, and seldom where it is busy', () => {
    const paused = (answersMs: readonly number[]): number => {
      const pace = new PollPace();
      for (const ms of answersMs) pace.took(ms);
      return pace.pauseMs();
    };
    expect(paused([1, 1, 2, 1, 1])).toBe(50);
    expect(paused([80, 81, 80, 82, 81])).toBe(50);
    expect(paused([1, 1, 300, 1, 1])).toBe(50);
    expect(paused([1, 8, 9, 12, 10])).toBeGreaterThan(60);
    expect(paused([1, 400, 500, 600, 500])).toBe(200);
  });
});

describe('services as of now', () => {
  it('are confirmed with one question for many who ask in one breath', async () => {
    const { clock, controller, context } = await world();
    controller.services = [{ ...granted('web'), config: { 'culvert.contract.v1': { maxBytes: 10 } } }];
    controller.touch();
    const before = controller.count(updates);
    await Promise.all([1, 2, 3].map(() => context.confirmServices()));
    expect(context.services()).toMatchObject([{ configs: { 'culvert.contract.v1': { maxBytes: 10 } } }]);
    await context.confirmServices();
    expect(controller.count(updates)).toBe(before + 1);
    clock.advance(30);
    await context.confirmServices();
    expect(controller.count(updates)).toBe(before + 2);
  });

  it('are waited for while a busy controller looks them up, hardly where it has just been waited for in vain', async () => {
    const { clock, controller, context } = await world();
    controller.override = () => new Promise<HttpAnswer>(() => undefined);
    const waited = async (): Promise<number> => {
      let over = false;
      void context.confirmServices().then(() => (over = true));
      for (let ms = 0; ; ms += 50) {
        if (over || ms > 10_000) return ms;
        await clock.advanceSlowly(50, 10);
      }
    };
    expect(await waited()).toBe(2000);
    expect(await waited()).toBe(250);
    controller.override = () => undefined;
  });
});
