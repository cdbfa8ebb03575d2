/** What Windows asks for where files and users are concerned, by its answers as they are; under Wine the same runs on its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isSuperuser } from '../../main/base/user-id.ts';
import {
  foreignOwner,
  guardDirectory,
  strangerAtProgram,
  type RightsReader,
} from '../../main/files/directory-rights.ts';
import { parseWhoami } from '../../main/files/own-user.ts';
import { systemTool } from '../../main/files/system-tools.ts';
import { whileHeld, whileHeldSync } from '../../main/files/while-held.ts';
import { writeAtomically, writeAtomicallySync } from '../../main/files/write-atomically.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const held = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });
/** Fails so often, then gives 'done'. */
const failing = (times: number, code = 'EPERM') => {
  let tries = 0;
  const act = (): string => {
    tries += 1;
    if (tries <= times) throw held(code);
    return 'done';
  };
  return { act, tries: () => tries };
};

describe('a file that somebody holds', () => {
  it.each(['EPERM', 'EACCES', 'EBUSY', 'ENOTEMPTY'])(
    'is tried again on Windows (%s), until it is let go',
    async (code) => {
      const waited = failing(3, code);
      expect(await whileHeld(async () => waited.act(), 'win32')).toBe('done');
      const blocked = failing(3, code);
      expect(whileHeldSync(blocked.act, 'win32')).toBe('done');
    },
  );

  it('counts as failed at once elsewhere, and for any other reason', async () => {
    const elsewhere = failing(1);
    await expect(whileHeld(async () => elsewhere.act(), 'linux')).rejects.toMatchObject({ code: 'EPERM' });
    expect(elsewhere.tries()).toBe(1);
    const full = failing(1, 'ENOSPC');
    expect(() => whileHeldSync(full.act, 'win32')).toThrow('ENOSPC');
    expect(full.tries()).toBe(1);
  });

  it('is given up in the end, with what the system said', () => {
    const forever = failing(1000, 'EBUSY');
    expect(() => whileHeldSync(forever.act, 'win32')).toThrow('EBUSY');
    expect(forever.tries()).toBeGreaterThan(4);
  });

  it('is replaced as soon as another process that reads it lets it go', async () => {
    const path = join(temporaryDirectory('held'), 'file');
    writeFileSync(path, 'old');
    // It holds the file for a quarter of a second from when it says so.
    const reader = spawn(process.execPath, ['-e', holdFor(250), path], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(reader.stdout, 'data');
    await writeAtomically(path, 'new');
    writeAtomicallySync(path, 'newest');
    expect(readFileSync(path, 'utf8')).toBe('newest');
    if (reader.exitCode === null) await once(reader, 'exit');
  });
});

/** A program that opens its argument, says so, and lets it go after so many milliseconds. */
function holdFor(ms: number): string {
  return `const fs = require('node:fs'); const fd = fs.openSync(process.argv[1], 'r'); fs.writeSync(1, 'held');
    setTimeout(() => fs.closeSync(fd), ${ms});`;
}

const ann = 'S-1-5-21-1-2-3-1001';
const bob = 'S-1-5-21-1-2-3-1002';
const system = 'S-1-5-18';
const administrators = 'S-1-5-32-544';
const users = 'S-1-5-32-545';
const full = 0x1f01ff;
const reading = 0x1200a9;

/** One directory's rights, and what they were set to. */
function directoryOf(owner: string, grants: readonly (readonly [sid: string, mask: number])[]) {
  const set: (readonly string[])[] = [];
  const rights: RightsReader = {
    fileRights: () => ({ owner, grants: grants.map(([sid, mask]) => ({ sid, mask })) }),
    restrictFile: (_path, sids) => void set.push(sids),
  };
  return { rights, set };
}

describe('a directory of Windows', () => {
  it('is left to its user and the machine where others get at it, and left alone where nobody does', () => {
    const inherited = directoryOf(administrators, [
      [system, full],
      [administrators, full],
      ['S-1-3-0', 0x1000_0000],
      [users, reading],
    ]);
    guardDirectory('C:\\ProgramData\\Culvert', ann, inherited.rights);
    expect(inherited.set).toEqual([[system, administrators, ann]]);
    const own = directoryOf(ann, [
      [system, full],
      [ann, full],
    ]);
    guardDirectory('C:\\Users\\ann\\x', ann, own.rights);
    expect(own.set).toEqual([]);
  });

  it('that another user made is refused, for that user could open it again', () => {
    const made = directoryOf(bob, [[bob, full]]);
    expect(() => guardDirectory('C:\\ProgramData\\Culvert', system, made.rights)).toThrow(bob);
    expect(() => guardDirectory('C:\\ProgramData\\Culvert', ann, made.rights)).toThrow(bob);
    expect(foreignOwner('C:\\x', bob, made.rights)).toBeUndefined();
    expect(made.set).toEqual([]);
  });

  it('is changed by those who may write, delete or give it away; who reads changes nothing', () => {
    const shared = directoryOf(system, [
      [users, reading],
      [bob, 0x4_0000],
      [administrators, full],
    ]);
    expect(strangerAtProgram('C:\\x', shared.rights)?.sid).toBe(bob);
  });

  it('holds programs that nobody may exchange, from the file to the root of the drive', () => {
    const program = 'C:\\Tools\\Culvert\\node.exe';
    const at = (places: Readonly<Record<string, number>>): RightsReader => ({
      fileRights: (path) => ({ owner: administrators, grants: [{ sid: users, mask: places[path] ?? reading }] }),
      restrictFile: () => undefined,
    });
    // Everybody may make directories in the root of a drive, which exchanges nothing.
    expect(strangerAtProgram(program, at({ 'C:\\': 0x4 }))).toBeUndefined();
    expect(strangerAtProgram(program, at({ 'C:\\Tools': 0x4 }))).toBeUndefined();
    expect(strangerAtProgram(program, at({ 'C:\\Tools\\Culvert': 0x4 }))).toEqual({
      sid: users,
      at: 'C:\\Tools\\Culvert',
    });
    expect(strangerAtProgram(program, at({ 'C:\\Tools': 0x1_0000 }))?.at).toBe('C:\\Tools');
    expect(strangerAtProgram(program, at({ [program]: 0x2 }))?.at).toBe(program);
  });
});

describe('users', () => {
  it('that may do everything are root, SYSTEM and the administrators', () => {
    expect([0, system, administrators].every(isSuperuser)).toBe(true);
    expect([1000, ann, undefined].some(isSuperuser)).toBe(false);
  });

  it('of Windows are read off what whoami prints', () => {
    expect(parseWhoami(`"machine\\ann","${ann}"\r\n`)).toBe(ann);
    expect(parseWhoami('machine\\ann\r\n')).toBeUndefined();
    expect(parseWhoami(null)).toBeUndefined();
  });
});

describe('the system’s tools', () => {
  it('of Windows are run from its own directory, wherever that is, and nothing is looked for anywhere else', () => {
    const tool = (name: string) => systemTool(name, 'win32', () => 'D:\\WINNT\\System32');
    expect(tool('netsh.exe')).toBe('D:\\WINNT\\System32\\netsh.exe');
    expect(tool('powershell.exe')).toBe('D:\\WINNT\\System32\\WindowsPowerShell\\v1.0\\powershell.exe');
    expect(tool('C:\\Program Files\\Culvert\\node\\node.exe')).toBe('C:\\Program Files\\Culvert\\node\\node.exe');
    for (const elsewhere of ['evil.exe', '.\\netsh.exe', 'netsh', 'C:netsh.exe', '\\\\netsh.exe'.slice(1)])
      expect(tool(elsewhere)).toBeUndefined();
  });

  it('of macOS are run by their own paths, for sudo leaves the PATH as its user has it', () => {
    expect(systemTool('route', 'darwin')).toBe('/sbin/route');
    expect(systemTool('/bin/ps', 'darwin')).toBe('/bin/ps');
    for (const elsewhere of ['evil', './route', 'bin/ps']) expect(systemTool(elsewhere, 'darwin')).toBeUndefined();
    // Linux keeps them elsewhere from one distribution to the next.
    expect(systemTool('ip', 'linux')).toBe('ip');
  });

  it('are started by nobody who looks them up', () => {
    const main = new URL('../../main/', import.meta.url);
    const names =
      /(?:spawn|spawnSync|execFile|execFileSync|run)\(\s*'(?:netsh|netstat|powershell|schtasks|whoami|icacls|rundll32|cmd|reg|launchctl|route|ifconfig|killall)/;
    const byThemselves = readdirSync(main, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .filter((name) => {
        const text = readFileSync(new URL(name.replaceAll('\\', '/'), main), 'utf8');
        return text.includes("'node:child_process'") && names.test(text);
      });
    expect(byThemselves).toEqual([]);
  });
});
