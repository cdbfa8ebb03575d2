/** Who calls the engine: real processes, started from below programs that stand for agents. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, copyFileSync, chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { agentRules } from '../../main/apps/recognise.ts';
import type { NativeProcess } from 'node-tun';
import { windowsAncestry } from '../../main/apps/ancestry.windows.ts';
import { agentsAbove, callerAttribution, type CallerKind } from '../../main/apps/caller-attribution.ts';
import { requirePerson } from '../../main/engine/offline/authority.ts';
import { noteEngine, readLineage } from '../../main/engine/runtime/lineage-record.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const living: ChildProcess[] = [];
afterEach(() => {
  for (const child of living.splice(0)) child.kill('SIGKILL');
});

const rules = agentRules({ robot: { identity: 'robot', path: '**/robot' } });
const identify = <T>(app: T): Promise<T> => Promise.resolve(app);

/** A program of that name that starts `command` and says the child's pid; it lives until the test is over. */
function program(directory: string, name: string): string {
  const file = join(directory, name);
  mkdirSync(dirname(file), { recursive: true });
  copyFileSync('/bin/sh', file);
  chmodSync(file, 0o755);
  return file;
}

async function pidUnder(file: string): Promise<number> {
  const child = spawn(file, ['-c', 'sleep 600 & echo $!; wait'], { stdio: ['ignore', 'pipe', 'ignore'] });
  living.push(child);
  const line = await new Promise<string>((resolve) =>
    child.stdout.once('data', (data: Buffer) => resolve(data.toString())),
  );
  const pid = Number(line);
  living.push({ kill: () => process.kill(pid, 'SIGKILL') } as unknown as ChildProcess);
  return pid;
}

it.runIf(process.platform === 'linux')(
  'takes what an agent started for that agent, and the rest for the person',
  async () => {
    const directory = temporaryDirectory('callers');
    const attribution = callerAttribution({ rules: () => rules, within: new Set(), identify });
    const ours = await agentsAbove(process.pid, rules, identify);
    const asPerson = callerAttribution({ rules: () => rules, within: ours, identify });
    const plain = await pidUnder(program(directory, 'plain'));
    const robot = await pidUnder(program(directory, 'robot'));
    expect(await asPerson.of(plain)).toEqual({ kind: 'person' });
    expect(await asPerson.of(robot)).toEqual({ kind: 'agent', agent: 'robot' });
    expect(await attribution.of(robot)).toEqual({ kind: 'agent', agent: 'robot' });
  },
);

