/** Which mode the engine takes, and why in words. */
import { TunnelerError } from '../../base/errors.ts';
import type { Reason } from '../../base/reason.ts';
import type { EngineMode } from '../../api/views.ts';

/** Whether a TUN device could be made here, or why not. */
export type TunAbility = { readonly ok: true } | { readonly ok: false; readonly reason: string };

const askedFor: Reason = { code: 'mode.asked', sentence: 'asked for' };

/** `auto` takes `tun` where it may, else `proxy`. Throws `net.tun.permission` where `tun` was asked for outright and cannot be. */
export function chooseMode(
  asked: 'auto' | EngineMode,
  tun: TunAbility,
): { readonly mode: EngineMode; readonly why: Reason } {
  switch (asked) {
    case 'proxy':
    case 'host':
      return { mode: asked, why: askedFor };
    case 'tun':
      if (tun.ok) return { mode: 'tun', why: askedFor };
      throw new TunnelerError('net.tun.permission', `mode tun cannot be had: ${tun.reason}`, {
        details: { next: 'run as root or as the installed service, or take --mode proxy' },
      });
    case 'auto':
      if (tun.ok)
        return { mode: 'tun', why: { code: 'mode.tun_able', sentence: 'auto: a TUN device may be made here' } };
      return { mode: 'proxy', why: { code: 'mode.no_tun', sentence: `auto: no TUN device, ${tun.reason}` } };
  }
}
