/** What `culvert enroll` asks for, to a running engine or to the state directory alone. */
import type { EngineClient } from '../api/schema.ts';

/** What the engine asks for to enrol an identity. */
export type EnrollRequest = Parameters<EngineClient['identity']['enroll']>[0];
