/** One device's records as they come in: each checked against the one before and against its signatures, then kept, then countersigned. */
import { genesisHash, decodeLine, type ChainedRecord } from '../../audit/chain.ts';
import { parseCheckpoint, type Checkpoint } from '../../audit/checkpoint.ts';
import { cosignNote, isSignedBy, parseNote, type NoteSigner } from '../../audit/note.ts';
import type { SignersFile } from '../../audit/signers.ts';
import type { FleetAlertKind, FleetDevice, FleetRecord, FleetStore } from './fleet-store.ts';

/** What is wrong with what a device sent; it is told, and an alert names the device. */
export interface IntakeFault {
  readonly kind: Extract<FleetAlertKind, 'forked' | 'less' | 'tampered'>;
  readonly text: string;
}

/** Where records are kept, and what they are countersigned with. */
export interface IntakeDeps {
  readonly store: FleetStore;
  readonly key: NoteSigner;
  readonly now: () => number;
  /** Records were kept. */
  readonly kept?: () => void;
}

/** Hashes kept at hand to check checkpoints against; older ones are asked of the database. */
const recentHashes = 2048;

interface Pending {
  readonly checkpoint: Checkpoint;
  readonly note: string;
}

/** Takes one device's records in order; one that does not follow is refused. */
export class DeviceIntake {
  readonly #deps: IntakeDeps;
  readonly #device: FleetDevice;
  readonly #signers: SignersFile;
  readonly #recent = new Map<number, string>();
  #batch: FleetRecord[] = [];
  #checkpoints: Pending[] = [];
  #count: number;
  #head: string;
  /** Nothing is kept yet: the journal may begin at any number, for a device lets go of old records too. */
  #empty: boolean;

  constructor(device: FleetDevice, signers: SignersFile, deps: IntakeDeps) {
    this.#device = device;
    this.#signers = signers;
    this.#deps = deps;
    this.#count = device.count;
    this.#head = device.head;
    this.#empty = device.count === 0;
    this.#recent.set(device.count, device.head);
  }

  get count(): number {
    return this.#count;
  }

  pending(): number {
    return this.#batch.length;
  }

  /** A line of the journal. What it says is kept at the next `flush`; a fault stands for this line, those before it are good. */
  take(line: string): IntakeFault | undefined {
    const decoded = decodeLine(line);
    if ('fault' in decoded) {
      return { kind: 'tampered', text: `record ${this.#count + 1} came ${decoded.fault}` };
    }
    const { record } = decoded;
    if (this.#empty) {
      this.#count = record.seq - 1;
      this.#head = record.prev;
      this.#recent.set(this.#count, this.#head);
      this.#empty = false;
      if (record.seq === 1 && record.prev !== genesisHash) {
        return { kind: 'tampered', text: 'record 1 follows another' };
      }
    }
    if (record.seq !== this.#count + 1) {
      return { kind: 'tampered', text: `record ${record.seq} came where ${this.#count + 1} was due` };
    }
    if (record.prev !== this.#head) {
      return { kind: 'forked', text: `record ${record.seq} does not follow from the ${this.#count} records kept here` };
    }
    this.#count = record.seq;
    this.#head = record.hash;
    this.#remember(record);
    this.#batch.push({ record, line });
    return record.kind === 'checkpoint' && record['note'] !== undefined ? this.#expectNote(record) : undefined;
  }

  /** Keep what came, and countersign the newest checkpoint among it; undefined where there is none. */
  async flush(): Promise<{ readonly cosigned?: string; readonly fault?: IntakeFault }> {
    const batch = this.#batch;
    const checkpoints = this.#checkpoints;
    this.#batch = [];
    this.#checkpoints = [];
    const { store, now, kept } = this.#deps;
    await store.append(this.#device.id, batch, now());
    if (batch.length > 0) kept?.();
    for (const { checkpoint } of checkpoints) {
      const hash = this.#recent.get(checkpoint.count) ?? (await store.hashAt(this.#device.id, checkpoint.count));
      if (hash !== undefined && hash !== checkpoint.head) {
        return {
          fault: { kind: 'tampered', text: `the checkpoint of ${checkpoint.count} records signs another record` },
        };
      }
    }
    const newest = checkpoints.at(-1);
    return newest === undefined ? {} : { cosigned: await this.#cosign(newest) };
  }

  /** A checkpoint without its records: all that a witness takes. */
  async takeHead(note: string): Promise<{ readonly cosigned?: string; readonly fault?: IntakeFault }> {
    const checkpoint = this.#read(note);
    if (checkpoint === undefined) return { fault: badSignature };
    const { count, head } = checkpoint;
    if (count < this.#count) {
      return { fault: { kind: 'less', text: `it has ${count} records, and ${this.#count} were seen` } };
    }
    if (count === this.#count && head !== this.#head) {
      return { fault: { kind: 'forked', text: `its record ${count} is another than was seen` } };
    }
    this.#count = count;
    this.#head = head;
    return { cosigned: await this.#cosign({ checkpoint, note }) };
  }

  async #cosign({ checkpoint, note }: Pending): Promise<string> {
    const { store, key, now } = this.#deps;
    const text = await cosignNote(note, key, now());
    await store.addNote(this.#device.id, { count: checkpoint.count, head: checkpoint.head, text, atMs: now() });
    return text;
  }

  #expectNote(record: ChainedRecord): IntakeFault | undefined {
    const note = record['note'];
    const checkpoint = typeof note === 'string' ? this.#read(note) : undefined;
    if (checkpoint === undefined || typeof note !== 'string') return badSignature;
    if (checkpoint.count >= record.seq) return badSignature;
    this.#checkpoints.push({ checkpoint, note });
    return undefined;
  }

  #read(note: string): Checkpoint | undefined {
    const parsed = parseNote(note);
    const checkpoint = parsed === undefined ? undefined : parseCheckpoint(parsed.text);
    if (parsed === undefined || checkpoint?.origin !== this.#signers.origin) return undefined;
    const name = this.#signers.origin;
    const signed = this.#signers.keys.some(({ publicKey }) =>
      isSignedBy(parsed, { name, publicKeySpki: Buffer.from(publicKey, 'base64') }),
    );
    return signed ? checkpoint : undefined;
  }

  #remember({ seq, hash }: ChainedRecord): void {
    this.#recent.set(seq, hash);
    this.#recent.delete(seq - recentHashes);
  }
}

const badSignature: IntakeFault = { kind: 'tampered', text: 'a checkpoint came whose signature does not hold' };
