/** Every backend of the system's resolver, through the suite all of them keep to. */
import { osDnsConformance } from './os-dns.ts';

osDnsConformance('systemd-resolved', 'linux');
osDnsConformance('networkmanager-dnsmasq', 'linux');
osDnsConformance('networkmanager', 'linux');
osDnsConformance('resolvconf', 'linux');
osDnsConformance('resolv.conf', 'linux');
osDnsConformance('resolver-files', 'darwin');
osDnsConformance('nrpt', 'win32');
