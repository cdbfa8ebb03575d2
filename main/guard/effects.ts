/** Collects what a guard wants done while it reads one chunk. Views that lie side by side go on as one. */
import type { Reason } from '../base/reason.ts';
import { adjoin } from './bytes.ts';
import type { GuardCall, GuardEffect } from './guard.ts';

const nothing: readonly GuardEffect[] = [];

export class Effects {
  #list: GuardEffect[] = [];

  toService(bytes: Uint8Array): void {
    this.#pass('to-service', bytes);
  }

  toApp(bytes: Uint8Array): void {
    this.#pass('to-app', bytes);
  }

  call(call: GuardCall): void {
    this.#list.push({ kind: 'call', call });
  }

  violation(reason: Reason, lost: boolean): void {
    this.#list.push({ kind: 'violation', reason, lost });
  }

  serviceFault(reason: Reason, lost: boolean): void {
    this.#list.push({ kind: 'service-fault', reason, lost });
  }

  end(reason: Reason): void {
    this.#list.push({ kind: 'end', reason });
  }

  warning(reason: Reason): void {
    this.#list.push({ kind: 'warning', reason });
  }

  notVisible(direction: 'open' | 'closed'): void {
    this.#list.push({ kind: 'not-visible', direction });
  }

  /** What was collected; the collector is empty then. */
  take(): readonly GuardEffect[] {
    if (this.#list.length === 0) return nothing;
    const taken = this.#list;
    this.#list = [];
    return taken;
  }

  #pass(kind: 'to-service' | 'to-app', bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const last = this.#list.at(-1);
    const joined = last?.kind === kind ? adjoin(last.bytes, bytes) : undefined;
    if (joined !== undefined) this.#list.pop();
    this.#list.push({ kind, bytes: joined ?? bytes });
  }
}
