/**
 * What every guard keeps, whatever its protocol, as tests for each to call:
 *
 *     guardConformance({ name: 'modbus', make: () => createGuard(…), conversation: [['app', …], ['service', …]] });
 *
 * Cutting the bytes elsewhere changes nothing; no bytes make it throw; what it lets pass is in its canonical form, so that it would let it pass
 * again, unchanged and without a refusal; what it holds is bounded.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Guard } from '../../main/guard/guard.ts';
import { bytesOf, GuardDriver, recut, type Outcome, type Segment } from '../support/guard-driver.ts';

export interface GuardSubject {
  readonly name: string;
  /** A fresh guard, with a ledger of its own. */
  make(): Guard;
  /** A conversation that the guard follows to its end, refusals included. */
  readonly conversation: readonly Segment[];
  /** The same of what reached either side, without a framing that follows the pieces. Default: as it is. */
  meaning?(bytes: string): string;
  /** Most bytes it may hold of this conversation, mutated. Default 1 MiB. */
  readonly heldLimitBytes?: number;
  /** What it lets pass ends its own reading when it is asked again (a tunnel). Default false. */
  readonly notTwice?: boolean;
}

export function guardConformance(subject: GuardSubject): void {
  const meaning = subject.meaning ?? ((bytes: string): string => bytes);
  const run = (segments: readonly Segment[]): Outcome => new GuardDriver(subject.make()).run(segments);
  const shape = (outcome: Outcome): unknown => ({
    service: meaning(outcome.toService.toString('latin1')),
    app: meaning(outcome.toApp.toString('latin1')),
    calls: outcome.calls,
    violations: outcome.violations,
    faults: outcome.faults,
    notVisible: outcome.notVisible,
  });

  describe(`guard: ${subject.name}`, () => {
    it('means the same however the bytes are cut', () => {
      const whole = shape(run(subject.conversation));
      expect(shape(run(recut(subject.conversation, [1])))).toEqual(whole);
      fc.assert(
        fc.property(fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 12 }), (cuts) => {
          expect(shape(run(recut(subject.conversation, cuts)))).toEqual(whole);
        }),
        { numRuns: 100 },
      );
    });

    it('never throws, holds no more than it may, and lets pass what it would let pass again', () => {
      const edit = fc.record({
        segment: fc.nat(),
        at: fc.nat(),
        remove: fc.nat({ max: 4 }),
        insert: fc.uint8Array({ maxLength: 4 }),
      });
      fc.assert(
        fc.property(
          fc.array(edit, { minLength: 1, maxLength: 8 }),
          fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 5 }),
          (edits, cuts) => {
            const driver = new GuardDriver(subject.make());
            const first = driver.run(recut(mutated(subject.conversation, edits), cuts));
            expect(driver.guard.buffered()).toBeLessThan(subject.heldLimitBytes ?? 1024 * 1024);
            if (subject.notTwice === true) return;
            const again = run([['app', first.toService]]);
            expect(again.toService.toString('latin1')).toBe(first.toService.toString('latin1'));
            expect(again.calls.filter((call) => call.decision === 'deny')).toEqual([]);
          },
        ),
        { numRuns: 300 },
      );
    });

    it('never throws on bytes that are nothing', () => {
      fc.assert(
        fc.property(fc.array(fc.tuple(fc.boolean(), fc.uint8Array({ maxLength: 64 })), { maxLength: 10 }), (pieces) => {
          run(pieces.map(([app, bytes]): Segment => [app ? 'app' : 'service', bytes]));
        }),
        { numRuns: 300 },
      );
    });
  });
}

interface Edit {
  readonly segment: number;
  readonly at: number;
  readonly remove: number;
  readonly insert: Uint8Array;
}

function mutated(conversation: readonly Segment[], edits: readonly Edit[]): readonly Segment[] {
  const changed = conversation.map(([from, bytes]): Segment => [from, bytesOf(bytes)]);
  for (const { segment, at, remove, insert } of edits) {
    const index = segment % changed.length;
    const [from, bytes] = changed[index] as readonly ['app' | 'service', Uint8Array];
    const start = at % Math.max(1, bytes.length);
    changed[index] = [from, Buffer.concat([bytes.slice(0, start), insert, bytes.slice(start + remove)])];
  }
  return changed;
}
