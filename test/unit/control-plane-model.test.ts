/**
 * The control plane against a model: services come and go, subjects are cut off and released, identities are renamed and locked, rules change,
 * the engine restarts, in any order. Whatever happened, no session is open that would be refused now, and no name stands whose service is gone.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { silentLog } from '../../main/base/log.ts';
import { createConsequences } from '../../main/engine/containment/consequences.ts';
import { openQuarantine } from '../../main/engine/containment/quarantine.ts';
import { reconsiderSessions } from '../../main/engine/control/rule-changes.ts';
import { createServiceChanges } from '../../main/engine/control/service-changes.ts';
import type { IdentityRunner } from '../../main/engine/identities/identity-runner.ts';
import type { Hosting } from '../../main/hosting/hosting.ts';
import { createIntercept } from '../../main/intercept/intercept.ts';
import { openPolicy, type Policy } from '../../main/policy/policy.ts';
import type { Quarantine } from '../../main/policy/quarantine.ts';
import type { DecisionFacts, Verdict } from '../../main/policy/verdict.ts';
import type { ZitiService } from '../../main/ziti/model.ts';
import { fuzzRounds } from '../support/fuzz-rounds.ts';
import { aFlow, aService, curl, facts, machine } from '../support/policy-world.ts';
import { SessionWorld, someFacts } from '../support/session-world.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const serviceNames = ['plc', 'git', 'wiki'] as const;
const owners = ['laptop', 'phone'] as const;
type Owner = (typeof owners)[number];

const service = (name: string): ZitiService =>
  aService(name, {
    configs: {
      'intercept.v1': {
        protocols: ['tcp'],
        addresses: [`${name}.dark`],
        portRanges: [{ low: 80, high: 80 }],
      },
    },
  });

/** An identity as the rooms see it, its services set by the test. */
class Device {
  name: string;
  locked = false;
  granted: readonly ZitiService[] = [];

  constructor(name: string) {
    this.name = name;
  }

  get runner(): IdentityRunner {
    return {
      name: this.name,
      state: () => (this.locked ? 'unauthenticated' : 'authenticated'),
      services: () => this.held,
      context: () => undefined,
      facts: () => machine,
    } as unknown as IdentityRunner;
  }

  get held(): readonly ZitiService[] {
    return this.locked ? [] : this.granted;
  }
}

class ControlPlane {
  readonly #world = new SessionWorld();
  readonly #directory = temporaryDirectory('control-plane');
  readonly #intercept = createIntercept();
  readonly #devices: Readonly<Record<Owner, Device>> = { laptop: new Device('laptop'), phone: new Device('phone') };
  #quarantine: Quarantine;
  #policy!: Policy;
  #changes!: ReturnType<typeof createServiceChanges>;
  #renames = 0;

  private constructor() {
    this.#quarantine = this.#openQuarantine();
  }

  static async open(): Promise<ControlPlane> {
    const plane = new ControlPlane();
    await plane.#assemble();
    return plane;
  }

