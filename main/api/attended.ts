/** What whoever attends a session is told, as it happens. */
import type { SessionView } from './views.ts';

/** One thing that happened; calls come when they are answered, refused ones at once. */
export type AttendedItem =
  | { readonly kind: 'opened'; readonly session: SessionView }
  | {
      readonly kind: 'call';
      /** Its session's id. */
      readonly session: string;
      readonly at: string;
      readonly method: string;
      readonly target: string;
      readonly decision: 'allow' | 'deny';
      readonly rule?: string;
      readonly reason?: string;
      readonly observed?: string;
      readonly failed?: boolean;
      readonly durationMs?: number;
      /** As the record has them: of a device the registers and the values written. */
      readonly arguments?: unknown;
    }
  /** A guard or a limit had something to say. */
  | { readonly kind: 'warned'; readonly session: string; readonly sentence: string }
  | { readonly kind: 'closed'; readonly session: string; readonly reason?: string; readonly detail?: string }
  /** The onlooker was too slow for so many. */
  | { readonly kind: 'missed'; readonly count: number };
