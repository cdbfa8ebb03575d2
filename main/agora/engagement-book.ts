/**
 * The engagements of this end, from the proposal to after their end: what may follow what, what is counted, and when time is up. It remembers and
 * decides nothing else. Time is measured since the machine started, asleep or awake; over a restart the longer of both clocks stands.
 */
import type { Clock } from '../base/clock.ts';
import { Emitter } from '../base/emitter.ts';
import type { EngagementContract } from '../base/engagement.ts';
import { TunnelerError } from '../base/errors.ts';
import { canonicalJson } from '../guard/json/canonical-json.ts';
import { lastsMs, type Engagement, type EngagementEnd, type Party } from './engagement.ts';
import { OwedEnds } from './owed-ends.ts';

/** Clocks, digest, and where engagements are kept and recorded. */
export interface EngagementBookDeps {
  readonly clock: Clock;
  readonly sinceBootMs: () => number;
  readonly digest: (text: string) => string;
  readonly kept: readonly Engagement[];
  /** Keep all as they are now, soon. What it throws, because what was to be kept before is not, refuses the transition. */
  readonly save: () => void;
  /** Counts have changed, and are to be kept soon. */
  readonly counted: () => void;
  /** Record a transition. What it throws refuses it. */
  readonly record: (engagement: Engagement) => void;
  /** An end could not be kept or recorded, counts all the same, and is tried again. */
  readonly unkept: (error: TunnelerError) => void;
}

/** Ended ones that are kept of the same two; older ones stand in the record alone. */
const mostEndedOfParty = 20;
/** And of all; the latest of any two is kept beyond it, for it decides what follows. */
const mostEnded = 500;
/** Looked at this often at least, so that sleep and set clocks are noticed. */
const lookAgainMs = 10_000;

/** One engagement, its counts changed in place: they change with every chunk. */
interface Row {
  fixed: Engagement;
  messages: number;
  bytes: number;
  lastAtMs: number;
  lastMonotonicMs: number;
}

/** All of them. Disposing stops its timer and ends nothing. */
export class EngagementBook implements Disposable {
  /** One that has ended, after it was recorded where it can be. */
  readonly ended = new Emitter<Engagement>();
  readonly #deps: EngagementBookDeps;
  readonly #rows = new Map<string, Row>();
  /** By party: asked with every message. */
  readonly #latest = new Map<string, Row>();
  readonly #hashes = new WeakMap<EngagementContract, string>();
  readonly #owed: OwedEnds;
  #timer: Disposable | undefined;

