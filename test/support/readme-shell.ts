/** The README as somebody new reads it: its blocks, and a shell into which they are typed as they stand. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './until.ts';

/** Blocks of the section of `root`'s README whose heading holds these words. */
export function blocksUnder(root: string, heading: string): readonly string[] {
  const sections = readFileSync(join(root, 'README.md'), 'utf8').split(/^## /m);
  const section = sections.find((one) => one.split('\n')[0]?.includes(heading)) ?? '';
  return [...section.matchAll(/^```\n([\s\S]*?)^```/gm)].map(([, block = '']) => block);
}

/** One bash; what is started in it ends with it. */
export class TypedShell implements Disposable {
  readonly #shell: ChildProcess;
  #said = '';

  constructor(directory: string, env: NodeJS.ProcessEnv = process.env) {
    this.#shell = spawn('bash', ['-O', 'expand_aliases'], {
      cwd: directory,
      detached: true,
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    for (const stream of [this.#shell.stdout, this.#shell.stderr])
      stream?.on('data', (data: Buffer) => (this.#said += data.toString()));
  }

  /** Type a block, and wait until it is through and all that was said so far has this text; what the block said. */
  async type(block: string, awaited = '', timeoutMs = 40_000): Promise<string> {
    const before = this.#said.length;
    const mark = `done ${before} ${Math.round(performance.now())}`;
    this.#shell.stdin?.write(`${block}\necho "${mark}"\n`);
    try {
      await until(() => this.#said.includes(mark) && this.#said.includes(awaited), timeoutMs);
    } catch (error) {
      throw new Error(`${block}\n${this.#said.slice(before).slice(-2000)}`, { cause: error });
    }
    return this.#said.slice(before);
  }

  [Symbol.dispose](): void {
    if (this.#shell.pid !== undefined) process.kill(-this.#shell.pid, 'SIGTERM');
  }
}
