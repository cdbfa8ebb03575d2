/**
 * The step that every guard takes with what a contract says against a call: it is refused, or, where the contract only observes
 * (`enforce: observe`), goes on with a note of what would have refused it. Pure.
 */

/** Lists and counts of a contract, which an observing one only notes. All else holds under it too: what no guard can read, data, pins, budgets. */
const observable =
  /^contract:(?:mcp\.(?:allow|deny|ask|maxCalls|rateLimit)|http\.(?:methods|paths|models)|a2a\.(?:skills|messageTypes|maxMessages)|modbus\.(?:allow|units|ranges|read|write)|(?:s7|enip|opcua|iec104|dnp3)\.(?:allow|objects))(?![A-Za-z])/;

/** Who judges: `observes` where the contract is one that observes. */
export interface Judging {
  readonly observes?: boolean;
}

/** What came of the objections to one call. */
export interface Judgement<Objection> {
  /** It does not go on, for this. */
  readonly refused: Objection | undefined;
  /** It goes on, and this rule is what it would have been refused for. */
  readonly observed: string | undefined;
}

/**
 * Takes objections in their order: the first that holds refuses, the first that only would have is noted. Those behind a refusal are not asked
 * for, so that nothing is taken from a budget for them.
 */
export function judged<Objection extends { readonly rule: string }>(
  objections: Iterable<Objection>,
  judging: Judging,
): Judgement<Objection> {
  let observed: string | undefined;
  for (const objection of objections) {
    if (!isOnlyNoted(objection.rule, judging)) return { refused: objection, observed: undefined };
    observed ??= objection.rule;
  }
  return { refused: undefined, observed };
}

/** True where a refusal by this rule is a note and no more. */
export function isOnlyNoted(rule: string, { observes }: Judging): boolean {
  return observes === true && observable.test(rule);
}

/** Fields of the record of a call that went on all the same; none where nothing was against it. */
export function notedIn(observed: string | undefined): { readonly observed?: string; readonly rule?: string } {
  return observed === undefined ? {} : { observed, rule: 'contract:enforce observe' };
}
