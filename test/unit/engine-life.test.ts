/** Life on a machine that sleeps, moves and loses its network: what is noticed, and how soon it is acted upon. Hours pass on a manual clock. */
import { describe, expect, it } from 'vitest';
import { watchForComeback, type Unreached } from '../../main/engine/monitor/reconnect-probe.ts';
import { watchNetwork, type NetworkChange } from '../../main/engine/monitor/network-watch.ts';
import { ManualClock } from '../support/manual-clock.ts';

const hour = 3_600_000;

describe('the network watch', () => {
  const watched = (): { clock: ManualClock; seen: NetworkChange[]; move(to: string): void } => {
    const clock = new ManualClock();
    const seen: NetworkChange[] = [];
    let addresses = 'eth0 192.0.2.7';
    watchNetwork({ clock, addresses: () => addresses }, (change) => seen.push(change));
    return { clock, seen, move: (to) => void (addresses = to) };
  };

  it('sees a wall clock that ran ahead as a sleep, once', () => {
    const { clock, seen } = watched();
    clock.advance(hour);
    expect(seen).toEqual([]);
    clock.jump(8 * hour);
    clock.advance(2000);
    clock.advance(hour);
    expect(seen).toEqual(['woke']);
  });

  it('takes no small correction of the clock for a sleep', () => {
    const { clock, seen } = watched();
    for (let i = 0; i < 20; i++) {
      clock.jump(i % 2 === 0 ? 5000 : -5000);
      clock.advance(2000);
    }
    expect(seen).toEqual([]);
  });

  it('sees another address, and none, within two seconds', () => {
    const { clock, seen, move } = watched();
    move('');
    clock.advance(2000);
    move('wlan0 198.51.100.4');
    clock.advance(2000);
    expect(seen).toEqual(['moved', 'moved']);
  });
});

describe('the watch for a comeback', () => {
  const line = (code = 'ziti.controller.unreachable') => {
    const clock = new ManualClock();
    const state = { open: false, healthy: false, probes: 0, tries: 0 };
    const unreached = (): readonly Unreached[] =>
      state.healthy
        ? []
        : [
            {
              name: 'me',
              places: [{ place: 'https://192.0.2.1:1280', code }],
              networkChanged: () => {
                state.tries += 1;
                return Promise.resolve();
              },
            },
          ];
    const reaches = (): Promise<boolean> => {
      state.probes += 1;
      return Promise.resolve(state.open);
    };
    const watch = watchForComeback({ clock, unreached, reaches });
    return { clock, state, watch };
  };

  it('tries nothing while the line is cut, for hours, and at once when it is back', async () => {
    const { clock, state } = line();
    await clock.advanceSlowly(2 * hour, 3000);
    expect(state.tries).toBe(0);
    state.open = true;
    await clock.advanceSlowly(6000, 1000);
    expect(state.tries).toBeGreaterThan(0);
  });

  it('tries again and again where something answers in the controller’s place', async () => {
    const { clock, state } = line('ziti.controller.certificate');
    state.open = true;
    await clock.advanceSlowly(60_000, 1000);
    expect(state.tries).toBeGreaterThanOrEqual(6);
    expect(state.tries).toBeLessThanOrEqual(12);
  });

  it('does not press a controller that is there but busy', async () => {
    const { clock, state } = line('ziti.controller.busy');
    state.open = true;
    await clock.advanceSlowly(hour, 3000);
    expect(state.tries).toBe(0);
  });

  it('asks nobody while all is well, and nobody once it is closed', async () => {
    const { clock, state, watch } = line();
    state.healthy = true;
    await clock.advanceSlowly(60_000, 1000);
    expect(state.probes).toBe(0);
    state.healthy = false;
    watch[Symbol.dispose]();
    await clock.advanceSlowly(60_000, 1000);
    expect(state.probes).toBe(0);
    expect(clock.pending()).toBe(0);
  });
});
