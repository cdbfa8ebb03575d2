/** The whole engine on a line that is cut, moved, swallowed and taken over: services are back by themselves within ten seconds of the network. */
import { expectFindings } from './support/findings.ts';
import { openZitiMissing } from '../support/openziti-binary.ts';

const network = process.env['CULVERT_NETWORK'] ?? (openZitiMissing() === undefined ? 'OpenZiti' : 'embedded');

expectFindings({
  subject: 'life on a real machine',
  program: 'engine-life',
  timeoutMs: 240_000,
  // It takes a while by nature: once, on the real thing where that can be had.
  networks: [network],
  checks: [
    'controller and router keep their own way under an intercepted prefix',
    'a service hosted here that leads to an intercepted address does not run in circles',
    'a link that goes down and comes up',
    'another address',
    'a line cut further away for long, the host none the wiser',
    'a captive portal in everyone’s place',
    'stopped for a while, as in a sleep, and woken elsewhere',
    'no unexpected warning in the log',
  ],
});
