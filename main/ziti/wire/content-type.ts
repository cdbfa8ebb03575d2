/** What a frame is. Sources: openziti/channel: messages.go; openziti/sdk-golang: pb/edge_client_pb/edge_client.proto; xgress/messages.go. */
export const contentType = {
  hello: 0,
  ping: 1,
  result: 2,
  latency: 3,
  latencyResponse: 4,
  heartbeat: 5,

  xgPayload: 1100,
  xgAcknowledgement: 1101,
  xgControl: 1102,
  xgClose: 1103,

  postureResponse: 10800,

  /** What a client may watch at a router of release 2.1, see `service-updates.ts`. */
  subscribeToServiceUpdates: 10900,
  unsubscribeFromServiceUpdates: 10901,
  resyncPostureState: 10902,
  serviceChangeSet: 10903,
  postureStateChange: 10904,

  connect: 60783,
  stateConnected: 60784,
  stateClosed: 60785,
  data: 60786,
  dial: 60787,
  dialSuccess: 60788,
  dialFailed: 60789,
  bind: 60790,
  unbind: 60791,
  stateSessionEnded: 60792,
  probe: 60793,
  updateBind: 60794,
  healthEvent: 60795,
  traceRoute: 60796,
  traceRouteResponse: 60797,
  connInspectRequest: 60798,
  connInspectResponse: 60799,
  bindSuccess: 60800,
  updateTokenSuccess: 60801,
  updateTokenFailure: 60802,
  updateToken: 60803,
  inspectRequest: 60804,
  inspectResponse: 60805,
  connectV2: 60806,
} as const;

export type ContentType = (typeof contentType)[keyof typeof contentType];
