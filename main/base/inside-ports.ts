/** Ports of 127.0.0.1 inside a run that has no other network: there nobody else has them. */
export const insidePorts = {
  /** Leads to the engine's proxy. */
  proxy: 1080,
  /** Leads to the engine's endpoint for models. */
  models: 1081,
} as const;
