/** The whole program in `tun` mode, in a namespace of its own, on the embedded overlay and on real OpenZiti: what applications see. */
import { expectFindings } from './support/findings.ts';

expectFindings({
  subject: 'tun mode',
  program: 'engine-in-tun',
  timeoutMs: 200_000,
  checks: [
    'mode',
    'curl by name',
    'the session names the program',
    'an address of a prefix, ports of a range',
    'a wildcard name, interactive',
    'UDP there and back',
    'nobody hosts: connection refused, not accepted and cut',
    'an unknown name is the system resolver’s',
    'a thousand flows at one time',
    'revoked: reset and name gone within 500 ms, reason policy_revoked',
    'stopped: routes and resolver as before',
    'killed: a repair puts everything back',
    'no unexpected warning in the log',
  ],
});
