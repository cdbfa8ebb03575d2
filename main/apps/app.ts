/** Which program, user and agent on this host owns a flow. */
import type { FlowRequest } from '../base/flow.ts';

/** How sure the attribution is: the owning socket was found; several could be meant; nothing was found. */
export type Attribution = 'exact' | 'inferred' | 'unknown';

/** A process further up the chain. */
export interface AppParent {
  readonly pid: number;
  readonly path: string;
  readonly script?: string;
  /** As the app's own; present after `identify`. */
  readonly hash?: string;
}

export interface App {
  readonly attribution: Attribution;
  readonly pid?: number;
  /** Absolute path of the executable; for interpreters the script stands in `script`. */
  readonly path?: string;
  readonly script?: string;
  /** Lower-hex SHA-256 of the executable. */
  readonly hash?: string;
  /** Who signed the executable, where the platform knows: a macOS team id, a Windows certificate subject. */
  readonly signer?: string;
  readonly uid?: number;
  readonly user?: string;
  readonly cgroup?: string;
  readonly container?: string;
  /** Nearest first. */
  readonly parents: readonly AppParent[];
  /** Name of the agent, where a rule recognised or bound one. */
  readonly agent?: string;
}

export const unknownApp: App = { attribution: 'unknown', parents: [] };

/** Finds the owner of a flow's socket. Never throws: what cannot be found is `unknownApp`. */
export interface AppFinder {
  find(
    flow: Pick<FlowRequest, 'protocol' | 'source' | 'via' | 'destination'> & Partial<Pick<FlowRequest, 'entry'>>,
  ): Promise<App>;
  /**
   * The same app with its `hash` (and `signer`), reading the executable where it is not known yet. `find` gives them only where they
   * cost nothing, so ask for this just where a rule looks at them. Never throws: what cannot be read stays absent.
   */
  identify(app: App): Promise<App>;
}
