/** The demo as root, in a namespace. */
import { expectFindings } from './support/findings.ts';

expectFindings({
  subject: 'the demo as root',
  program: 'demo-in-tun',
  timeoutMs: 120_000,
  networks: ['embedded'],
  checks: [
    'unasked it changes nothing of the host, root or not',
    'asked for it takes a TUN, names simply work, and nothing is left',
    'without /dev/net/tun it says why and takes the proxy',
  ],
});
