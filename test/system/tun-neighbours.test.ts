/** A container-like neighbour of an engine in `tun` mode, routed and masqueraded: it borrows nobody's reach. */
import { expectFindings } from './support/findings.ts';

expectFindings({
  subject: 'neighbours of a TUN',
  program: 'neighbours-in-tun',
  timeoutMs: 90_000,
  // Who sent a packet is this host's matter; the overlay has no part in it.
  networks: ['embedded'],
  checks: [
    'a program of the host is let in',
    'nothing answers a neighbour on the interface’s own addresses, neither an echo nor a closed port',
    'a container that is routed is refused by its address, and nothing is dialled',
    'masqueraded it has the address of the host, and is still nobody',
    'and the host’s own programs go on',
    'no unexpected warning in the log',
  ],
});
