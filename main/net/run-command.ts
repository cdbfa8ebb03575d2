/** Running the system's own tools. Injected, so that platforms which cannot run here are tested by a recorder. */
import { spawn } from 'node:child_process';
import { systemTool } from '../files/system-tools.ts';

/** How a tool ended, and what it wrote. */
export interface CommandResult {
  /** Exit code; 127 where the program was not found, 124 where it was stopped for taking too long. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run `command` with its arguments as they are, no shell between. Never rejects: what went wrong is in the result. */
export type RunCommand = (
  command: string,
  args: readonly string[],
  options?: { readonly input?: string },
) => Promise<CommandResult>;

const timeoutMs = 15_000;
/** Output beyond this is cut off; no tool we ask says so much (a full routing table is some megabytes). */
const maxOutputBytes = 16 * 1024 * 1024;

/** Runs the tool without a shell, from where the system keeps it. Never rejects: a tool that is missing or late has a code too. */
export const runCommand: RunCommand = (command, args, options = {}) =>
  new Promise((resolve) => {
    const file = systemTool(command);
    if (file === undefined) {
      resolve({ code: 127, stdout: '', stderr: `${command} is no tool of this system` });
      return;
    }
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: timeoutMs, windowsHide: true });
    const out = collect(child.stdout);
    const err = collect(child.stderr);
    child.on('error', (error) => resolve({ code: 127, stdout: '', stderr: error.message }));
    child.on('close', (code) => resolve({ code: code ?? 124, stdout: out(), stderr: err() }));
    // A tool that does not read its input closes it early; its exit code tells the rest.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= maxOutputBytes) chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
