/** One `describe` a network for a program that runs inside: each of its findings is a test. */
import { beforeAll, describe, expect, it } from 'vitest';
import { mustSkip } from '../../support/optional.ts';
import { runInside, tunNetworks, type Findings } from './inside.ts';

export interface Expected {
  readonly subject: string;
  /** A file of this folder, without its ending. */
  readonly program: string;
  readonly checks: readonly string[];
  readonly timeoutMs: number;
  readonly within?: readonly string[];
  /** Further arguments after the network's name. */
  readonly args?: readonly string[];
  /** Only these; `CULVERT_NETWORK` narrows too. */
  readonly networks?: readonly string[];
  /** Why what else it needs is not here. */
  readonly missing?: string | undefined;
}

export function expectFindings({
  subject,
  program,
  checks,
  timeoutMs,
  within,
  args = [],
  networks,
  missing,
}: Expected): void {
  const wanted = process.env['CULVERT_NETWORK'] ?? '';
  for (const network of tunNetworks) {
    if (networks?.includes(network.name) === false || (wanted !== '' && wanted !== network.name)) continue;
    describe.skipIf(mustSkip(network.missing() ?? missing))(`${subject} on ${network.name}`, () => {
      let seen: Findings;
      beforeAll(async () => {
        seen = await runInside(program, [network.name, ...args], {
          timeoutMs,
          ...(within === undefined ? {} : { within }),
        });
        // What the engines said, where anything went wrong.
        if (checks.some((name) => seen.findings.get(name)?.ok !== true)) console.log(seen.output.slice(-20_000));
      }, timeoutMs + 40_000);

      it.each(checks)('%s', (name) => {
        const finding = seen.findings.get(name);
        expect(finding, seen.output.slice(-3000)).toBeDefined();
        expect(finding?.ok, JSON.stringify(finding?.detail)).toBe(true);
        if (finding?.detail !== undefined) console.log(`${network.name}: ${name}: ${JSON.stringify(finding.detail)}`);
      });
    });
  }
}
