/** What is shown of engagements. */

/** An engagement, its states and close reasons in Agora's words. */
export interface EngagementView {
  /** The same at both ends. */
  readonly id: string;
  readonly service: string;
  /** At the host who asks, as the network vouches for it; at the dialling end what the host calls itself; null: not met yet. */
  readonly counterparty: string | null;
  /** Of this end. */
  readonly identity: string;
  /** This end asks, or hosts. */
  readonly end: 'dial' | 'host';
  readonly state: 'proposed' | 'accepting' | 'active' | 'closing' | 'closed';
  readonly closeReason: string | null;
  readonly closeDetail: string | null;
  /** Why it ended, in the words of Culvert's sessions. */
  readonly ended: string | null;
  /** SHA-256 of the frozen contract. */
  readonly contractHash: string;
  /** The other end has the same; null: not known. */
  readonly contractAgrees: boolean | null;
  readonly messages: number;
  readonly bytes: number;
  readonly proposedAt: string;
  /** Its first message. */
  readonly startedAt: string | null;
  readonly endsAt: string | null;
  readonly closedAt: string | null;
  /** Of its last transition. */
  readonly reason: string;
  /** The question that waits for a person, as `culvert approvals list` has it. */
  readonly approval: string | null;
}
