/** A controller's clock beside ours: what certificates and tokens are refused for is often a wrong clock, and then that is what to say. */
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { OpenTransport } from './transport.ts';
import { clientApiPath } from './version.ts';

/** For requests that only make an error clearer. */
export const explainTimeoutMs = 3000;
/** Beyond this, a time-bound refusal is blamed on the clock. */
const skewToleranceMs = 5 * 60_000;

/** The `Date` of an answer over an unverified connection: good for an explanation, never for a decision. */
export async function controllerTime(origin: string, open: OpenTransport): Promise<number | undefined> {
  await using transport = open(origin, { caPem: '', unverified: true });
  try {
    const answer = await transport.send({
      method: 'GET',
      path: `${clientApiPath}/version`,
      timeoutMs: explainTimeoutMs,
    });
    const time = Date.parse(answer.header('date') ?? '');
    return Number.isNaN(time) ? undefined : time;
  } catch {
    // Unreachable just means that nothing more can be explained; the caller's own error stands.
    return undefined;
  }
}

/** True where the controller says a time that is minutes from ours. */
export async function clockIsOff(
  origin: string,
  { open, clock }: { readonly open: OpenTransport; readonly clock: Clock },
): Promise<boolean> {
  const theirs = await controllerTime(origin, open);
  return theirs !== undefined && Math.abs(theirs - clock.now()) > skewToleranceMs;
}

/** `ziti.controller.clock_skew`, with the next step. */
export function clockSkew(origin: string, cause: unknown): TunnelerError {
  return new TunnelerError(
    'ziti.controller.clock_skew',
    `this device's clock and that of ${origin} differ by minutes or more`,
    {
      ...defined({ cause }),
      details: { origin, next: "set this device's clock, then try again" },
    },
  );
}
