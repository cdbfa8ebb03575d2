/** What release 2.1 pushes to a client that subscribed on its channel: its services as they change, and how its posture is judged. */
import { contentType } from '../../ziti/wire/content-type.ts';
import {
  encodePostureStateChange,
  encodeServiceChangeSet,
  type PostureStateChange,
  type PushedCheck,
  type PushedPolicy,
  type PushedService,
} from '../../ziti/wire/service-updates.ts';
import { configsOf } from '../controller/views.ts';
import { mfaRemainingMs } from '../posture.ts';
import type { ApiSessionRecord, PostureCheckRecord } from '../model.ts';
import type { Network } from '../network.ts';
import { headers, type RouterChannel } from './channel.ts';

/** Everything one identity sees, by id. */
interface Structure {
  readonly services: ReadonlyMap<string, PushedService>;
  readonly policies: ReadonlyMap<string, PushedPolicy>;
  readonly checks: ReadonlyMap<string, PushedCheck>;
}

/** One channel's subscription. */
export class Pushes {
  readonly #network: Network;
  readonly #channel: RouterChannel;
  readonly #apiSession: ApiSessionRecord;
  #sent: Structure | undefined;
  #index = 0;
  #sequence = 0;
  #postureSent = '';

  constructor(network: Network, channel: RouterChannel, apiSession: ApiSessionRecord) {
    this.#network = network;
    this.#channel = channel;
    this.#apiSession = apiSession;
  }

  /** From now on; everything first, whatever index the client names. */
  subscribe(): void {
    this.#sent = this.#structure();
    this.#index = this.#network.lastChangeAt;
    this.#send(-1, this.#sent);
    this.#sendPosture(this.#posture());
  }

  unsubscribe(): void {
    this.#sent = undefined;
  }

  resyncPosture(): void {
    if (this.#sent !== undefined) this.#sendPosture(this.#posture());
  }

  /** Tell what is different now; nothing where nothing is. */
  networkChanged(): void {
    const before = this.#sent;
    if (before === undefined || this.#channel.isClosed) return;
    const now = this.#structure();
    const services = changesOf(before.services, now.services, (id) => ({ ...removedService, id }));
    const checks = changesOf(before.checks, now.checks, (id) => ({ ...removedCheck, id }));
    if (services.length > 0 || checks.length > 0) {
      // A policy travels with the services it grants; one that grants none any more is not told of.
      const named = new Set(services.flatMap((service) => service.policyIds));
      const policies = [...now.policies.values()].filter((policy) => named.has(policy.id));
      const previous = this.#index;
      this.#sent = now;
      this.#index = Math.max(previous + 1, this.#network.lastChangeAt);
      this.#send(previous, {
        services: byId(services),
        policies: byId(policies),
        checks: byId([
          ...policies.flatMap(({ postureCheckIds }) => postureCheckIds.flatMap((id) => now.checks.get(id) ?? [])),
          ...checks,
        ]),
      });
    }
    const posture = this.#posture();
    if (JSON.stringify(posture) !== this.#postureSent) this.#sendPosture(posture);
  }

  #send(previousIndex: number, what: Structure): void {
    const body = encodeServiceChangeSet({
      index: this.#index,
      previousIndex,
      services: [...what.services.values()],
      policies: [...what.policies.values()],
      checks: [...what.checks.values()],
    });
    this.#channel.send(contentType.serviceChangeSet, headers(), body);
  }