it.runIf(process.platform === 'linux')(
  'does not count ancestors shared with the engine, unless it was served from outside them',
  async () => {
    const directory = temporaryDirectory('callers');
    const robot = program(directory, 'robot');
    // The robot starts both: the "engine" and the caller beside it.
    const child = spawn(robot, ['-c', 'sleep 600 & echo $!; sleep 601 & echo $!; wait'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    living.push(child);
    let text = '';
    for await (const chunk of child.stdout) {
      text += String(chunk);
      if (text.trim().split('\n').length === 2) break;
    }
    const [enginePid = 0, caller = 0] = text.trim().split('\n').map(Number);
    for (const pid of [enginePid, caller])
      living.push({ kill: () => process.kill(pid, 'SIGKILL') } as unknown as ChildProcess);

    const above = await agentsAbove(enginePid, rules, identify);
    expect(above).toContain('agents.robot');
    const first = await noteEngine(directory, above, join(directory, 'culvert.yaml'));
    expect(await callerAttribution({ rules: () => rules, within: first, identify, enginePid }).of(caller)).toEqual({
      kind: 'person',
    });

    const served = temporaryDirectory('callers');
    await noteEngine(served, new Set(), join(served, 'culvert.yaml'));
    const later = await noteEngine(served, above, join(served, 'culvert.yaml'));
    expect(await callerAttribution({ rules: () => rules, within: later, identify, enginePid }).of(caller)).toEqual({
      kind: 'agent',
      agent: 'robot',
    });
  },
);

it('on Windows goes by living parents up to where a session begins, and takes an orphan for nobody’s', async () => {
  const program = (pid: number, parent: number, path: string): NativeProcess => ({
    pid,
    parent,
    start: String(1000 - pid),
    path,
  });
  const explorer = program(100, 90, 'C:\\WINDOWS\\Explorer.EXE');
  const shell = (parent: number) => program(300, parent, 'C:\\Windows\\System32\\cmd.exe');
  const node = program(400, 300, 'C:\\Program Files\\Culvert\\node\\node.exe');
  const callerOf = async (chain: readonly NativeProcess[] | Error): Promise<CallerKind> => {
    const processChain = (pid: number): readonly NativeProcess[] => {
      if (chain instanceof Error) throw chain;
      return pid === 400 ? chain : [];
    };
    const reader = windowsAncestry({ processChain }, 'C:\\Windows');
    return await callerAttribution({ rules: () => rules, within: new Set(), identify, reader, enginePid: 7 }).of(400);
  };
  expect(await callerOf([node, shell(100), explorer])).toEqual({ kind: 'person' });
  // A service of the system: its chain ends with the first process, which lets nobody look.
  expect(await callerOf([node, shell(4), { pid: 4, parent: 0 }])).toEqual({ kind: 'person' });
  const robot = program(200, 100, 'C:\\Users\\ann\\robot');
  expect(await callerOf([node, shell(200), robot, explorer])).toEqual({ kind: 'agent', agent: 'robot' });
  const orphan = [node, shell(200)];
  const impostor = [node, shell(100), program(100, 90, 'C:\\Users\\ann\\explorer.exe')];
  const elsewhere = [node, shell(100), program(100, 90, 'C:\\Windows\\Temp\\explorer.exe')];
  for (const chain of [orphan, impostor, elsewhere, [], new Error('it cannot look')]) {
    expect(await callerOf(chain)).toMatchObject({ kind: 'unknown' });
  }
});

it('knows nothing of a process that is gone, or that the system does not name', async () => {
  const attribution = callerAttribution({ rules: () => rules, within: new Set(), identify });
  expect(await attribution.of(undefined)).toMatchObject({ kind: 'unknown' });
  expect(await attribution.of(4_190_000)).toMatchObject({ kind: 'unknown' });
});

it('takes a record that cannot be read for one that exempts nobody', async () => {
  const directory = temporaryDirectory('callers');
  expect(await readLineage(directory)).toBeUndefined();
  writeFileSync(join(directory, 'lineage.json'), '{"version":');
  expect((await readLineage(directory))?.within).toEqual([]);
  expect(await noteEngine(directory, new Set(['known:x']), 'c')).toEqual(new Set());
  expect(JSON.parse(readFileSync(join(directory, 'lineage.json'), 'utf8'))).toMatchObject({ within: [] });
});

it.runIf(process.platform === 'linux')(
  'keeps an agent from a served state directory that has no engine running',
  async () => {
    const directory = temporaryDirectory('callers');
    const robot = await pidUnder(program(directory, 'robot'));
    const plain = await pidUnder(program(directory, 'plain'));
    const known = program(directory, 'known');
    appendFileSync(known, '\n');
    const hash = createHash('sha256').update(readFileSync(known)).digest('hex');
    const byHash = await pidUnder(known);
    const agents = `robot: { identity: robot, path: "**/robot" }, known: { identity: known, hash: "${hash}" }`;
    writeFileSync(join(directory, 'culvert.yaml'), `agents: { ${agents} }`);
    // Nothing was governed here yet.
    await requirePerson(directory, robot);
    await noteEngine(directory, await agentsAbove(process.pid, rules, identify), join(directory, 'culvert.yaml'));
    await requirePerson(directory, plain);
    for (const agent of [robot, byHash]) {
      await expect(requirePerson(directory, agent)).rejects.toMatchObject({ code: 'engine.not_permitted' });
    }
  },
);
