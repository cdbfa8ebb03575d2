/** The demo's agents that ask models: one small program, written under a path of its own for each, for it is by the program that an agent is known. */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { failed } from './stage.ts';

/** What an agent came back with. */
export interface ModelRun {
  readonly status: number;
  /** Why the answer ended, in the dialect's word. */
  readonly ended: string;
  /** What it was told: the answer, or the refusal. */
  readonly text: string;
  /** Who answered, as the endpoint says. */
  readonly service: string;
}

/** What one asks. */
export interface ModelQuestion {
  readonly path: '/v1/chat/completions' | '/v1/messages';
  readonly model: string;
  readonly words: number;
  readonly key: string;
}

const limitMs = 30_000;

const source = `
const [url, path, model, words, key] = process.argv.slice(2);
const answer = await fetch(url + path, {
  method: 'POST',
  headers: { 'content-type': 'application/json', authorization: 'Bearer ' + key },
  body: JSON.stringify({ model, stream: true, max_tokens: Number(words), messages: [{ role: 'user', content: 'What runs below the road?' }] }),
});
const told = await answer.text();
let [text, ended] = ['', ''];
if (answer.status !== 200) text = JSON.parse(told).error.message;
else for (const line of told.split('\\n').filter((one) => one.startsWith('data: {'))) {
  const event = JSON.parse(line.slice(6));
  text += event.choices?.[0]?.delta?.content ?? event.delta?.text ?? '';
  ended = event.choices?.[0]?.finish_reason ?? event.delta?.stop_reason ?? ended;
}
console.log(JSON.stringify({ status: answer.status, text, ended, service: answer.headers.get('x-culvert-service') ?? '' }));
`;

/** Put an agent's program at `path`. */
export async function writeModelAgent(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, source);
}

/** Run it once. Throws where the program itself fails. */
export async function askAs(
  program: string,
  url: string,
  asked: ModelQuestion,
  signal: AbortSignal,
): Promise<ModelRun> {
  const { path, model, words, key } = asked;
  const run = promisify(execFile);
  const options = { signal, timeout: limitMs, maxBuffer: 16 * 1024 * 1024 };
  try {
    const { stdout } = await run(process.execPath, [program, url, path, model, String(words), key], options);
    return JSON.parse(stdout) as ModelRun;
  } catch (error) {
    throw failed(`${program}: ${(error as Error).message}`, error);
  }
}
