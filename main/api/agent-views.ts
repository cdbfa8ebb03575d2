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

/** A key for models that is worth nothing but in the hands of its agent; never the key itself. */
export interface ModelKeyView {
  readonly id: string;
  /** Absent: programs that are no agent. */
  readonly agent?: string;
  /** The how manieth of this agent. */
  readonly generation: number;
  readonly state: 'active' | 'revoked';
  readonly madeAt: string;
  readonly revokedAt?: string;
}

/** The same, with the key for whoever is to use it. */
export interface ShownModelKeyView extends ModelKeyView {
  readonly value: string;
}

/** What a run may take; absent: as much as anybody. */
export interface AgentLimits {
  /** Bytes, for all of it together. */
  readonly memory?: number | undefined;
  readonly processes?: number | undefined;
  /** Processors: 0.5 is half of one. */
  readonly cpu?: number | undefined;
}
