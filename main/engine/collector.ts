/**
 * The garbage collector, set for a process that mostly moves bytes.
 *
 * Buffers count against the heap's limit though they lie outside it. With V8's own growth (from 22 MB of objects to about 35) each 15 MB of
 * traffic started a full collection, and these took half of the engine's processor time under load (decision 0009).
 */
import { setFlagsFromString } from 'node:v8';

/** How far heap and buffers may grow beyond what survived the last full collection, in per cent. */
const growingPercent = 400;

/** Let more garbage gather between full collections. Once, before traffic flows. */
export function collectLessOften(): void {
  setFlagsFromString(`--heap-growing-percent=${growingPercent}`);
}
