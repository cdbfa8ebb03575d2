/** Header 1039: what a router says it takes. */
import { routerCapability } from './header-id.ts';

/** Those that Culvert acts upon. */
export interface RouterCapabilities {
  /** It said so at all: release 2.1 or later. */
  readonly known: boolean;
  /** ConnectV2: dials without a service session. */
  readonly connectV2: boolean;
  /** Services and posture verdicts are pushed to who subscribes. */
  readonly serviceUpdates: boolean;
}

/** A big-endian unsigned integer of any length; bits that are not known are not looked at. Absent: nothing of it. */
export function readRouterCapabilities(value: Uint8Array | undefined): RouterCapabilities {
  const has = (bit: number): boolean => {
    const byte = value?.[value.length - 1 - (bit >>> 3)];
    return byte !== undefined && (byte & (1 << (bit & 7))) !== 0;
  };
  return {
    known: value !== undefined,
    connectV2: has(routerCapability.connectV2),
    serviceUpdates: has(routerCapability.serviceUpdates),
  };
}
