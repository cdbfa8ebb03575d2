/** Tests that need what a machine may lack are skipped with the reason, which the summary of `npm test` lists. */
import { appendFileSync } from 'node:fs';
import { expect } from 'vitest';

/**
 * For `describe.skipIf(mustSkip(reason))`: undefined means the need is met. The reason is printed, and kept for the summary of `npm test`,
 * which calls a skip a failure where `CULVERT_REQUIRE_ALL=1` and `allowed-skips.json` does not name it.
 */
export function mustSkip(reason: string | undefined): boolean {
  if (reason === undefined) return false;
  process.stderr.write(`skipped: ${reason}\n`);
  const list = process.env['CULVERT_SKIPS'];
  if (list !== undefined) appendFileSync(list, `${JSON.stringify({ file: expect.getState().testPath, reason })}\n`);
  return true;
}
