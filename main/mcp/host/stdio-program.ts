/** One MCP server on standard input and output: its messages both ways, and its end. */
import type { ChildProcess } from 'node:child_process';
import { StringDecoder } from 'node:string_decoder';
import { readMessages } from '../bridge/rpc.ts';
import type { Peer, PeerHandlers } from './peer-session.ts';

/** Which program, and who is told what it says. */
export interface ProgramDeps extends PeerHandlers {
  /** Starts it, its standard input and output on pipes, its standard error that of this process. */
  readonly start: () => ChildProcess;
  readonly complain: (text: string) => void;
}

/** Time for a program to end by itself once its input has, and then after a polite signal. */
const [politeMs, patientMs] = [1_000, 1_000];
const maxLineChars = 64 * 1024 * 1024;

/** The program at work; closed, it is asked to end and then made to. */
export class StdioProgram implements Peer {
  readonly #child: ChildProcess;
  #ended = false;

  constructor(deps: ProgramDeps) {
    this.#child = deps.start();
    const end = (why: string): void => {
      if (this.#ended) return;
      this.#ended = true;
      deps.onEnd(why);
    };
    this.#child.once('error', (error) => end(`the program cannot be started: ${error.message}`));
    this.#child.once('exit', (code, signal) => end(`the program has ended (${signal ?? `exit ${code ?? 0}`})`));
    // A program that reads no more says so by its end.
    this.#child.stdin?.on('error', () => undefined);
    this.#read(deps);
  }

  send(text: string): void {
    if (!this.#ended) this.#child.stdin?.write(`${text}\n`);
  }

  close(): void {
    if (this.#ended) return;
    this.#child.stdin?.end();
    const polite = setTimeout(() => this.#child.kill('SIGTERM'), politeMs);
    const firm = setTimeout(() => this.#child.kill('SIGKILL'), politeMs + patientMs);
    this.#child.once('exit', () => {
      clearTimeout(polite);
      clearTimeout(firm);
    });
  }

  #read(deps: ProgramDeps): void {
    const decoder = new StringDecoder('utf8');
    let rest: string[] = [];
    let restChars = 0;
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      const [first = '', ...more] = decoder.write(chunk).split('\n');
      rest.push(first);
      restChars += first.length;
      for (const part of more) {
        const line = rest.join('').trim();
        const messages = line === '' ? [] : readMessages(line);
        if (messages === undefined) deps.complain('a line of the program is no message');
        messages?.forEach(deps.onMessage);
        rest = [part];
        restChars = part.length;
      }
      if (restChars > maxLineChars) this.#child.kill('SIGKILL');
    });
  }
}