  constructor(deps: EngagementBookDeps) {
    this.#deps = deps;
    this.#owed = new OwedEnds(deps);
    const lastMonotonicMs = deps.clock.monotonic();
    for (const one of deps.kept) {
      const { messages, bytes, lastAtMs } = one;
      this.#keep({ fixed: this.#carriedOver(one), messages, bytes, lastAtMs, lastMonotonicMs });
    }
    for (const row of this.#rows.values()) if (row.fixed.state === 'closing') this.#finish(row);
    this.#look();
  }

  /** Oldest first. */
  list(): readonly Engagement[] {
    return [...this.#rows.values()].map(snapshot);
  }

  get(id: string): Engagement | undefined {
    const row = this.#rows.get(id);
    return row === undefined ? undefined : snapshot(row);
  }

  /** The latest between these two, over or not. */
  latest(party: Party): Engagement | undefined {
    const row = this.#latest.get(partyKey(party));
    return row === undefined ? undefined : snapshot(row);
  }

  /** The one that is not over. */
  current(party: Party): Engagement | undefined {
    const latest = this.latest(party);
    return latest?.state === 'closed' ? undefined : latest;
  }

  /** How many of a service, as its host, are not over. */
  openCount(serviceId: string): number {
    return [...this.#rows.values()].filter(
      ({ fixed }) => fixed.end === 'host' && fixed.serviceId === serviceId && fixed.state !== 'closed',
    ).length;
  }

  hashOf(contract: EngagementContract): string {
    const known = this.#hashes.get(contract);
    if (known !== undefined) return known;
    const made = this.#deps.digest(canonicalJson(contract));
    this.#hashes.set(contract, made);
    return made;
  }

  /** `renews`: nobody proposed it, and it goes on with what is left of the last one. Throws `base.invalid` where there is one of that id. */
  propose(
    party: Party,
    contract: EngagementContract,
    { id, reason, renews = false }: { id: string; reason: string; renews?: boolean },
  ): Engagement {
    if (this.#rows.has(id)) throw new TunnelerError('base.invalid', `there is an engagement ${id} already`);
    const usedBefore = renews ? this.#used(party, contract) : undefined;
    const nowMs = this.#deps.clock.now();
    const { end, account, identity, counterparty, serviceId, service } = party;
    const contractHash = this.hashOf(contract);
    const made = { id, end, account, identity, counterparty, serviceId, service, contract, contractHash, reason };
    const counts = { messages: 0, bytes: 0, lastAtMs: nowMs };
    return this.#put({ ...made, ...counts, usedBefore, state: 'proposed', proposedAtMs: nowMs });
  }

  /** Is nothing left for another one between these two that nobody proposes? */
  isUsedUp(party: Party, contract: EngagementContract): boolean {
    const { maxBytes = Infinity, maxDurationSeconds = Infinity } = contract;
    const used = this.#used(party, contract);
    return used !== undefined && (used.bytes >= maxBytes || used.ms >= maxDurationSeconds * 1000);
  }

  /** Agreed on; `approvedMs`: for so long, from its first message. Again while it runs: for so long from now on. */
  accept(id: string, reason: string, approvedMs?: number): void {
    const one = this.get(id);
    if (one?.state === 'proposed') this.#put({ ...one, approvedMs, reason, state: 'accepting' });
    else if (one?.state === 'accepting') this.#put({ ...one, approvedMs, reason });
    else if (one?.state === 'active' && approvedMs !== undefined) {
      this.#put({ ...one, approvedMs: this.#ranMs(one) + approvedMs, reason });
    }
  }

  /** Something is said under it: its time runs. Idempotent. */
  begin(id: string): void {
    const one = this.get(id);
    if (one?.state !== 'accepting') return;
    const { clock, sinceBootMs } = this.#deps;
    const startedAtMs = clock.now();
    const reason = 'its first message';
    this.#put({
      ...one,
      reason,
      state: 'active',
      startedAtMs,
      startedSinceBootMs: sinceBootMs() - (one.usedBefore?.ms ?? 0),
      lastAtMs: startedAtMs,
    });
  }

  /** Facts that are no transition. */
  note(id: string, facts: Pick<Engagement, 'approval' | 'contractHashThere' | 'counterparty'>): void {
    const row = this.#rows.get(id);
    if (row === undefined) return;
    row.fixed = { ...row.fixed, ...facts };
    this.#deps.counted();
  }

  /** So many messages and bytes passed. */
  count(id: string, messages: number, bytes: number): void {
    const row = this.#rows.get(id);
    if (row === undefined || row.fixed.state === 'closed') return;
    row.messages += messages;
    row.bytes += bytes;
    row.lastAtMs = this.#deps.clock.now();
    row.lastMonotonicMs = this.#deps.clock.monotonic();
    this.#deps.counted();
  }

  /** Bytes that its contract still lets pass. */
  leftBytes(id: string): number {
    const row = this.#rows.get(id);
    const most = row?.fixed.contract.maxBytes;
    return row === undefined || most === undefined ? Infinity : Math.max(0, most - bytesOf(row));
  }

  /** As {@link end}, for somebody who is to hear that it may not last: throws where it could not be kept or recorded yet. */
  close(...asked: Parameters<EngagementBook['end']>): void {
    const unkept = this.end(...asked);
    if (unkept !== undefined) throw unkept;
  }

  /**
   * End it; nothing changes where it is over. It is over whatever the disk says: what could not be kept or recorded is tried again, and told.
   * Kept in one, so that none is found half ended.
   */
  end(
    id: string,
    ended: EngagementEnd,
    reason: string,
    more: Pick<Engagement, 'endedDetail' | 'claimed'> = {},
  ): TunnelerError | undefined {
    const row = this.#rows.get(id);
    if (row === undefined || row.fixed.state === 'closed') return this.#owed.settle();
    const one = snapshot(row);
    const ranMs = one.startedSinceBootMs === undefined ? one.usedBefore?.ms : this.#ranMs(one);
    const over = { ...one, ...more, ended, reason, ranMs };
    const closed: Engagement = { ...over, state: 'closed', closedAtMs: this.#deps.clock.now() };
    row.fixed = closed;
    this.#forget();
    const unkept = this.#owed.owe({ ...over, state: 'closing' }, closed);
    this.#look();
    this.ended.emit(closed);
    return unkept;
  }

  /** When it ends at the latest; undefined: at no set time. */
  endsAtMs({ startedAtMs, contract, approvedMs, usedBefore }: Engagement): number | undefined {
    const lasts = lastsMs({ contract, approvedMs });
    return startedAtMs === undefined || lasts === undefined ? undefined : startedAtMs + lasts - (usedBefore?.ms ?? 0);
  }

  [Symbol.dispose](): void {
    this.#owed[Symbol.dispose]();
    this.#timer?.[Symbol.dispose]();
  }

  #put(one: Engagement): Engagement {
    const { messages, bytes, lastAtMs } = one;
    const before = this.#rows.get(one.id);
    const lastMonotonicMs = before?.lastMonotonicMs ?? this.#deps.clock.monotonic();
    // Recorded before it counts, and after what ended before it.
    const owed = this.#owed.settle();
    if (owed !== undefined) throw owed;
    this.#deps.save();
    this.#deps.record(one);
    this.#keep({ fixed: one, messages, bytes, lastAtMs, lastMonotonicMs });
    this.#look();
    return one;
  }

  /** An earlier run was killed while it ended this one. */
  #finish(row: Row): void {
    row.fixed = { ...row.fixed, state: 'closed', closedAtMs: this.#deps.clock.now() };
    this.#owed.owe(snapshot(row));
  }

  #keep(row: Row): void {
    const { fixed } = row;
    const key = partyKey(fixed);
    const latest = this.#latest.get(key);
    const isNew = !this.#rows.has(fixed.id);
    this.#rows.set(fixed.id, row);
    if (isNew || latest?.fixed.id === fixed.id) this.#latest.set(key, row);
  }

