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
