/** Unlocked screens: what logind tells, when it is asked at all, and whose identities it concerns. */
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../main/base/log.ts';
import { ScreenUnlocks, watchLogind } from '../../main/engine/monitor/screen-lock.ts';
import { CommandRecorder } from '../support/command-recorder.ts';
import { ManualClock } from '../support/manual-clock.ts';

const shown = (first: 'yes' | 'no', second: 'yes' | 'no'): string =>
  `Id=2\nUser=1000\nLockedHint=${first}\n\nId=c1\nUser=1001\nLockedHint=${second}\n`;

function watched(over: { asks?: () => boolean; code?: number } = {}) {
  const clock = new ManualClock();
  const answer = { stdout: shown('no', 'no') };
  const recorder = new CommandRecorder({
    'loginctl list-sessions': { stdout: ' 2 1000 mira seat0 tty2\nc1 1001 omar seat0 -\n', code: over.code ?? 0 },
    'loginctl show-session': answer,
  });
  const unlocked: number[] = [];
  const watch = watchLogind(
    { clock, log: silentLog, run: recorder.run, asks: over.asks ?? (() => true) },
    (uid) => void unlocked.push(uid),
  );
  const look = async (stdout: string): Promise<void> => {
    answer.stdout = stdout;
    await clock.advanceSlowly(3000);
  };
  return { recorder, unlocked, look, watch };
}

describe('logind', () => {
  it('tells of each session that was locked and is not any more, once', async () => {
    const { recorder, unlocked, look, watch } = watched();
    await look(shown('no', 'yes'));
    await look(shown('yes', 'yes'));
    expect(unlocked).toEqual([]);
    await look(shown('yes', 'no'));
    await look(shown('yes', 'no'));
    expect(unlocked).toEqual([1001]);
    await look(shown('no', 'no'));
    expect(unlocked).toEqual([1001, 1000]);
    expect(recorder.lines[1]).toBe('loginctl show-session 2 c1 -p Id -p User -p LockedHint');
    watch[Symbol.dispose]();
    recorder.take();
    await look(shown('no', 'no'));
    expect(recorder.take()).toEqual([]);
  });

  it('is left alone while no check asks', async () => {
    let asked = false;
    const { recorder, look } = watched({ asks: () => asked });
    await look(shown('yes', 'yes'));
    expect(recorder.take()).toEqual([]);
    asked = true;
    await look(shown('yes', 'yes'));
    expect(recorder.take()).toHaveLength(2);
  });

  it('is asked once where it is not there', async () => {
    const { recorder, unlocked, look } = watched({ code: 127 });
    await look(shown('yes', 'yes'));
    await look(shown('no', 'no'));
    expect(recorder.lines).toHaveLength(1);
    expect(unlocked).toEqual([]);
  });
});

describe('an unlocking', () => {
  it('counts for the identities of the one before the screen, and for the machine’s', () => {
    const unlocks = new ScreenUnlocks();
    expect(unlocks.lastFor(undefined)).toBeUndefined();
    unlocks.note(1000, 5);
    unlocks.note(1001, 9);
    unlocks.note(1001, 7);
    expect([unlocks.lastFor(1000), unlocks.lastFor(1001), unlocks.lastFor(0)]).toEqual([5, 7, undefined]);
    expect(unlocks.lastFor(undefined)).toBe(7);
    unlocks.note(undefined, 11);
    expect(unlocks.lastFor(0)).toBe(11);
  });
});
