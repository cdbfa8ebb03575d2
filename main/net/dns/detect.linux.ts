/**
 * Who resolves names on this Linux. What the file that programs read says comes first: a manager that runs but is not in that file is not
 * the one to talk to.
 */
import { readlinkSync } from 'node:fs';
import { readIfThereSync } from '../../files/read-if-there.ts';
import type { RunCommand } from '../run-command.ts';
import type { DnsBackend, DnsPaths } from './os-dns.ts';
import { nameserversOf } from './resolv-conf.ts';

/** systemd-resolved.service(8): its stub and its proxy listen here. */
const resolvedStubs = ['127.0.0.53', '127.0.0.54'];

/** The mechanism to use, and why in words. */
export async function detectLinuxDns(
  run: RunCommand,
  paths: DnsPaths,
): Promise<{ readonly backend: DnsBackend; readonly reason: string }> {
  const text = readIfThereSync(paths.resolvConf);
  if (text === undefined) return { backend: 'resolv.conf', reason: `${paths.resolvConf} does not exist yet` };
  const link = linkTarget(paths.resolvConf);

  if (nameserversOf(text).some((address) => resolvedStubs.includes(address))) {
    if ((await run('resolvectl', ['dns'])).code === 0) {
      return { backend: 'systemd-resolved', reason: `${paths.resolvConf} names its stub, and resolvectl reaches it` };
    }
    return {
      backend: 'resolv.conf',
      reason: 'the stub of systemd-resolved is named, but resolvectl does not reach it',
    };
  }
  if (/^#.*NetworkManager/m.test(text) || link?.includes('NetworkManager') === true) {
    const running = await run('nmcli', ['-t', '-f', 'RUNNING', 'general']);
    if (running.code === 0 && running.stdout.trim() === 'running') {
      const dnsmasq = (await networkManagerMode(run)) === 'dnsmasq';
      return {
        backend: dnsmasq ? 'networkmanager-dnsmasq' : 'networkmanager',
        reason: `${paths.resolvConf} is written by NetworkManager, which runs${dnsmasq ? ' dnsmasq' : ''}`,
      };
    }
    return { backend: 'resolv.conf', reason: 'NetworkManager wrote the file but does not run now' };
  }
  if (/^#.*resolvconf/m.test(text) || link?.includes('resolvconf') === true) {
    if ((await run('resolvconf', ['--version'])).code !== 127) {
      return { backend: 'resolvconf', reason: `${paths.resolvConf} is written by resolvconf` };
    }
    return { backend: 'resolv.conf', reason: 'resolvconf wrote the file but is not there now' };
  }
  return { backend: 'resolv.conf', reason: `no program looks after ${paths.resolvConf}` };
}

/** NetworkManager's D-Bus API, org.freedesktop.NetworkManager.DnsManager, property Mode. */
async function networkManagerMode(run: RunCommand): Promise<string | undefined> {
  const service = 'org.freedesktop.NetworkManager';
  const result = await run('busctl', [
    'get-property',
    service,
    '/org/freedesktop/NetworkManager/DnsManager',
    `${service}.DnsManager`,
    'Mode',
  ]);
  return /^s "(.*)"$/.exec(result.stdout.trim())?.[1];
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    // EINVAL: it is no link.
    if (['EINVAL', 'ENOENT', 'UNKNOWN'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
