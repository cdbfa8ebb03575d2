/**
 * Header ids, by the layer that reads them.
 * Sources: openziti/channel: messages.go; openziti/sdk-golang: pb/edge_client_pb/edge_client.proto, xgress/messages.go.
 */
export const headerId = {
  /** Channel id, string; the router assigns it in the Hello's Result. */
  connectionId: 0,
  /** i32: sequence of the request that this frame answers. */
  replyFor: 1,
  /** bool */
  resultSuccess: 2,
  /** string `version|revision|buildDate|os|arch` of the router. */
  helloVersion: 4,
  /** string, underlay type. */
  underlayType: 7,
  /** string, router id. */
  routerId: 8,
  isGrouped: 9,
  groupSecret: 10,
  isFirstGroupConnection: 11,
  /** u32, see helloRejectClass */
  helloRejectClass: 13,

  /** Latency probe: u64 send time; Data: 16-byte trace id. First of the headers that replies reflect. */
  uuid: 128,

  /** u32 */
  connId: 1000,
  /** u32 */
  seq: 1001,
  /** string, in Hello */
  sessionToken: 1002,
  /** 32 bytes, X25519 */
  publicKey: 1003,
  /** u16 */
  cost: 1004,
  /** 1 byte: 0 default, 1 required, 2 failed */
  precedence: 1005,
  terminatorIdentity: 1006,
  terminatorIdentitySecret: 1007,
  /** string, the dialer's own word */
  callerId: 1008,
  /** 1 byte: 0 = libsodium */
  cryptoMethod: 1009,
  /** u32, see edgeFlag */
  flags: 1010,
  appData: 1011,
  /** bool in Bind and StateConnected, u32 connection id in Dial */
  routerProvidedConnId: 1012,
  healthStatus: 1013,
  /** u32, see edgeErrorCode */
  errorCode: 1014,
  /** u64 ms */
  timestamp: 1015,
  traceHopCount: 1016,
  traceHopType: 1017,
  traceHopId: 1018,
  traceSourceRequestId: 1019,
  traceError: 1020,
  listenerId: 1021,
  /** byte, see connType */
  connType: 1022,
  supportsInspect: 1023,
  supportsBindSuccess: 1024,
  connectionMarker: 1025,
  circuitId: 1026,
  stickinessToken: 1027,
  useXgressToSdk: 1028,
  xgressCtrlId: 1029,
  xgressAddress: 1030,
  inspectRequestedValues: 1031,
  supportsPostureChecks: 1032,
  /** JSON, see parseStructuredError */
  structuredError: 1033,
  /** strings, asserted by the router (2.0 and later) */
  dialerIdentityId: 1034,
  dialerIdentityName: 1035,
  /** string, id or name, in ConnectV2 */
  serviceId: 1036,
  /** byte: 0 by id, 1 by name */
  serviceIdentifierType: 1037,
  /** Big-endian unsigned integer of the fewest bytes, see routerCapability */
  routerCapabilities: 1039,

  /** Payload header k travels as 2000 + k: 1 is capabilities (4 bytes big-endian), 16 the edge flags (u32). */
  payloadCapabilities: 2001,
  payloadEdgeFlags: 2016,
  /** string */
  xgCircuitId: 2256,
  /** u64, values of an i32 */
  xgSequence: 2257,
  /** u32, see payloadFlag; absent = 0 */
  xgFlags: 2258,
  /** u32, in acknowledgements */
  xgRecvBufferSize: 2259,
  /** u16: low bits of the sender's millisecond clock; echoed in the acknowledgement */
  xgRtt: 2260,
} as const;

/** Headers in this range are copied from a request into each of its replies (openziti/channel: message.go). */
export const reflectedHeaders = { first: 128, last: 255 } as const;

/** Bits of header 1010 (openziti/sdk-golang: ziti/edge/messages.go). */
export const edgeFlag = {
  /** The sender will send no more. */
  fin: 1,
  traceUuid: 2,
  /** The sender can take multipart messages. */
  multipart: 4,
  /** A byte stream: the peer may coalesce writes. */
  stream: 8,
  /** This body, once decrypted, is `(u16 length, bytes)*`. */
  multipartMessage: 16,
} as const;

/** Values of header 13, of a refused Hello (openziti/channel: hello_reject.go). */
export const helloRejectClass = { busy: 1, notPermitted: 2 } as const;

/** Bits of header 1039 (openziti/sdk-golang: pb/edge_client_pb/edge_client.proto, RouterCapability). */
export const routerCapability = { connectV2: 2, serviceUpdates: 4, postureChecks: 5, bindSuccess: 6 } as const;

/** Values of header 1022. */
export const connType = { invalid: 0, dial: 1, bind: 2, unknown: 3 } as const;

/** Values of header 1005. */
export const precedenceByte = { default: 0, required: 1, failed: 2 } as const;
