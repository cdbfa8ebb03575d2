/** Which program, user and agent on this host owns a flow. */
import type { FlowRequest } from '../base/flow.ts';
import type { UserId } from '../base/user-id.ts';

/** How sure the attribution is: the owning socket was found; several could be meant; nothing was found. */
export type Attribution = 'exact' | 'inferred' | 'unknown';

/**
 * Why it is not certain what a program is, or for whom it acts:
 * `lineage`: what it descends from was never seen whole; `program`: an interpreter whose program nobody can know any more;
 * `arguments`: an interpreter's program is known by arguments alone that it may have changed since; `injected`: it was started with code
 * of the starter's choosing in it; `holders`: several processes hold the socket, and they do not act for the same.
 */
export type AppDoubt = 'lineage' | 'program' | 'arguments' | 'injected' | 'holders';

/** What of a program a binding demands beside its place. */
export type Drift = 'hash' | 'signer' | 'image';

/** A program further up the chain: of a process that started this one, or one that this very process ran before. */
export interface AppParent {
  readonly pid: number;
  readonly path: string;
  readonly script?: string;
  /** Of the script's file, as `hash`. */
  readonly scriptHash?: string;
  readonly doubt?: AppDoubt;
  /** The engine descends from it too, so that it makes nobody an agent. */
  readonly shared?: true;
  /** As the app's own; present after `identify`. */
  readonly hash?: string;
  /** As the app's own; present after `identify`. */
  readonly signer?: string;
}

/** The owner of a flow, as far as it is known; `attribution` says how surely. */
export interface App {
  readonly attribution: Attribution;
  readonly pid?: number;
  /** Absolute path of the executable; for interpreters the script stands in `script`. */
  readonly path?: string;
  readonly script?: string;
  /** Lower-hex SHA-256 of the executable. */
  readonly hash?: string;
  /** Of the script's file; present after `identify`. */
  readonly scriptHash?: string;
  /** Digests of its container's image, where it is in one; present after `identify`. */
  readonly images?: readonly string[];
  /**
   * Who signed the executable, where the platform knows: a macOS team id, a Windows certificate subject. On Linux the package that vouches for it
   * (`deb:NAME`, `rpm:NAME`), and where it runs a script that script's package.
   */
  readonly signer?: string;
  /** Whose it is. */
  readonly uid?: UserId;
  readonly user?: string;
  readonly cgroup?: string;
  readonly container?: string;
  /** Why `attribution` is not `exact`, where the reason is the program and not its socket. */
  readonly doubt?: AppDoubt;
  /** The engine descends from it: what started the engine is nobody's agent for that. */
  readonly shared?: true;
  /** Others that hold the same socket, where there are any. */
  readonly holders?: readonly App[];
  /** Nearest first; of a process whose parent has ended, the one that started it. */
  readonly parents: readonly AppParent[];
  /** What it is bound by and is not: the program changed since its binding was written. */
  readonly drift?: Drift;
  /** The agent it was started as, in a namespace that nothing in it can leave: no rule says otherwise. */
  readonly proven?: string;
  /** Name of the agent, where a rule recognised or bound one. */
  readonly agent?: string;
}

/** The owner that nobody can name. */
export const unknownApp: App = { attribution: 'unknown', parents: [] };

/** Finds the owner of a flow's socket. Never throws: what cannot be found is `unknownApp`. */
export interface AppFinder {
  find(
    flow: Pick<FlowRequest, 'protocol' | 'source' | 'via' | 'destination'> &
      Partial<Pick<FlowRequest, 'entry'>> & {
        /** A process in whose network namespace the ends stand, where that is not the engine's own. */
        readonly within?: number;
      },
  ): Promise<App>;
  /**
   * The same app with its `hash` and, where asked for, its `signer`, reading the executable where it is not known yet. `find` gives them only
   * where they cost nothing, so ask for this just where a rule looks at them. Never throws: what cannot be read stays absent.
   */
  identify(app: App, asked?: { readonly signers: boolean }): Promise<App>;
}

/** A process at one moment; the start tells it from a later one with the same pid. */
export interface Ancestor {
  readonly pid: number;
  /** Opaque; equal only for the same process. */
  readonly start: string;
}

/** A program and the chain of processes it comes from. */
export interface Ancestry {
  readonly app: App;
  /** The process itself, then its parents, nearest first, those too whose program may not be read. */
  readonly chain: readonly Ancestor[];
  /** Seen up to the first of all processes: nothing it descends from is hidden. */
  readonly whole: boolean;
}

/** Reads where a process comes from. */
export interface AncestryReader {
  /** Undefined where the process is gone. */
  read(pid: number): Promise<Ancestry | undefined>;
}
