/** Whether programs can be put into namespaces here, and what is missing where not. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { TunnelerError } from '../base/errors.ts';
import { namespaceArguments } from './bubblewrap.ts';

/** Throws `sandbox.unavailable`, whose details name what is missing and what to do. */
export function requireSandbox(ownNetwork: boolean): void {
  if (process.platform !== 'linux') {
    throw unavailable('namespaces are Linux’s own, and this is another system', ['Linux'], 'use a Linux host or a VM');
  }
  const network = ownNetwork ? ['--unshare-net'] : [];
  const probe = spawnSync(
    'bwrap',
    [...namespaceArguments, ...network, '--bind', '/', '/', '--dev', '/dev', '--proc', '/proc', '--', '/bin/true'],
    { encoding: 'utf8' },
  );
  if (probe.error !== undefined) {
    throw unavailable('bubblewrap is not installed', ['bubblewrap'], 'install it: apt install bubblewrap');
  }
  if (probe.status === 0) return;
  const said = probe.stderr.trim().split('\n').at(-1) ?? '';
  const [sentence, next] = whyNot();
  throw unavailable(`${sentence} (${said})`, ['user namespaces'], next);
}

/** What distributions turn off, each with its own switch. */
function whyNot(): readonly [sentence: string, next: string] {
  if (setting('kernel/unprivileged_userns_clone') === '0') {
    return ['this kernel gives user namespaces to root alone', 'sysctl kernel.unprivileged_userns_clone=1'];
  }
  if (setting('user/max_user_namespaces') === '0') {
    return ['this host allows no user namespaces', 'sysctl user.max_user_namespaces=10000'];
  }
  if (setting('kernel/apparmor_restrict_unprivileged_userns') === '1') {
    return [
      'AppArmor keeps user namespaces from programs without a profile',
      'give bwrap an AppArmor profile with userns',
    ];
  }
  const isInside = existsSync('/.dockerenv') || existsSync('/run/.containerenv');
  return isInside
    ? ['this container may not make namespaces of its own', 'start the container with its seccomp filter and masks off']
    : ['namespaces cannot be made here', 'see what bwrap says, or start it as root'];
}

function setting(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name}`, 'utf8').trim();
  } catch {
    // A kernel without that switch.
    return undefined;
  }
}

function unavailable(sentence: string, missing: readonly string[], next: string): TunnelerError {
  return new TunnelerError('sandbox.unavailable', `a program cannot be started apart here: ${sentence}`, {
    details: { missing, next },
  });
}
