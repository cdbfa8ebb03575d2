/** What `culvert agent run` says of a program that cannot be started in the sandbox's view. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hostedPrograms } from '../../main/sandbox/hosted-programs.ts';
import { requireCommand } from '../../main/sandbox/require-command.ts';
import { keepsModes } from '../support/modes.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

function place() {
  const directory = temporaryDirectory('command');
  const bin = join(directory, 'bin');
  mkdirSync(bin, { recursive: true });
  const put = (name: string, mode: number): string => {
    const path = join(bin, name);
    writeFileSync(path, '#!/bin/sh\n');
    chmodSync(path, mode);
    return path;
  };
  const view = {
    ...{ directory, environment: { PATH: `/nonexistent:${bin}` } },
    ...{ hiddenDirectories: [] as string[], hiddenFiles: [], shown: [] as string[] },
  };
  return { directory, bin, put, view };
}
const refusal = (command: string, says: string): object =>
  expect.objectContaining({
    code: 'sandbox.failed',
    message: expect.stringMatching(`^${command} cannot be started: .*${says}`) as string,
    details: expect.objectContaining({ command, next: expect.any(String) as string }) as object,
  }) as object;

describe.runIf(keepsModes)('a program that an agent is started with', () => {
  it('is found by its path, from the directory of the start, and on PATH', () => {
    const { put, view } = place();
    const path = put('tool', 0o755);
    for (const command of [path, 'bin/tool', './bin/tool', 'tool']) requireCommand(command, view);
  });

  it('is refused by name where there is none, or none that may be executed', () => {
    const { put, view, bin } = place();
    const plain = put('plain', 0o644);
    expect(() => requireCommand('/no/such/cmd', view)).toThrow(refusal('/no/such/cmd', 'no such file'));
    expect(() => requireCommand('no-such-cmd', view)).toThrow(refusal('no-such-cmd', 'PATH'));
    expect(() => requireCommand(plain, view)).toThrow(refusal(plain, 'may not be executed'));
    expect(() => requireCommand(bin, view)).toThrow(refusal(bin, 'may not be executed'));
  });

  it('is refused where the sandbox hides it', () => {
    const { put, view, bin } = place();
    const path = put('tool', 0o755);
    expect(() => requireCommand(path, { ...view, hiddenDirectories: [bin] })).toThrow(refusal(path, 'in its view'));
    requireCommand(path, { ...view, hiddenDirectories: [bin], shown: [path] });
  });
});

it.runIf(keepsModes)('a program that answers for a service is refused by name before the service is hosted', () => {
  const { directory, put, view } = place();
  const host = (command: string): unknown =>
    hostedPrograms({
      service: 'tools',
      sandbox: 'none',
      ownNetwork: false,
      limits: {},
      named: [],
      env: view.environment,
      stateDirectory: directory,
      machineDirectory: directory,
      command: [command],
    });
  expect(() => host('/no/such')).toThrow(refusal('/no/such', 'no such file'));
  host(put('tool', 0o755));
});
