/** What registers held when the device was last read, so that the record of a write can say what was there before. Pure. */
import type { RegisterAccess } from './functions.ts';

/** Older than this, a value says little of what a write replaced. */
const freshMs = 60_000;
/** Registers remembered; the longest unread go first. */
const maxRegisters = 8_192;

export class SeenValues {
  readonly #seen = new Map<number, { value: number; atMs: number }>();

  see(unit: number, access: RegisterAccess, values: readonly number[], nowMs: number): void {
    for (const [index, value] of values.entries()) {
      const key = keyOf(unit, access, access.from + index);
      const seen = this.#seen.get(key);
      // Read over and over, it stays young enough where it stands while that is a small part of what is remembered.
      if (seen !== undefined && this.#seen.size < maxRegisters / 2) {
        seen.value = value;
        seen.atMs = nowMs;
        continue;
      }
      this.#seen.delete(key);
      this.#seen.set(key, { value, atMs: nowMs });
    }
    if (this.#seen.size <= maxRegisters) return;
    for (const key of this.#seen.keys()) {
      if (this.#seen.size <= maxRegisters) break;
      this.#seen.delete(key);
    }
  }

  /** One for each register, null where it was not read lately; undefined where none was. */
  before(unit: number, access: RegisterAccess, nowMs: number): readonly (number | null)[] | undefined {
    const values: (number | null)[] = [];
    for (let address = access.from; address <= access.to; address += 1) {
      const seen = this.#seen.get(keyOf(unit, access, address));
      values.push(seen !== undefined && nowMs - seen.atMs < freshMs ? seen.value : null);
    }
    return values.some((value) => value !== null) ? values : undefined;
  }
}

const tables: Readonly<Record<RegisterAccess['table'], number>> = { coils: 0, discrete: 1, holding: 2, input: 3 };

/** A number, for a text would be made for each register of each read: unit 8 bits, table 2, address 16. */
function keyOf(unit: number, { table }: RegisterAccess, address: number): number {
  return (unit * 4 + tables[table]) * 0x10000 + address;
}
