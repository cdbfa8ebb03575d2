/** What can be wrong with a journal, by name. */

export interface Fault {
  readonly seq: number;
  readonly reason: string;
  /** What `reason` says, for other languages. */
  readonly code: FaultCode;
}

/** Each fault's code among those of reasons. */
export type FaultCode = `audit.fault.${
  | 'torn'
  | 'altered'
  | 'unreadable'
  | 'missing'
  | 'other'
  | 'chain'
  | 'no_journal'
  | 'anchor_damaged'
  | 'anchor_missing'
  | 'anchor_unsigned'
  | 'first'
  | 'cut'
  | 'head'
  | 'rewritten'
  | 'signature'
  | 'signers'
  | 'uncertified'
  | 'unsigned'
  | 'witness_lost'
  | 'witness_changed'
  | 'witness_other'}`;
