/** Approvals as clients see them. */

/** Something that waits for a person's word, or was answered lately. */
export interface ApprovalView {
  readonly id: string;
  /** Sessions under a contract's `approval`, time of a `grantSeconds` that is used up, or one call. */
  readonly kind: 'session' | 'grant' | 'call';
  readonly state: 'pending' | 'granted' | 'denied' | 'expired';
  readonly service: string;
  /** Who asks. */
  readonly identity: string;
  readonly agent: string | null;
  /** What whoever answered said. */
  readonly reason: string | null;
  readonly requestedAt: string;
  /** When the question lapses, or what was granted ends. */
  readonly expiresAt: string | null;
  readonly answeredBy?: string;
  readonly call?: { readonly method: string; readonly target: string; readonly arguments: unknown };
}
