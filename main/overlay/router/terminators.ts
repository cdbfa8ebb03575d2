/** Who hosts what: the terminators of the one router, and the choice among them. */
import { newId } from '../ids.ts';
import type { PrecedenceName, TerminatorStrategy } from '../model.ts';
import type { Terminator } from './client.ts';

/** A circuit in use makes its terminator dearer by this, a failed dial by that (openziti/ziti: controller/xt_common/costs.go). */
const circuitCost = 2;
const failureCost = 50;

const rank: Readonly<Record<PrecedenceName, number>> = { required: 0, default: 1, failed: 2 };

/** In memory alone: hosts bind again after a restart. */
export class Terminators {
  readonly #byId = new Map<string, Terminator>();

  get size(): number {
    return this.#byId.size;
  }

  list(): Terminator[] {
    return [...this.#byId.values()];
  }

  get(id: string): Terminator | undefined {
    return this.#byId.get(id);
  }

  /**
   * Take a new one. What it replaces is removed and returned: the same listener of the same identity (its id lives on),
   * or without a listener id the same session token and instance.
   */
  add(terminator: Omit<Terminator, 'id' | 'circuits' | 'failures'>): {
    readonly added: Terminator;
    readonly replaced: Terminator | undefined;
  } {
    const replaced = this.list().find((other) =>
      terminator.listenerId === ''
        ? other.serviceSessionId === terminator.serviceSessionId && other.instanceId === terminator.instanceId
        : other.listenerId === terminator.listenerId &&
          other.serviceId === terminator.serviceId &&
          other.host.identityId === terminator.host.identityId,
    );
    const id = terminator.listenerId !== '' && replaced !== undefined ? replaced.id : newId();
    if (replaced !== undefined) this.#byId.delete(replaced.id);
    const added: Terminator = { ...terminator, id, circuits: 0, failures: 0 };
    this.#byId.set(id, added);
    return { added, replaced };
  }

  /** Remove exactly this one; false where it was already gone or replaced. */
  remove(terminator: Terminator): boolean {
    return this.#byId.get(terminator.id) === terminator && this.#byId.delete(terminator.id);
  }

  /** Terminators of one instance of a service, the best precedence only. */
  candidates(serviceId: string, instanceId: string): Terminator[] {
    const all = this.list().filter((entry) => entry.serviceId === serviceId && entry.instanceId === instanceId);
    const best = Math.min(...all.map((entry) => rank[entry.precedence]));
    return all.filter((entry) => rank[entry.precedence] === best);
  }

  hasAny(serviceId: string): boolean {
    return this.list().some((entry) => entry.serviceId === serviceId);
  }
}

/** Choose among candidates of equal precedence. `stickyId` is the terminator an earlier circuit had. */
export function chooseTerminator(
  candidates: readonly Terminator[],
  strategy: TerminatorStrategy,
  stickyId: string | undefined,
): Terminator | undefined {
  if (strategy === 'sticky') {
    const same = candidates.find((entry) => entry.id === stickyId);
    if (same !== undefined) return same;
  }
  if (strategy === 'random') return candidates[Math.floor(Math.random() * candidates.length)];
  if (strategy === 'weighted') return chooseWeighted(candidates);
  return candidates.reduce<Terminator | undefined>(
    (best, entry) => (best === undefined || totalCost(entry) < totalCost(best) ? entry : best),
    undefined,
  );
}

function totalCost(terminator: Terminator): number {
  return terminator.cost + terminator.circuits * circuitCost + terminator.failures * failureCost;
}

function chooseWeighted(candidates: readonly Terminator[]): Terminator | undefined {
  const weightOf = (entry: Terminator): number => 1 / (1 + totalCost(entry));
  let point = Math.random() * candidates.reduce((sum, entry) => sum + weightOf(entry), 0);
  return candidates.find((entry) => (point -= weightOf(entry)) <= 0) ?? candidates.at(-1);
}