  async #assemble(): Promise<void> {
    const { sessions, clock, audit } = this.#world;
    this.#policy = await openPolicy({ dir: this.#directory, device: 'box', log: silentLog });
    const ignored = (): Promise<void> => Promise.resolve();
    const hosting = { replace: ignored, remove: ignored, rename: ignored } as unknown as Hosting;
    const nothing = (): void => undefined;
    const common = { clock, log: silentLog, audit, sessions, quarantine: this.#quarantine, refresh: nothing };
    this.#changes = createServiceChanges({
      ...common,
      intercept: this.#intercept,
      hosting,
      answered: { of: () => undefined },
      problems: new Map(),
      onIntercepted: nothing,
      onRoutes: nothing,
    });
    const consequences = createConsequences({ ...common, onSession: nothing, onCall: nothing, raise: nothing });
    this.#quarantine.events.subscribe(consequences.quarantined);
  }

  #openQuarantine(): Quarantine {
    const { clock, audit } = this.#world;
    return openQuarantine({ stateDirectory: this.#directory, clock, audit, log: silentLog });
  }

  grant(owner: Owner, names: readonly string[]): void {
    const device = this.#devices[owner];
    this.#turn(device, () => (device.granted = names.map(service)));
  }

  lock(owner: Owner, locked: boolean): void {
    const device = this.#devices[owner];
    this.#turn(device, () => (device.locked = locked));
  }

  #turn(device: Device, change: () => void): void {
    const before = device.held;
    change();
    this.#changes.runner.services(device.runner, before, device.held);
  }

  rename(owner: Owner): void {
    const device = this.#devices[owner];
    const from = device.name;
    device.name = `${owner}-${++this.#renames}`;
    this.#changes.renamed(from, device.name);
  }

  quarantine(subject: string, held: boolean): void {
    if (held) this.#quarantine.add(subject, 'the model says so', 'operator');
    else if (this.#quarantine.list().some((entry) => entry.subject === subject)) this.#quarantine.release(subject);
  }

  subjectOf(owner: Owner): string {
    return `identity:${this.#devices[owner].name}`;
  }

  async rules(forbidden: string | undefined): Promise<void> {
    const file = join(this.#directory, 'model.cedar');
    if (forbidden === undefined) rmSync(file, { force: true });
    else {
      const rule = `forbid(principal, action == Action::"dial", resource == Service::"${forbidden}");`;
      writeFileSync(file, `permit(principal, action, resource);\n@id("model") ${rule}\n`);
    }
    await this.#policy.reload();
    const find = (name: string): IdentityRunner | undefined =>
      Object.values(this.#devices).find((device) => device.name === name)?.runner;
    const { clock, sessions } = this.#world;
    reconsiderSessions({ clock, policy: this.#policy, identities: { find }, sessions });
  }

  /** What is on disk is all that stays: sockets die with the process, services are told anew. */
  async restart(): Promise<void> {
    this.#world.sessions.closeWhere(() => true, 'tunnel_failed', { code: 'session.stopped', sentence: 'restarted' });
    for (const { name } of Object.values(this.#devices)) this.#intercept.remove(name);
    this.#quarantine[Symbol.dispose]();
    this.#quarantine = this.#openQuarantine();
    await this.#assemble();
    for (const device of Object.values(this.#devices)) {
      this.#changes.runner.services(device.runner, [], device.held);
    }
  }

  #decide(name: string): Verdict | undefined {
    const flow = { ...aFlow, destination: { hostname: `${name}.dark`, port: 80 } };
    const found = this.#intercept.match(flow);
    return found.kind === 'none' ? undefined : this.#policy.decide(flow, curl, found.matches, this.#facts());
  }

  #facts(): DecisionFacts {
    return facts(Object.fromEntries(Object.values(this.#devices).map(({ name }) => [name, machine])), {
      nowMs: this.#world.clock.now(),
      isQuarantined: (subject) => this.#quarantine.list().find((entry) => entry.subject === subject)?.cause,
    });
  }

  /** A program dials; a session stands where the verdict was to dial. */
  dial(name: string): void {
    const verdict = this.#decide(name);
    if (verdict?.kind !== 'dial') return;
    const { match } = verdict;
    this.#world.open({
      ...someFacts,
      app: curl,
      service: name,
      serviceId: match.service.id,
      identity: match.identity,
      destination: `${name}.dark:80`,
    });
  }

  check(): void {
    const names = new Map(Object.values(this.#devices).map((device) => [device.name, device]));
    for (const session of this.#world.sessions.list()) {
      if (session.state !== 'open') continue;
      const device = names.get(session.identity);
      const granted = device?.held.some(({ id }) => id === session.serviceId) === true;
      expect(granted, `${session.service} by ${session.identity} is open, but not granted`).toBe(true);
      const match = { identity: session.identity, service: service(session.service), dialTimeoutMs: 1, appData: {} };
      const flow = { ...aFlow, destination: { hostname: `${session.service}.dark`, port: 80 } };
      expect(this.#policy.decide(flow, curl, [match], this.#facts()).kind, session.service).toBe('dial');
    }
    const held = new Set(Object.values(this.#devices).flatMap((device) => device.held.map(({ name }) => name)));
    for (const name of serviceNames) {
      const flow = { ...aFlow, destination: { hostname: `${name}.dark`, port: 80 } };
      expect(this.#intercept.match(flow).kind !== 'none', `the name of ${name}`).toBe(held.has(name));
    }
  }
}

const anOwner = fc.constantFrom(...owners);
const aName = fc.constantFrom(...serviceNames);
type Step = (plane: ControlPlane) => void | Promise<void>;
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: aName.map(
      (name): Step =>
        (plane) =>
          plane.dial(name),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(anOwner, fc.subarray([...serviceNames])).map(
      ([owner, names]): Step =>
        (plane) =>
          plane.grant(owner, names),
    ),
  },
  fc.tuple(anOwner, fc.boolean()).map(
    ([owner, locked]): Step =>
      (plane) =>
        plane.lock(owner, locked),
  ),
  anOwner.map(
    (owner): Step =>
      (plane) =>
        plane.rename(owner),
  ),
  fc.tuple(anOwner, fc.boolean()).map(
    ([owner, held]): Step =>
      (plane) =>
        plane.quarantine(plane.subjectOf(owner), held),
  ),
  fc.tuple(aName, fc.boolean()).map(
    ([name, held]): Step =>
      (plane) =>
        plane.quarantine(`service:${name}`, held),
  ),
  fc.option(aName, { nil: undefined }).map(
    (name): Step =>
      (plane) =>
        plane.rules(name),
  ),
  fc.constant<Step>((plane) => plane.restart()),
);

it('leaves nothing open that would be refused now, and no name whose service is gone', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const plane = await ControlPlane.open();
      for (const owner of owners) plane.grant(owner, serviceNames);
      for (const one of steps) {
        await one(plane);
        plane.check();
      }
    }),
    { numRuns: fuzzRounds(40) },
  );
}, 120_000);
