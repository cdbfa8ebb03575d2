/** The process's own terminal. */
import { write, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import { TunnelerError } from '../base/errors.ts';
import { SerialQueue } from '../base/serial-queue.ts';
import { LineSplitter } from '../api/lines.ts';
import type { Terminal } from './terminal.ts';

/** Standard input, output and error of this process. */
export const nodeTerminal: Terminal = {
  env: process.env,
  outIsTty: process.stdout.isTTY,
  errIsTty: process.stderr.isTTY,
  inIsTty: process.stdin.isTTY,
  get columns() {
    return process.stdout.columns ?? (Number(process.env['COLUMNS']) || 0);
  },
  out: (text) => writeAll(1, text),
  err: (text) => writeAll(2, text),
  payload,
  inputLines,
  async readInput() {
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString('utf8');
  },
  async ask(question) {
    if (!process.stdin.isTTY) return undefined;
    const { createInterface } = await import('node:readline/promises');
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    try {
      return await lines.question(question);
    } finally {
      lines.close();
    }
  },
  askSecret,
};

const maxInputLineBytes = 64 * 1024 * 1024;
/** A full pipe is looked at again so often. */
const fullPipeMs = 5;
const writeSome = promisify(write);
const payloads = new SerialQueue();

/** In a thread of Node's pool: a reader that is slow, or will never read again, does not hold up the rest. */
function payload(text: string): Promise<void> {
  return payloads.run(async () => {
    let bytes = Buffer.from(text);
    while (bytes.length > 0) {
      try {
        bytes = bytes.subarray((await writeSome(1, bytes)).bytesWritten);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
        await delay(fullPipeMs);
      }
    }
  });
}

async function* inputLines(signal: AbortSignal): AsyncGenerator<string> {
  const splitter = new LineSplitter(maxInputLineBytes);
  const input = process.stdin;
  const stop = (): void => void input.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const chunk of input) {
      for (const line of splitter.push(chunk as Buffer)) {
        if (line.kind === 'line') yield line.text;
        else writeAll(2, `culvert: a line of standard input is passed over: ${line.kind}\n`);
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Written at once, so that nothing is lost when the process exits next; a reader that went away (`| head`) is no failure. */
function writeAll(descriptor: number, text: string): void {
  let bytes = Buffer.from(text);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(descriptor, bytes));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE') process.exit(0);
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5); // a full pipe: wait for its reader
    }
  }
}

function askSecret(question: string): Promise<string> {
  const input = process.stdin;
  if (!input.isTTY) {
    throw new TunnelerError('identity.passphrase_missing', 'there is no terminal to ask for a passphrase on', {
      details: { next: 'give it as systemd credential culvert-passphrase, or with --passphrase-fd' },
    });
  }
  writeAll(2, question);
  return new Promise((resolve, reject) => {
    let typed = '';
    input.setRawMode(true);
    input.resume();
    const finish = (): void => {
      input.setRawMode(false);
      input.pause();
      input.removeListener('data', onData);
      writeAll(2, '\n');
    };
    const onData = (chunk: Buffer): void => {
      for (const letter of chunk.toString('utf8')) {
        if (letter === '\r' || letter === '\n') {
          finish();
          resolve(typed);
          return;
        }
        if (letter === '\u0003' || letter === '\u0004') {
          finish();
          reject(new TunnelerError('base.cancelled', 'cancelled'));
          return;
        }
        typed = letter === '\u007f' || letter === '\b' ? typed.slice(0, -1) : typed + letter;
      }
    };
    input.on('data', onData);
  });
}
