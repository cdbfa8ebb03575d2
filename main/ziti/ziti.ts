/** The public door of Culvert's OpenZiti SDK. Everything else in this room is its own business. */
export type * from './model.ts';
export { systemClock } from '../base/clock.ts';
export { silentLog } from '../base/log.ts';
export type { ByteStream } from '../base/stream.ts';
export { enroll, enrollByExternalToken } from './enroll/enroll.ts';
export type { Enrolment, EnrolRequest, ProvenToken, TokenEnrolRequest } from './enroll/enroll.ts';
export { createSigningRequest, newSoftwareKey } from './enroll/signing-request.ts';
export type { IdentityKey, KeyAlgorithm } from './enroll/signing-request.ts';
export { inspectNetwork, listSigners } from './enroll/signers.ts';
export type { ExternalSigner, NetworkView } from './enroll/signers.ts';
export { parseEnrolmentToken } from './enroll/token.ts';
export type { EnrolmentMethod, EnrolmentToken } from './enroll/token.ts';
export { openHttpsTransport } from './controller/https-transport.ts';
export type { HttpTransport, OpenTransport, TransportCredential } from './controller/transport.ts';
export { openZitiContext } from './context/ziti-context.ts';
export type { Credential, RenewalKeeper, ZitiContextOptions } from './context/options.ts';
export type { Renewal } from './enroll/renewal.ts';
