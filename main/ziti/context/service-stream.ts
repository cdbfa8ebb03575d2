/**
 * What one router has pushed of an identity's services, put together: entries arrive in parts, by index, and a service's row is made of
 * itself, the policies that grant it, their checks and how these are judged.
 */
import type { PostureCheck, ZitiService } from '../model.ts';
import type {
  PostureStateChange,
  PushedCheck,
  PushedPolicy,
  PushedService,
  ServiceChangeSet,
} from '../wire/service-updates.ts';
import { postureQueryTypes } from '../model.ts';

/** What became of a message. `gap`: one before it is missing, so everything has to be asked for. */
export type Applied = 'changed' | 'unchanged' | 'gap';

type Verdict = PostureStateChange['checks'][number];

/** Takes pushes in the order they came; `gap` says that something between them is missing and all of it has to be asked for again. */
export class ServiceStream {
  readonly #services = new Map<string, PushedService>();
  readonly #policies = new Map<string, PushedPolicy>();
  readonly #checks = new Map<string, PushedCheck>();
  readonly #checkStates = new Map<string, Verdict>();
  readonly #policyStates = new Map<string, boolean>();
  /** Policies seen to pass on this stream. */
  readonly #passed = new Set<string>();
  readonly #rows = new Map<string, ZitiService>();
  #index: number | undefined;
  #sequence = 0;
  #settled = false;

  /** Rows as they stand; a row that did not change is the same object. */
  services(): readonly ZitiService[] {
    return [...this.#services.keys()].flatMap((id) => this.#row(id) ?? []);
  }

  /** Everything came at least once. */
  get isWhole(): boolean {
    return this.#index !== undefined;
  }

  /** Take a change as a whole. */
  applyServices(set: ServiceChangeSet): Applied {
    if (set.previousIndex === -1) this.#forget();
    else if (this.#index === undefined || set.previousIndex > this.#index) return 'gap';
    else if (set.index <= this.#index) return 'unchanged';
    this.#index = set.index;
    const touchedPolicies = new Set<string>();
    for (const check of set.checks) {
      if (check.op === 'removed') this.#checks.delete(check.id);
      else this.#checks.set(check.id, check);
      for (const policy of this.#policies.values()) {
        if (policy.postureCheckIds.includes(check.id)) touchedPolicies.add(policy.id);
      }
    }
    for (const policy of set.policies) {
      if (policy.op === 'removed') this.#policies.delete(policy.id);
      else this.#policies.set(policy.id, policy);
      touchedPolicies.add(policy.id);
    }
    for (const service of set.services) {
      if (service.op === 'removed') this.#services.delete(service.id);
      else this.#services.set(service.id, service);
      this.#rows.delete(service.id);
    }
    this.#touch(touchedPolicies);
    return 'changed';
  }

  applyPosture(change: PostureStateChange): Applied {
    const isNext = change.sequence === this.#sequence + 1;
    this.#sequence = Math.max(this.#sequence, change.sequence);
    const touched = new Set<string>();
    for (const check of change.checks) {
      const known = this.#checkStates.get(check.id);
      this.#checkStates.set(check.id, check);
      if (known?.isPassing === check.isPassing) continue;
      for (const policy of this.#policies.values()) {
        if (policy.postureCheckIds.includes(check.id)) touched.add(policy.id);
      }
    }
    for (const { id, isPassing } of change.policies) {
      if (isPassing) this.#passed.add(id);
      if (this.#policyStates.get(id) !== isPassing) touched.add(id);
      this.#policyStates.set(id, isPassing);
    }
    this.#touch(touched);
    if (!isNext) return 'gap';
    return touched.size > 0 ? 'changed' : 'unchanged';
  }

  /**
   * What the router was told of this host has had time to be judged: from now on a policy that never passed here counts as failing. Before,
   * the router may merely not have looked yet.
   */
  settle(): Applied {
    if (this.#settled) return 'unchanged';
    this.#settled = true;
    const failing = [...this.#policyStates].filter(([id, passing]) => !passing && !this.#passed.has(id));
    this.#touch(new Set(failing.map(([id]) => id)));
    return failing.length > 0 ? 'changed' : 'unchanged';
  }

  /** Verdicts stay: those that follow are numbered on. */
  #forget(): void {
    this.#services.clear();
    this.#policies.clear();
    this.#checks.clear();
    this.#rows.clear();
  }

  #touch(policies: ReadonlySet<string>): void {
    if (policies.size === 0) return;
    for (const service of this.#services.values()) {
      if (service.policyIds.some((id) => policies.has(id))) this.#rows.delete(service.id);
    }
  }

  #row(id: string): ZitiService | undefined {
    const known = this.#rows.get(id);
    if (known !== undefined) return known;
    const service = this.#services.get(id);
    if (service === undefined) return undefined;
    const policies = service.policyIds.flatMap((policyId) => this.#policies.get(policyId) ?? []);
    const row: ZitiService = {
      id,
      name: service.name,
      encryptionRequired: service.encryptionRequired,
      permissions: (['Dial', 'Bind'] as const).filter((type) => policies.some((policy) => policy.type === type)),
      configs: Object.fromEntries(service.configs.flatMap(({ typeName, dataJson }) => configOf(typeName, dataJson))),
      roleAttributes: [],
      terminatorStrategy: 'smartrouting',
      postureChecks: (['Dial', 'Bind'] as const).flatMap((type) =>
        this.#checksOf(policies.filter((policy) => policy.type === type)),
      ),
    };
    this.#rows.set(id, row);
    return row;
  }

  /** Of the policies of one type. One without checks grants the service whatever the others ask. */
  #checksOf(policies: readonly PushedPolicy[]): PostureCheck[] {
    if (policies.some(({ postureCheckIds }) => postureCheckIds.length === 0)) return [];
    return policies.flatMap((policy) => policy.postureCheckIds.flatMap((id) => this.#check(policy, id) ?? []));
  }

  #check(policy: PushedPolicy, id: string): PostureCheck | undefined {
    const check = this.#checks.get(id);
    const type = postureQueryTypes.find((known) => known === check?.type);
    if (check === undefined || type === undefined) return undefined;
    // Routers tell of a check for one program as for several, which is one; people know it as what it was made.
    const [program] = check.processes;
    const isSingle = type === 'PROCESS_MULTI' && check.processes.length === 1 && check.semantic === 'AllOf';
    const verdict = this.#checkStates.get(id);
    const isJudged = verdict !== undefined && (verdict.isPassing || this.#settled || this.#passed.has(policy.id));
    return {
      id,
      policyId: policy.id,
      policyType: policy.type,
      queryType: isSingle ? 'PROCESS' : type,
      isPassing: isJudged ? verdict.isPassing : true,
      ...(isJudged ? { judged: 'router' } : {}),
      timeoutSeconds: check.type === 'MFA' && check.timeoutSeconds !== 0 ? check.timeoutSeconds : -1,
      ...(verdict?.timeoutRemainingSeconds === undefined
        ? {}
        : { timeoutRemainingSeconds: verdict.timeoutRemainingSeconds }),
      promptOnWake: check.promptOnWake,
      promptOnUnlock: check.promptOnUnlock,
      ...(isSingle && program !== undefined ? { process: program } : {}),
      ...(!isSingle && check.processes.length > 0 ? { processes: check.processes } : {}),
    };
  }
}

/** What cannot be read is left out, and whoever needs it says that it lacks. */
function configOf(typeName: string, dataJson: string): [string, unknown][] {
  try {
    return [[typeName, JSON.parse(dataJson) as unknown]];
  } catch {
    return [];
  }
}
