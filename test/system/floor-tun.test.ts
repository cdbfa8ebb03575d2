/** A laptop in `tun` mode and a floor behind an edge box: BACnet's search and active FTP, by kept libraries and curl. */
import { floorPythonMissing } from '../support/floor-python.ts';
import { expectFindings } from './support/findings.ts';

expectFindings({
  subject: 'a floor behind a box',
  program: 'floor-in-tun',
  timeoutMs: 120_000,
  networks: [process.env['CULVERT_NETWORK'] ?? 'embedded'],
  missing: await floorPythonMissing('reach'),
  checks: [
    'BACnet: a device is found by Who-Is, and read',
    'FTP: files come, go and are listed in active mode',
    'FTP: what is not there is told, and the session goes on',
    'FTP: each data connection is a session of its own at both ends, and counted',
    'FTP: a contract of one session leaves none for data, and the client is told',
    'FTP: the application’s own address and no other',
    'no unexpected warning in the log',
  ],
});
