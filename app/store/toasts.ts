/** Short messages that pass: at most four at a time, each gone after a while unless it asks for something. */
import type { Clock } from '../../main/base/clock.ts';

/** One message. */
export interface Toast {
  readonly id: number;
  readonly tone: 'ok' | 'info' | 'warn' | 'bad';
  readonly text: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

const shownForMs = 6_000;
const maxShown = 4;

/** The messages shown now, and their listeners. */
export class Toasts {
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  #shown: readonly Toast[] = [];
  #nextId = 1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  readonly shown = (): readonly Toast[] => this.#shown;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Show it; the same text already shown is not shown twice. Failures and questions stay twice as long. */
  show(toast: Omit<Toast, 'id'>): void {
    if (this.#shown.some((other) => other.text === toast.text)) return;
    const id = this.#nextId++;
    this.#replace([...this.#shown, { ...toast, id }].slice(-maxShown));
    const longer = toast.tone === 'bad' || toast.action !== undefined;
    this.#clock.after(longer ? shownForMs * 2 : shownForMs, () => this.dismiss(id));
  }

  dismiss(id: number): void {
    if (this.#shown.some((toast) => toast.id === id)) this.#replace(this.#shown.filter((toast) => toast.id !== id));
  }

  #replace(shown: readonly Toast[]): void {
    this.#shown = shown;
    for (const listener of [...this.#listeners]) listener();
  }
}
