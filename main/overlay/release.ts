/** Which release of OpenZiti the overlay behaves as, where releases differ to a client. */
import { TunnelerError } from '../base/errors.ts';

/**
 * `1.7`: legacy sessions, text refusals, circuits under the SDK's flow control outlive their access. `2.0`: OIDC, routers judge and revoke.
 * `2.1`: routers push services and posture verdicts, take dials without a service session, and refuse with a structure.
 */
export const overlayReleases = ['1.7', '2.0', '2.1'] as const;

/** A release line of OpenZiti that the overlay can behave as. */
export type OverlayRelease = (typeof overlayReleases)[number];

/** As `/version` has it. */
export const releaseVersion: Readonly<Record<OverlayRelease, string>> = {
  '1.7': 'v1.7.2',
  '2.0': 'v2.0.3',
  '2.1': 'v2.1.0',
};

/** Throws `overlay.invalid`. */
export function readOverlayRelease(text: string): OverlayRelease {
  const found = overlayReleases.find((release) => release === text);
  if (found !== undefined) return found;
  throw new TunnelerError('overlay.invalid', `the overlay behaves as ${overlayReleases.join(', ')}, not as "${text}"`, {
    details: { value: text },
  });
}
