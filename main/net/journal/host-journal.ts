/**
 * The write-ahead journal of host changes: JSON lines, each on the disk before the change it names is made. What was not undone when the
 * process ended, however it ended, is found here by the next start or by `culvert repair`.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { TunnelerError, toTunnelerError } from '../../base/errors.ts';
import { readIfThereSync } from '../../files/read-if-there.ts';
import { writeAtomicallySync } from '../../files/write-atomically.ts';
import { parseHostChange } from './host-change.ts';
import type { HostChange } from './host-change.ts';

const fileName = 'host-changes.jsonl';

/** A change that is not undone yet. */
export interface JournalEntry {
  readonly id: number;
  readonly change: HostChange;
}

/** One process writes it at a time; whoever opens it sees to that. */
export class HostJournal implements Disposable {
  readonly #path: string;
  readonly #pending = new Map<number, HostChange>();
  #file: number | undefined;
  #nextId = 1;
  /** Lines that could not be read when it was opened; a torn last one, from a crash within a write, is not counted. */
  readonly unreadable: number;

  private constructor(directory: string, text: string) {
    this.#path = join(directory, fileName);
    this.unreadable = this.#read(text);
    // What is over is not carried on: the journal starts again with what is still pending.
    const lines = [...this.#pending].map(([id, change]) => encode({ id, change })).join('');
    writeAtomicallySync(this.#path, lines);
    this.#file = openSync(this.#path, 'a');
  }

  /** Open, or begin. The directory is made where it is missing. Throws `net.journal.failed`. */
  static open(directory: string): HostJournal {
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      return new HostJournal(directory, readIfThereSync(join(directory, fileName)) ?? '');
    } catch (error) {
      throw new TunnelerError('net.journal.failed', `the journal in ${directory} cannot be opened`, { cause: error });
    }
  }

  /** Write a change down; make it only after this has returned. The id is for {@link forget}. Throws `net.journal.failed`. */
  record(change: HostChange): number {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#write(encode({ id, change }));
    this.#pending.set(id, change);
    return id;
  }

  /** The change is undone, or was never made. Idempotent. */
  forget(id: number): void {
    if (!this.#pending.delete(id)) return;
    this.#write(encode({ undone: id }));
  }

  /** Changes to undo, newest first. */
  pending(): readonly JournalEntry[] {
    return [...this.#pending].map(([id, change]) => ({ id, change })).reverse();
  }

  /** Let the file go; idempotent. What is pending stays written down. */
  [Symbol.dispose](): void {
    if (this.#file === undefined) return;
    closeSync(this.#file);
    this.#file = undefined;
  }

  #write(text: string): void {
    if (this.#file === undefined) throw new TunnelerError('net.journal.failed', 'the journal is closed');
    try {
      writeSync(this.#file, text);
      fsyncSync(this.#file);
    } catch (error) {
      throw toTunnelerError(error, 'net.journal.failed');
    }
  }

  #read(text: string): number {
    const lines = text.split('\n');
    // After a whole last line the split leaves an empty rest; anything else there is a torn write.
    lines.pop();
    let unreadable = 0;
    for (const line of lines) {
      const entry = decode(line);
      if (entry === undefined) unreadable += 1;
      else if ('undone' in entry) this.#pending.delete(entry.undone);
      else {
        this.#pending.set(entry.id, entry.change);
        this.#nextId = Math.max(this.#nextId, entry.id + 1);
      }
    }
    return unreadable;
  }
}

function encode(entry: JournalEntry | { readonly undone: number }): string {
  return `${JSON.stringify(entry)}\n`;
}

function decode(line: string): JournalEntry | { readonly undone: number } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // A line the disk lost: the caller counts it.
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, undone, change } = value as Record<string, unknown>;
  if (typeof undone === 'number') return { undone };
  const parsed = parseHostChange(change);
  return typeof id === 'number' && parsed !== undefined ? { id, change: parsed } : undefined;
}
