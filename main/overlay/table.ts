/** Records by id, in order of creation, with a hook for whoever keeps them. */
export class Table<T extends { readonly id: string }> {
  readonly #records = new Map<string, T>();
  readonly #onChange: () => void;

  constructor(kept: readonly unknown[], onChange: () => void) {
    // The store has checked that each has an id; the rest was written by this program.
    for (const record of kept as readonly T[]) this.#records.set(record.id, record);
    this.#onChange = onChange;
  }

  get size(): number {
    return this.#records.size;
  }

  get(id: string | undefined): T | undefined {
    return id === undefined ? undefined : this.#records.get(id);
  }

  find(wanted: (record: T) => boolean): T | undefined {
    for (const record of this.#records.values()) if (wanted(record)) return record;
    return undefined;
  }

  filter(wanted: (record: T) => boolean): T[] {
    return this.list().filter(wanted);
  }

  list(): T[] {
    return [...this.#records.values()];
  }

  put(record: T): T {
    this.#records.set(record.id, record);
    this.#onChange();
    return record;
  }

  /** Tell the hook that a record was changed in place. */
  touched(): void {
    this.#onChange();
  }

  delete(id: string): boolean {
    const was = this.#records.delete(id);
    if (was) this.#onChange();
    return was;
  }

  deleteWhere(unwanted: (record: T) => boolean): T[] {
    const gone = this.filter(unwanted);
    for (const record of gone) this.#records.delete(record.id);
    if (gone.length > 0) this.#onChange();
    return gone;
  }
}
