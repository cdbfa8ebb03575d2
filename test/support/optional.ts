/** Tests that need what a machine may lack: skipped with the reason, or failing where everything is required. */

/** True where `CULVERT_REQUIRE_ALL=1`: a skip is then a failure. */
export function everythingRequired(): boolean {
  return process.env['CULVERT_REQUIRE_ALL'] === '1';
}

/**
 * For `describe.skipIf(mustSkip(reason))`: undefined means the need is met. Prints the reason; throws it where everything
 * is required.
 */
export function mustSkip(reason: string | undefined): boolean {
  if (reason === undefined) return false;
  if (everythingRequired()) throw new Error(`required here, yet ${reason}`);
  process.stderr.write(`skipped: ${reason}\n`);
  return true;
}
