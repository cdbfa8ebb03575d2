/** One session between agents, held against the engagement of its two parties from its first message on. */
import type { EngagementBook } from '../../agora/engagement-book.ts';
import type { Party } from '../../agora/engagement.ts';
import type { EngagementContract } from '../../base/engagement.ts';
import { toTunnelerError } from '../../base/errors.ts';
import type { EngagementRefusal, SessionEngagement } from '../../guard/guard.ts';
import { refusals } from './engagement-refusals.ts';

/** One session as its engagement is held against it, and its bytes counted. */
export interface EngagedSession extends SessionEngagement {
  /** Bytes that may still pass. */
  leftBytes(): number;
  moved(bytes: number): void;
}

/** What a session asks of all engagements. */
interface EngagementsOfSessions {
  readonly book: Pick<EngagementBook, 'count' | 'leftBytes'>;
  refusal(party: Party, contract: EngagementContract, sinceMs: number): ReturnType<SessionEngagement['refusal']>;
  said(party: Party, contract: EngagementContract, sinceMs: number): string | EngagementRefusal;
}

/** One session's side. */
export class HeldSession implements EngagedSession {
  engagement: string | undefined;
  readonly #all: EngagementsOfSessions;
  readonly #party: Party;
  readonly #contract: EngagementContract;
  readonly #sinceMs: number;
  /** Bytes of before its first message. */
  #bytes = 0;

  constructor(all: EngagementsOfSessions, party: Party, contract: EngagementContract, sinceMs: number) {
    this.#all = all;
    this.#party = party;
    this.#contract = contract;
    this.#sinceMs = sinceMs;
  }

  refusal(): ReturnType<SessionEngagement['refusal']> {
    return this.#all.refusal(this.#party, this.#contract, this.#sinceMs);
  }

  said(isMessage: boolean): EngagementRefusal | undefined {
    try {
      const under = this.#all.said(this.#party, this.#contract, this.#sinceMs);
      if (typeof under !== 'string') return under;
      this.engagement = under;
    } catch (error) {
      // What cannot be kept or recorded must not go on.
      return refusals.unkept(toTunnelerError(error).message);
    }
    this.#all.book.count(this.engagement, isMessage ? 1 : 0, this.#bytes);
    this.#bytes = 0;
    return undefined;
  }

  leftBytes(): number {
    return this.engagement === undefined ? Infinity : this.#all.book.leftBytes(this.engagement);
  }

  moved(bytes: number): void {
    if (this.engagement === undefined) this.#bytes += bytes;
    else this.#all.book.count(this.engagement, 0, bytes);
  }
}
