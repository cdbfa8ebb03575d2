/**
 * The garbage collector, set for a process that mostly moves bytes.
 *
 * Buffers count against the heap's limit though they lie outside it. With V8's own growth (from 22 MB of objects to about 35) each 15 MB of
 * traffic started a full collection, and these took half of the engine's processor time under load (decision 0009). So garbage may gather
 * while there is work, and is given back to the system once there is none.
 */
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from '../../base/clock.ts';

/** How far heap and buffers may grow beyond what survived the last full collection, in per cent. */
const growingPercent = 400;
const lookPeriodMs = 2_000;
/** Share of the period the event loop worked; below it nobody waits for what a collection holds up (some 50 ms). */
const quietShare = 0.05;
/** Below this much growth a collection gives nothing worth its time, bytes. */
const worthwhileBytes = 16 * 1024 * 1024;

/** Let more garbage gather between full collections, and collect it when the engine falls quiet. Once; disposing stops the latter. */
export function collectLessOften(clock: Clock): Disposable {
  setFlagsFromString(`--heap-growing-percent=${growingPercent}`);
  const collect = collector();
  let kept = heldBytes();
  let last = performance.eventLoopUtilization();
  return clock.every(lookPeriodMs, () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    if (utilization > quietShare || heldBytes() - kept < worthwhileBytes) return;
    collect();
    kept = heldBytes();
  });
}

function heldBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Collects and closes the gaps, so that whole pages go back. V8 shows its collector only to contexts made while `expose-gc` is set. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  return () => {
    setFlagsFromString('--compact-on-every-full-gc');
    collect();
    setFlagsFromString('--no-compact-on-every-full-gc');
  };
}