  #forget(): void {
    const ofParty = new Map<string, number>();
    const newestFirst = [...this.#rows.values()].reverse().filter(({ fixed }) => fixed.state === 'closed');
    const within = newestFirst.filter(({ fixed }) => {
      const key = partyKey(fixed);
      const nth = (ofParty.get(key) ?? 0) + 1;
      ofParty.set(key, nth);
      if (nth > mostEndedOfParty) this.#rows.delete(fixed.id);
      return nth <= mostEndedOfParty;
    });
    for (const row of within.slice(mostEnded)) {
      if (this.#latest.get(partyKey(row.fixed)) !== row) this.#rows.delete(row.fixed.id);
    }
  }

  /** What the last one of these two under this very contract used, and those that it went on from. */
  #used(party: Party, contract: EngagementContract): Engagement['usedBefore'] {
    const [key, hash] = [partyKey(party), this.hashOf(contract)];
    const last = [...this.#rows.values()].findLast(
      ({ fixed }) => fixed.contractHash === hash && partyKey(fixed) === key,
    );
    return last === undefined ? undefined : { bytes: bytesOf(last), ms: last.fixed.ranMs ?? ranByWallMs(last.fixed) };
  }

  /** End what is due, and look again when the next one is. */
  #look(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    let waitMs = Infinity;
    for (const row of this.#rows.values()) {
      if (row.fixed.state !== 'active') continue;
      const [leftMs, silentMs] = [this.#leftMs(row.fixed), this.#silenceLeftMs(row)];
      waitMs = Math.min(waitMs, Math.max(0, Math.min(leftMs, silentMs)));
    }
    if (waitMs === Infinity) return;
    this.#timer = this.#deps.clock.after(Math.min(lookAgainMs, Math.max(1, Math.ceil(waitMs))), () => this.#due());
  }

  #due(): void {
    for (const row of [...this.#rows.values()]) {
      const { fixed } = row;
      if (fixed.state !== 'active') continue;
      if (this.#leftMs(fixed) <= 0) {
        this.end(fixed.id, 'max_duration_exceeded', `its ${(lastsMs(fixed) ?? 0) / 1000} s are over`);
      } else if (this.#silenceLeftMs(row) <= 0) {
        this.end(fixed.id, 'idle_timeout', `nothing was said for ${fixed.contract.idleTimeoutSeconds ?? 0} s`);
      }
    }
    this.#look();
  }

  #leftMs(one: Engagement): number {
    return (lastsMs(one) ?? Infinity) - this.#ranMs(one);
  }

  #ranMs({ startedSinceBootMs }: Engagement): number {
    return startedSinceBootMs === undefined ? 0 : this.#deps.sinceBootMs() - startedSinceBootMs;
  }

  #silenceLeftMs({ fixed, lastAtMs, lastMonotonicMs }: Row): number {
    const { clock } = this.#deps;
    const silentMs = Math.max(clock.now() - lastAtMs, clock.monotonic() - lastMonotonicMs);
    return (fixed.contract.idleTimeoutSeconds ?? Infinity) * 1000 - silentMs;
  }

  /** One of an earlier run, as if it had begun in this one. */
  #carriedOver(one: Engagement): Engagement {
    const { startedAtMs, startedSinceBootMs, usedBefore } = one;
    if (startedAtMs === undefined || startedSinceBootMs === undefined) return one;
    const sinceBootMs = this.#deps.sinceBootMs();
    const beforeMs = usedBefore?.ms ?? 0;
    const byBoot = sinceBootMs - startedSinceBootMs;
    const byWall = this.#deps.clock.now() - startedAtMs + beforeMs;
    const ranMs = Math.max(byWall, byBoot < 0 ? sinceBootMs + beforeMs : byBoot);
    return { ...one, startedSinceBootMs: sinceBootMs - ranMs };
  }
}

/** The same for the same two at the same service. */
export function partyKey({ end, account, serviceId }: Party): string {
  return JSON.stringify([end, account, serviceId]);
}

/** Of it and of those that it goes on from. */
function bytesOf({ fixed, bytes }: Row): number {
  return bytes + (fixed.usedBefore?.bytes ?? 0);
}

/** Of one that ended before its time was kept. */
function ranByWallMs({ startedAtMs, closedAtMs }: Engagement): number {
  return startedAtMs === undefined || closedAtMs === undefined ? 0 : Math.max(0, closedAtMs - startedAtMs);
}

function snapshot({ fixed, messages, bytes, lastAtMs }: Row): Engagement {
  return { ...fixed, messages, bytes, lastAtMs };
}
