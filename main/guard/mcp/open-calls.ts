/** Calls that went on and wait for their answers. Pure. */
import type { DataFound } from '../data/found.ts';
import type { GuardCall } from '../guard.ts';
import type { RpcId } from './rpc.ts';

/** A request that went on and waits for its answer. */
export interface OpenCall {
  readonly method: string;
  /** Absent for what is not recorded. */
  readonly call: GuardCall | undefined;
  /** The tool, prompt or resource it names. */
  readonly thing?: string;
}

/** How a call was answered. */
export interface CallAnswer {
  readonly failed: boolean;
  /** What was in the answer. */
  readonly data?: readonly DataFound[];
  /** The rule for which it was not given to the application. */
  readonly withheld?: string | undefined;
}

/** Calls that wait for an answer, by the id they were asked under. */
export class OpenCalls {
  readonly #byId = new Map<string, OpenCall>();

  get size(): number {
    return this.#byId.size;
  }

  has(id: RpcId): boolean {
    return this.#byId.has(keyOf(id));
  }

  add(id: RpcId, open: OpenCall): void {
    this.#byId.set(keyOf(id), open);
  }

  take(id: RpcId): OpenCall | undefined {
    const open = this.#byId.get(keyOf(id));
    this.#byId.delete(keyOf(id));
    return open;
  }

  /** The one that is open, where it is only one. */
  only(): OpenCall | undefined {
    return this.#byId.size === 1 ? [...this.#byId.values()][0] : undefined;
  }

  /** Everything still open, which is open no more. */
  drain(): readonly OpenCall[] {
    const all = [...this.#byId.values()];
    this.#byId.clear();
    return all;
  }
}

function keyOf(id: RpcId): string {
  return `${typeof id}:${id}`;
}
