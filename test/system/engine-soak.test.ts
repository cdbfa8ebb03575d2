/**
 * The whole engine under mixed load with resets, half-closes, slow readers and router restarts. Two minutes here, on real OpenZiti where it can
 * be had; `npm run soak` takes twenty.
 */
import { openZitiMissing } from '../support/openziti-binary.ts';
import { expectFindings } from './support/findings.ts';

const seconds = Number(process.env['CULVERT_SOAK_SECONDS'] ?? 120);

expectFindings({
  subject: 'a soak',
  program: 'engine-soak',
  args: [String(seconds)],
  // The warm-up lasts until a thousand sessions have passed, which a busy machine takes minutes for.
  timeoutMs: (seconds * 1.2 + 500) * 1000,
  networks: [process.env['CULVERT_NETWORK'] ?? (openZitiMissing() === undefined ? 'OpenZiti' : 'embedded')],
  checks: [
    'no byte is lost',
    'nothing is accepted for a service that nobody hosts',
    'a connection fails only while the router is away',
    'no orphan is left in the tables',
    'memory is where it was',
    'no unexpected warning in the log',
  ],
});
