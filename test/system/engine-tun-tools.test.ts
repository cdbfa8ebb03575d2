/** The whole program in `tun` mode beside a systemd-resolved of its own, another VPN and a second engine: the tools people reach for. */
import { openZitiMissing } from '../support/openziti-binary.ts';
import { expectFindings } from './support/findings.ts';
import { findResolved, resolvedScript } from './support/resolved.ts';

const resolved = findResolved();

expectFindings({
  subject: resolved === undefined ? 'tools through a TUN' : 'tools through a TUN, with systemd-resolved',
  program: 'engine-in-tun-tools',
  args: [resolved === undefined ? 'plain' : 'resolved'],
  ...(resolved === undefined ? {} : { within: ['sh', resolvedScript, resolved, '10.7.0.9'] }),
  timeoutMs: 150_000,
  // What the tools see hangs on the overlay but little: once, on the real thing where that can be had.
  networks: [process.env['CULVERT_NETWORK'] ?? (openZitiMissing() === undefined ? 'OpenZiti' : 'embedded')],
  checks: [
    'a range free of another VPN',
    'keystrokes come back one by one',
    'iperf3 TCP, both ways',
    'iperf3 UDP',
    'IPv6 by name and by prefix',
    'dig: A, AAAA, and empty where a type does not exist',
    'refused within 50 ms of the answer',
    'a name that is not ours',
    'a second engine beside the first',
    'afterwards the routes are as before',
    'no unexpected warning in the log',
  ],
});
