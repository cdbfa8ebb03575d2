/** Parts that change routes, firewalls and interfaces run again in a network namespace of their own, with loopback alone. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openZitiBinary } from '../support/openziti-binary.ts';
import { inside } from '../system/support/inside.ts';

const mark = 'CULVERT_BENCH_INSIDE';

/** True in the process that {@link runInside} started. */
export const isInside = process.env[mark] === '1';

/** Run this very program again with `parts`, in a namespace of its own; throws where it fails. */
export async function runInside(parts: readonly string[]): Promise<void> {
  // Built here, where there is a network to fetch modules from, not inside.
  await openZitiBinary();
  const directory = await mkdtemp(join(tmpdir(), 'culvert-bench-network-'));
  try {
    const args = ['--net', '--mount', 'bash', '-c', inside, 'inside', directory];
    const child = spawn('unshare', [...args, process.execPath, ...process.argv.slice(1, 2), ...parts], {
      env: { ...process.env, [mark]: '1' },
      stdio: 'inherit',
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    if (code !== 0) throw new Error(`${parts.join(' ')} in a namespace: exit ${String(code)}`);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
