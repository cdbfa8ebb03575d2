/** The interface's ranges and who stands where in them. */
import { readFileSync } from 'node:fs';
import { TunnelerError } from '../base/errors.ts';
import type { Cidr } from '../base/ip.ts';
import type { DisposalStack } from '../base/lifecycle.ts';
import type { Reason } from '../base/reason.ts';
import { addressAt } from './dns/name-table.ts';
import type { FlowAddresses } from './flow/flows.ts';
import type { HostJournal } from './journal/host-journal.ts';
import { chooseRange } from './route/range.ts';
import type { HostRoutes } from './route/route.ts';
import type { TunDevice } from './tun/device.ts';

/** Places within each range. */
const offsets = { device: 1, resolver: 2, probe: 3, firstNat: 16, natCount: 8 } as const;

/** The ranges names get their addresses from. */
export interface Ranges {
  readonly 4: Cidr;
  readonly 6: Cidr | undefined;
}

/** Free ranges, the wanted ones where they are; what stood against those goes into `warnings`. Throws `net.route.collision`. */
export async function chooseRanges(
  config: { readonly range?: string; readonly range6?: string },
  routes: HostRoutes,
  warnings: Reason[],
): Promise<Ranges> {
  const taken = await routes.list();
  const four = chooseRange(4, config.range, taken);
  if (four === undefined)
    throw new TunnelerError('net.route.collision', 'every range for names collides with a route of this host');
  if (four.range.prefixLength > 22) {
    throw new TunnelerError('base.invalid', `range: expected at least a /22, got ${four.range.text}`);
  }
  const six = config.range6 === 'off' || !hasIpv6() ? undefined : chooseRange(6, config.range6, taken);
  for (const choice of [four, six]) {
    if (choice?.collision === undefined) continue;
    const { wanted, route } = choice.collision;
    warnings.push({
      code: 'net.route.collision',
      sentence: `${wanted} collides with the route ${route.prefix} on ${route.device}; names get addresses of ${choice.range.text}`,
      next: 'set another range in culvert.yaml if this one does not suit either',
    });
  }
  return { 4: four.range, 6: six?.range };
}

/** Turned off by the administrator, or not compiled in. */
function hasIpv6(): boolean {
  if (process.platform !== 'linux') return true;
  try {
    return readFileSync('/proc/sys/net/ipv6/conf/default/disable_ipv6', 'utf8').trim() === '0';
  } catch {
    // No such file: a kernel without IPv6.
    return false;
  }
}

/** A name that leaves the number to the system, where that can be said. */
export function defaultDeviceName(): string {
  return process.platform === 'darwin' ? 'utun' : process.platform === 'win32' ? 'Culvert' : 'culvert%d';
}

/** Give the device its addresses and bring it up; `stack` takes the device down again. */
export async function configureDevice(
  device: TunDevice,
  mtu: number,
  ranges: Ranges,
  routes: HostRoutes,
  journal: HostJournal,
  stack: DisposalStack,
): Promise<void> {
  const own = [ranges[4], ranges[6]].flatMap((range) =>
    range === undefined ? [] : [`${addressAt(range, offsets.device)}/${range.prefixLength}`],
  );
  const ids = own.map((address) => journal.record({ kind: 'address', device: device.name, address }));
  stack.defer(async () => {
    await device[Symbol.asyncDispose]();
    for (const id of ids) journal.forget(id);
  });
  await routes.configure(device.name, mtu, own);
}

/** Who stands where within a range. */
export function flowAddresses(family: 4 | 6, range: Cidr | undefined): { 4?: FlowAddresses; 6?: FlowAddresses } {
  if (range === undefined) return {};
  return {
    [family]: {
      device: addressAt(range, offsets.device),
      resolver: addressAt(range, offsets.resolver),
      nat: Array.from({ length: offsets.natCount }, (_, index) => addressAt(range, offsets.firstNat + index)),
    },
  };
}

/** A resolver within our own ranges would be ourselves. */
export function withoutOwn(upstreams: readonly string[], ranges: Ranges): readonly string[] {
  return upstreams.filter((text) => {
    const [address = ''] = text.split('#');
    return !ranges[4].contains(address) && ranges[6]?.contains(address) !== true;
  });
}

/** The interface's own address in a range. */
export function deviceAddress(range: Cidr): string {
  return addressAt(range, offsets.device);
}

/** An address in a range that the entry answers by itself, to see whether flows arrive. */
export function probeAddress(range: Cidr): string {
  return addressAt(range, offsets.probe);
}
