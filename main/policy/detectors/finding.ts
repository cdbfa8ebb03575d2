/** What detectors are told, and what they find. Plain data. */
import type { ReasonCode } from '../../base/reason-codes.ts';

/** A fact of the data path, past tense. `program` as `programName` has it; absent where nobody knows it. */
export type WatchedEvent =
  | {
      readonly kind: 'dial';
      readonly program: string | undefined;
      readonly service: string;
      readonly identity: string;
      readonly outcome: 'opened' | 'failed' | 'refused';
    }
  | {
      readonly kind: 'closed';
      readonly program: string | undefined;
      readonly service: string;
      readonly identity: string;
      readonly bytes: number;
    }
  | {
      readonly kind: 'call';
      readonly program: string | undefined;
      readonly service: string;
      readonly identity: string;
      readonly tool: string;
      readonly outcome: 'ok' | 'failed' | 'denied';
      /** A guard found text in it that gives a model orders. */
      readonly orders?: boolean;
    }
  | {
      readonly kind: 'violation';
      readonly program: string | undefined;
      readonly service: string;
      readonly identity: string;
    };

/** `breaker.failures`, `baseline.new-tool`, `detector.orders`, …: a detector's name is the code of what it finds. */
export type DetectorCode = Extract<ReasonCode, `breaker.${string}` | `baseline.${string}` | `detector.${string}`>;

/** Something unusual, and what is to follow from it. */
export interface Finding {
  /** Stable, for scripts. */
  readonly detector: DetectorCode;
  readonly severity: 'warning' | 'critical';
  /** What is unusual and against what it was measured, for a person. */
  readonly text: string;
  /** The subject it speaks of, as quarantine has it. */
  readonly subject: string;
  readonly action: 'alert' | 'quarantine';
  /** A quarantine that ends by itself; absent: only by release. */
  readonly holdMs?: number;
}

/** The subject for one program on one service; for an unknown program the service itself. */
export function pairSubject(program: string | undefined, service: string): string {
  return program === undefined ? `service:${service}` : `app:${program}@${service}`;
}
