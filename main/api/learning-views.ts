/** What is learnt from the record, and what files of contracts would have made of it: as the command line prints it with `--json`. */

/** A contract that covers what was seen of a service. */
export interface LearntView {
  /** Calls and sessions it was learnt from. */
  readonly calls: number;
  readonly sessions: number;
  readonly contract: Readonly<Record<string, unknown>>;
  /** Against the contract in force, in the order of the fields' names. */
  readonly changes: readonly { readonly field: string; readonly old?: unknown; readonly new?: unknown }[];
  /** What the record does not hold, and what is therefore wider than it might be. */
  readonly notes: readonly string[];
}

/** What contracts would have refused of what was recorded. */
export interface ReplayView {
  /** Calls that had gone on and sessions that had opened: those are judged again. */
  readonly calls: number;
  readonly sessions: number;
  /** Calls that had been refused already; they are left as they were. */
  readonly deniedBefore: number;
  /** How many would have been refused. */
  readonly refused: number;
  /** By rule, most first; of each the first examples. */
  readonly rules: readonly {
    readonly rule: string;
    readonly count: number;
    readonly examples: readonly {
      readonly seq: number;
      readonly at: string;
      readonly service: string;
      /** `tools/call delete_user`, or `session as laptop`. */
      readonly what: string;
    }[];
  }[];
  /** What the record does not say enough of. */
  readonly unknown: readonly { readonly why: string; readonly count: number }[];
}

/** What a change at the controller, or of local rules, would allow and cut. */
export interface SimulateView {
  /** `all`: the controller was asked of all identities; `own`: those of this device, as far as they were told. */
  readonly identities: 'own' | 'all';
  /** Sessions and calls of the record that this change would have cut, and those it would have let in. */
  readonly cut: number;
  readonly letIn: number;
  /** Each identity that may, or would, or was seen to use a service. */
  readonly rows: readonly SimulatedRow[];
  /** What could not be told, and why. */
  readonly unknown: readonly { readonly why: string; readonly count: number }[];
  /** What the change names and nothing here is called: of those entries nothing is in the rows. */
  readonly unmatched: readonly { readonly what: 'service' | 'identity' | 'posture check'; readonly name: string }[];
}

/** One identity at one end of one service, now and then. */
export interface SimulatedRow {
  readonly identity: string;
  readonly service: string;
  readonly end: 'dial' | 'host';
  /** For any program, at this moment. */
  readonly now: 'allowed' | 'refused';
  readonly then: 'allowed' | 'refused';
  /** Why it would be refused; where it would not, why it is now. */
  readonly reason?: string;
  readonly code?: string;
  readonly rule?: string;
  /** Of the record: sessions, and those refused, as this change would have had them. */
  readonly sessions: { readonly seen: number; readonly cut: number; readonly letIn: number };
  readonly calls: { readonly seen: number; readonly cut: number; readonly letIn: number };
  /** What would have cut them, most first. */
  readonly rules: readonly { readonly rule: string; readonly count: number }[];
}
