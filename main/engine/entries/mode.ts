/** Which mode the engine takes, and why in words. */
import { TunnelerError } from '../../base/errors.ts';
import type { EngineMode } from '../../contract/views.ts';

export type TunAbility = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** `auto` takes `tun` where it may, else `proxy`. Throws `net.tun.permission` where `tun` was asked for outright and cannot be. */
export function chooseMode(
  asked: 'auto' | EngineMode,
  tun: TunAbility,
): { readonly mode: EngineMode; readonly reason: string } {
  switch (asked) {
    case 'proxy':
    case 'host':
      return { mode: asked, reason: 'asked for' };
    case 'tun':
      if (tun.ok) return { mode: 'tun', reason: 'asked for' };
      throw new TunnelerError('net.tun.permission', `mode tun cannot be had: ${tun.reason}`, {
        details: { next: 'run as root or as the installed service, or take --mode proxy' },
      });
    case 'auto':
      if (tun.ok) return { mode: 'tun', reason: 'auto: a TUN device may be made here' };
      return { mode: 'proxy', reason: `auto: no TUN device, ${tun.reason}` };
  }
}
