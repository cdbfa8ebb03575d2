/** Which addresses the machine behind a service has, as far as its host configs tell whoever may dial it. */
import { ipFamily } from '../base/ip.ts';

/** In the order in which hosts prefer them. Source: openziti/ziti tunnel/intercept/svcpoll.go. */
const hostConfigTypes = ['host.v2', 'host.v1', 'ziti-tunneler-server.v1'] as const;

/**
 * The one family that all its targets have; undefined where they differ, are named, are the dialler's to choose, or nobody tells. A program
 * that is given an address of the other family may tell it to the machine (FTP's EPRT), which has none of it.
 */
export function targetFamily(configs: Readonly<Record<string, unknown>>): 4 | 6 | undefined {
  const type = hostConfigTypes.find((candidate) => Object.hasOwn(configs, candidate));
  if (type === undefined) return undefined;
  const config = configs[type];
  const targets = type === 'host.v2' ? fieldOf(config, 'terminators') : [config];
  if (!Array.isArray(targets)) return undefined;
  const families = new Set(targets.map((target) => familyOf(target)));
  const [only] = families;
  return families.size === 1 ? only : undefined;
}

function familyOf(target: unknown): 4 | 6 | undefined {
  if (fieldOf(target, 'forwardAddress') === true) return undefined;
  const address = fieldOf(target, 'address') ?? fieldOf(target, 'hostname');
  return typeof address === 'string' ? ipFamily(address) : undefined;
}

function fieldOf(value: unknown, field: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, field)
    ? (value as Readonly<Record<string, unknown>>)[field]
    : undefined;
}
