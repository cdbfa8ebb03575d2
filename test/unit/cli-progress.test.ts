/** Words on how far long work is: on a terminal's standard error alone, and gone when it is done. */
import { expect, it } from 'vitest';
import { records, withProgress } from '../../main/cli/progress.ts';
import type { Terminal } from '../../main/cli/terminal.ts';
import { ManualClock } from '../support/manual-clock.ts';

function onTerminal(terminal: Partial<Terminal>, outputIsPayload = false) {
  const clock = new ManualClock();
  const written: string[] = [];
  const cli = {
    clock,
    outputIsPayload,
    terminal: { ...terminal, err: (text: string) => written.push(text) } as unknown as Terminal,
  };
  const work = withProgress(cli, 'verifying', (tell) => {
    clock.advance(400);
    tell(records(12_000));
    clock.advance(1_600);
    return Promise.resolve('done');
  });
  return { work, written, clock };
}

it('tells what takes long, how far it is and for how long, and wipes that away', async () => {
  const { work, written, clock } = onTerminal({ errIsTty: true, outIsTty: true });
  expect(await work).toBe('done');
  expect(written.at(-2)).toMatch(/verifying … 12,000 records, 2 s$/);
  expect(written.at(-1)).toBe('\r\u001b[2K');
  expect(clock.pending()).toBe(0);
});

it('says nothing of what is soon done', async () => {
  const { work, written } = onTerminal({ errIsTty: true });
  await work;
  // 400 ms passed in silence before the first word.
  expect(written[0]).toContain('12,000 records');
});

it.each([
  ['standard error is no terminal', { errIsTty: false, outIsTty: true }, false],
  ['the lines themselves scroll by there', { errIsTty: true, outIsTty: true }, true],
])('writes nothing where %s', async (_, terminal, payload) => {
  const { work, written } = onTerminal(terminal, payload);
  expect(await work).toBe('done');
  expect(written).toEqual([]);
});

it('leaves no line behind where the work fails', async () => {
  const clock = new ManualClock();
  const written: string[] = [];
  const terminal = { errIsTty: true, err: (text: string) => written.push(text) } as unknown as Terminal;
  const work = withProgress({ clock, terminal, outputIsPayload: false }, 'enrolling', () => {
    clock.advance(1_000);
    return Promise.reject(new Error('refused'));
  });
  await expect(work).rejects.toThrow('refused');
  expect(written.at(-1)).toBe('\r\u001b[2K');
});