  #sendPosture(posture: Omit<PostureStateChange, 'sequence'>): void {
    this.#postureSent = JSON.stringify(posture);
    this.#sequence += 1;
    const body = encodePostureStateChange({ sequence: this.#sequence, ...posture }, this.#network.clock.now());
    this.#channel.send(contentType.postureStateChange, headers(), body);
  }

  #structure(): Structure {
    const network = this.#network;
    const identity = network.identities.get(this.#apiSession.identityId);
    const services = new Map<string, PushedService>();
    const policies = new Map<string, PushedPolicy>();
    const checks = new Map<string, PushedCheck>();
    if (identity === undefined) return { services, policies, checks };
    for (const { service } of network.visibleServices(identity)) {
      const granting = network.policiesFor(identity, service);
      for (const policy of granting) {
        const asked = network.checksOf(policy);
        for (const check of asked) checks.set(check.id, pushedCheck(check));
        const postureCheckIds = asked.map(({ id }) => id);
        policies.set(policy.id, { op: 'added', id: policy.id, type: policy.type, postureCheckIds });
      }
      const configs = Object.entries(configsOf(network, service, identity, ['all'])).map(([typeName, data]) => ({
        typeId: network.configTypes.find((type) => type.name === typeName)?.id ?? '',
        typeName,
        dataJson: JSON.stringify(data),
      }));
      services.set(service.id, {
        op: 'added',
        id: service.id,
        name: service.name,
        encryptionRequired: service.encryptionRequired,
        policyIds: granting.map(({ id }) => id),
        configs,
      });
    }
    return { services, policies, checks };
  }

  #posture(): Omit<PostureStateChange, 'sequence'> {
    const network = this.#network;
    const identity = network.identities.get(this.#apiSession.identityId);
    if (identity === undefined) return { checks: [], policies: [] };
    const granting = network.visibleServices(identity).flatMap(({ service }) => network.policiesFor(identity, service));
    const policies = [...new Map(granting.map((policy) => [policy.id, policy])).values()];
    const asked = policies.flatMap((policy) => network.checksOf(policy));
    const passes = (check: PostureCheckRecord): boolean => network.checkPasses(this.#apiSession, check);
    const facts = network.posture(this.#apiSession.id);
    return {
      checks: [...new Map(asked.map((check) => [check.id, check])).values()].map((check) => {
        const leftMs = check.kind === 'MFA' ? mfaRemainingMs(check, facts, network.clock.now()) : Infinity;
        const timeoutRemainingSeconds = leftMs === Infinity ? undefined : Math.floor(leftMs / 1000);
        return { id: check.id, isPassing: passes(check), timeoutRemainingSeconds };
      }),
      policies: policies.map((policy) => ({ id: policy.id, isPassing: network.checksOf(policy).every(passes) })),
    };
  }
}

const removedService: PushedService = {
  op: 'removed',
  id: '',
  name: '',
  encryptionRequired: false,
  policyIds: [],
  configs: [],
};

const removedCheck: PushedCheck = {
  op: 'removed',
  id: '',
  type: '',
  promptOnUnlock: false,
  promptOnWake: false,
  semantic: '',
  processes: [],
  timeoutSeconds: 0,
};

/** A check of one process is told as one of several (openziti/ziti: router/xgress_edge/listener.go, buildPostureCheckDef). */
function pushedCheck(check: PostureCheckRecord): PushedCheck {
  const isProcess = check.kind === 'PROCESS' || check.kind === 'PROCESS_MULTI';
  return {
    op: 'added',
    id: check.id,
    type: isProcess ? 'PROCESS_MULTI' : check.kind,
    promptOnUnlock: check.promptOnUnlock === true,
    promptOnWake: check.promptOnWake === true,
    semantic: isProcess ? (check.semantic ?? 'AllOf') : '',
    processes: (check.processes ?? []).map(({ osType, path }) => ({ osType, path })),
    timeoutSeconds: check.kind === 'MFA' ? (check.timeoutSeconds ?? -1) : 0,
  };
}

function changesOf<T extends { readonly op: string; readonly id: string }>(
  before: ReadonlyMap<string, T>,
  now: ReadonlyMap<string, T>,
  removed: (id: string) => T,
): T[] {
  const changed = [...now.values()].flatMap((entry) => {
    const known = before.get(entry.id);
    if (known === undefined) return [entry];
    return JSON.stringify(known) === JSON.stringify(entry) ? [] : [{ ...entry, op: 'updated' as const }];
  });
  return [...changed, ...[...before.keys()].filter((id) => !now.has(id)).map(removed)];
}

function byId<T extends { readonly id: string }>(entries: readonly T[]): ReadonlyMap<string, T> {
  return new Map(entries.map((entry) => [entry.id, entry]));
}
