/** What is said of agents that are started as such. */

/** How a program finds its way through Culvert. */
export interface AgentEnvironmentView {
  readonly variables: Readonly<Record<string, string>>;
}

/** A start of an agent that is prepared. */
export interface AgentStartView extends AgentEnvironmentView {
  readonly id: string;
  /** The identity it will dial as; absent: the device's. */
  readonly identity?: string;
  /** Unix socket that is its one way out, where it has no other network. */
  readonly gate?: string;
  readonly limits?: AgentLimits;
}

/** What a run may take; absent: as much as anybody. */
export interface AgentLimits {
  /** Bytes, for all of it together. */
  readonly memory?: number | undefined;
  readonly processes?: number | undefined;
  /** Processors: 0.5 is half of one. */
  readonly cpu?: number | undefined;
}
