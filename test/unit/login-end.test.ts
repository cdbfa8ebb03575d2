import { spawn } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { followLogin } from '../../main/engine/monitor/logout-watch.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { isUnix } from '../support/modes.ts';

async function logind(): Promise<{ logindUsers: string; processes: string; say(state: string): Promise<void> }> {
  const logindUsers = temporaryDirectory('logind');
  return {
    logindUsers,
    processes: '/proc',
    say: (state) =>
      writeFile(join(logindUsers, '1000'), `# private\nNAME=ada\nSTATE=${state}\nRUNTIME=/run/user/1000\n`),
  };
}

test('where logind knows the user, its word ends the login, whatever lives on', async () => {
  for (const last of ['closing', 'lingering', 'offline']) {
    const places = await logind();
    await places.say('active');
    const ended = followLogin(1000, process.pid, places);
    expect(ended?.()).toBe(false);
    await places.say('online');
    expect(ended?.()).toBe(false);
    await places.say(last);
    expect(ended?.(), last).toBe(true);
    await rm(places.logindUsers, { recursive: true });
    expect(ended?.()).toBe(true);
  }
});

test.runIf(isUnix)('without logind, a login ends with the leader of its session', async () => {
  const places = await logind();
  const shell = spawn('sh', ['-c', 'read line'], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  const closed = new Promise((resolve) => shell.once('close', resolve));
  await new Promise((resolve) => shell.once('spawn', resolve));
  const ended = followLogin(1000, shell.pid, places);
  expect(ended?.()).toBe(false);
  shell.stdin.end();
  await closed;
  expect(ended?.()).toBe(true);
});

test('a pid given out anew is not the login before', async () => {
  const places = { ...(await logind()), processes: temporaryDirectory('proc') };
  const process = async (pid: number, name: string, state: string, start: number): Promise<void> => {
    await mkdir(join(places.processes, String(pid)), { recursive: true });
    const middle = Array.from({ length: 15 }, () => '0').join(' ');
    await writeFile(
      join(places.processes, String(pid), 'stat'),
      `${pid} (${name}) ${state} 1 7 7 ${middle} ${start} 0`,
    );
  };
  await process(9, 'a) S 1 (b', 'S', 100);
  await process(7, 'login', 'S', 50);
  const ended = followLogin(1000, 9, places);
  expect(ended?.()).toBe(false);
  await process(7, 'login', 'Z', 50);
  expect(ended?.()).toBe(true);
  await process(7, 'other', 'S', 60);
  expect(ended?.()).toBe(true);
});

test('where nothing tells, nobody guesses', async () => {
  expect(followLogin(1000, undefined, await logind())).toBeUndefined();
  expect(followLogin(1000, 2 ** 22 + 1, await logind())).toBeUndefined();
});
