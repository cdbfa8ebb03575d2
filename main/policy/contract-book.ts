/**
 * The contract in force for a service: the controller's, narrowed by every local one whose name pattern fits. Parsed once for each
 * config object the controller sent; the sessions get one frozen snapshot.
 */
import { contractConfigType, parseEngagement, type EngagementContract } from '../base/engagement.ts';
import { toTunnelerError } from '../base/errors.ts';
import type { Glob } from '../base/glob.ts';
import type { Reason } from '../base/reason.ts';
import type { Match } from '../intercept/match.ts';
import { narrowContracts } from './narrow.ts';
import { compileSchedule, type CompiledSchedule } from './schedule.ts';

/** A contract from a local file, for the services its patterns name. */
export interface LocalContract {
  /** `policy.d/plc.yaml`, as shown. */
  readonly origin: string;
  readonly services: readonly Glob[];
  readonly contract: EngagementContract;
}

/** What holds for a service's sessions now; under an invalid contract nothing is dialled. */
export type ContractInForce =
  | { readonly kind: 'none' }
  | { readonly kind: 'invalid'; readonly reason: Reason }
  | {
      readonly kind: 'set';
      /** Deeply frozen, and the same object for as long as its sources are the same. */
      readonly contract: EngagementContract;
      readonly origin: string;
      readonly schedule: CompiledSchedule | undefined;
    };

type Contracted = Pick<Match['service'], 'name' | 'configs'>;

/** Contracts by service, compiled once for each config object. Made anew with the local contracts at each reload. */
export class ContractBook {
  readonly #local: readonly LocalContract[];
  readonly #byConfig = new WeakMap<object, Map<string, ContractInForce>>();
  readonly #byName = new Map<string, ContractInForce>();

  constructor(local: readonly LocalContract[]) {
    this.#local = local;
  }

  /** Never throws: a contract that cannot be read is `invalid`, and refuses. */
  inForce(service: Contracted): ContractInForce {
    const raw = service.configs[contractConfigType];
    if (typeof raw !== 'object' || raw === null) return this.#remember(this.#byName, service, raw);
    let known = this.#byConfig.get(raw);
    if (known === undefined) this.#byConfig.set(raw, (known = new Map<string, ContractInForce>()));
    return this.#remember(known, service, raw);
  }

  #remember(known: Map<string, ContractInForce>, service: Contracted, raw: unknown): ContractInForce {
    // Anything but an object or nothing at all is an invalid contract, and not worth remembering.
    if (raw !== undefined && typeof raw !== 'object') return this.#make(service, raw);
    const found = known.get(service.name);
    if (found !== undefined) return found;
    const made = this.#make(service, raw);
    known.set(service.name, made);
    return made;
  }

  #make(service: Contracted, raw: unknown): ContractInForce {
    try {
      const sources = [
        ...(raw === undefined
          ? []
          : [{ origin: 'controller', contract: parseEngagement(raw, `service ${service.name}`) }]),
        ...this.#local.filter((local) => local.services.some((glob) => glob.matches(service.name))),
      ];
      const [first, ...others] = sources;
      if (first === undefined) return { kind: 'none' };
      const contract = deepFreeze(
        structuredClone(others.reduce((sum, other) => narrowContracts(sum, other.contract), first.contract)),
      );
      return {
        kind: 'set',
        contract,
        origin: sources.map((source) => source.origin).join(' + '),
        schedule: contract.schedule === undefined ? undefined : compileSchedule(contract.schedule),
      };
    } catch (error) {
      return {
        kind: 'invalid',
        reason: {
          code: 'contract.invalid',
          sentence: toTunnelerError(error).message,
          next: 'correct the contract: one that is half understood is no contract, so nothing is dialled under it',
          rule: raw === undefined ? 'contract' : `contract:controller`,
        },
      };
    }
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
