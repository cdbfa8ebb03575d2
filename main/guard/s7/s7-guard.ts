/**
 * The S7comm guard: reads, writes and what else a PLC of that family can be told, each judged whole. What the contract does not allow is
 * answered here: item by item where variables are asked for, so that clients go on. Pure.
 *
 * S7comm-plus of newer PLCs cannot be read; it is refused by its name or let through unread, as the contract says.
 */
import type { S7Rules } from '../../base/engagement/floor/rules.ts';
import { joinBytes } from '../bytes.ts';
import { ByteReader, demand, hexOf, parsed } from '../floor/byte-reader.ts';
import { FloorGuard } from '../floor/floor-guard.ts';
import { SeenPlaces } from '../floor/seen-places.ts';
import type { GuardContext } from '../guard.ts';
import { itemText, readValues, type S7Item } from './items.ts';
import { kinds, readAnswer, readPdu, readRequest, refusalOf, type S7Pdu } from './requests.ts';
import { dataTpkt, readTransport, tpktLength } from './transport.ts';

/** A PDU in pieces may grow to this; the protocol's own are 960 bytes at most. */
const maxPduBytes = 65_000;
/** Requests whose items are remembered until their answer. */
const maxRemembered = 64;

export class S7Guard extends FloorGuard {
  readonly kind = 's7';
  protected readonly label = 'S7comm';
  readonly #objects: S7Rules['objects'];
  #pieces: Uint8Array[] = [];
  readonly #asked = new Map<number, readonly S7Item[]>();
  readonly #seen = new SeenPlaces<string>();

  constructor(rules: S7Rules, context: GuardContext) {
    super(rules, context);
    this.#objects = rules.objects;
  }

  protected frameLength(bytes: Uint8Array): number | undefined {
    return tpktLength(bytes);
  }

  protected request(frame: Uint8Array, nowMs: number): void {
    const transport = readTransport(frame);
    if (transport.kind === 'connection') {
      this.out.toService(transport.canonical);
      return;
    }
    this.#pieces.push(transport.payload);
    const payload = joinBytes(this.#pieces);
    demand(payload.length <= maxPduBytes, 'a PDU without an end');
    if (payload[0] === 0x72) {
      this.#pieces = [];
      this.opaque('S7comm-plus', frame, 'app');
      return;
    }
    if (!transport.isLast) return;
    this.#pieces = [];
    if (payload.length === 0) return;
    this.#pdu(readPdu(payload), payload, nowMs);
  }

  protected answer(frame: Uint8Array, nowMs: number): void {
    const transport = readTransport(frame);
    this.out.toApp(frame);
    if (transport.kind === 'connection' || transport.payload[0] !== 0x32 || !transport.isLast) return;
    const pdu = parsed(() => readPdu(transport.payload));
    if (pdu === undefined || pdu.kind === kinds.job) return;
    this.#told(pdu, transport.payload, nowMs);
  }

  #pdu(pdu: S7Pdu, payload: Uint8Array, nowMs: number): void {
    const isAnswer = pdu.kind === kinds.ack || pdu.kind === kinds.ackData;
    demand(isAnswer || pdu.kind === kinds.job || pdu.kind === kinds.userData, `a PDU of kind ${pdu.kind}`);
    if (isAnswer ? this.#mayAnswer(pdu, nowMs) : this.#judge(pdu, nowMs)) this.out.toService(dataTpkt(payload));
  }

  /** True where it may go on; a refused request is answered. */
  #judge(pdu: S7Pdu, nowMs: number): boolean {
    const request = readRequest(pdu, this.#objects);
    if (request.isSetup) return true;
    const rule = this.refusalOf(request);
    const asked = { ...request, facts: this.#factsOf(request.items, request.facts, nowMs) };
    if (rule === undefined) {
      this.#remember(pdu.reference, request.items);
      this.allowed(pdu.reference, asked, nowMs);
      return true;
    }
    this.refused(asked, rule, nowMs);
    this.out.toApp(dataTpkt(refusalOf(pdu, request.items)));
    return false;
  }

  /** A PLC takes a program by asking for it, block by block: what the application answers then is the program. */
  #mayAnswer(pdu: S7Pdu, nowMs: number): boolean {
    const asked = readAnswer(pdu);
    const rule = this.refusalOf(asked);
    if (rule !== undefined) this.refused(asked, rule, nowMs);
    else if (this.isObserved(asked)) this.allowed(undefined, asked, nowMs);
    return rule === undefined;
  }

  #factsOf(
    items: readonly S7Item[],
    facts: Readonly<Record<string, unknown>> | undefined,
    nowMs: number,
  ): Readonly<Record<string, unknown>> {
    const objects = items.map((item) => ({ object: itemText(item), bytes: item.size }));
    if (facts === undefined) return { objects };
    const old = items.map((item) => this.#seen.before(itemText(item), nowMs) ?? null);
    return { objects, ...facts, ...(old.some((one) => one !== null) ? { old } : {}) };
  }

  #remember(reference: number, items: readonly S7Item[]): void {
    this.#asked.delete(reference);
    if (items.length > 0) this.#asked.set(reference, items);
    const [first] = this.#asked.keys();
    if (this.#asked.size > maxRemembered && first !== undefined) this.#asked.delete(first);
  }

  #told(pdu: S7Pdu, payload: Uint8Array, nowMs: number): void {
    const items = this.#asked.get(pdu.reference);
    this.#asked.delete(pdu.reference);
    const hasError = pdu.kind !== kinds.userData && (payload[10] !== 0 || payload[11] !== 0);
    const isRead = pdu.parameter[0] === 4;
    const values = isRead && items !== undefined ? this.#valuesOf(pdu, items, nowMs) : undefined;
    const refusedItems = pdu.parameter[0] === 5 && pdu.data.some((code) => code !== 0xff);
    const more = values === undefined || this.context.recordValues !== true ? undefined : { read: values };
    const call = this.answered(pdu.reference, nowMs, hasError || refusedItems, more);
    // What a device has taken is what it holds now.
    const written = pdu.parameter[0] === 5 && !refusedItems && !hasError ? call?.arguments : undefined;
    const after = (written as { readonly values?: readonly (string | null)[] } | undefined)?.values ?? [];
    for (const [index, item] of (items ?? []).entries()) {
      const value = after[index];
      if (typeof value === 'string') this.#seen.see(itemText(item), value, nowMs);
    }
  }

  #valuesOf(pdu: S7Pdu, items: readonly S7Item[], nowMs: number): readonly (string | null)[] | undefined {
    const values = parsed(() => readValues(new ByteReader(pdu.data), items.length));
    return values?.map((value, index) => {
      const item = items[index];
      if (value === undefined || item === undefined || value.length !== item.size) return null;
      const hex = hexOf(value);
      this.#seen.see(itemText(item), hex, nowMs);
      return hex;
    });
  }
}
