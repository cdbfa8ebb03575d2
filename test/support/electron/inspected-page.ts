/** The page of a packaged Electron, which takes no driver for its main process: expressions are evaluated in it by Chromium's own protocol. */
import { WebSocket } from 'ws';
import { until } from '../until.ts';

export interface InspectedPage extends Disposable {
  /** The value of an expression in the page; a promise's is awaited. */
  evaluate(expression: string): Promise<unknown>;
  /** Resolves once the page shows this text. */
  shows(text: string): Promise<void>;
  /** Press the button of this name. */
  press(name: string): Promise<void>;
}

interface Answer {
  readonly id?: number;
  readonly result?: { readonly result?: { readonly value?: unknown }; readonly exceptionDetails?: unknown };
}

/** @param port of `--remote-debugging-port`. */
export async function openInspectedPage(port: number): Promise<InspectedPage> {
  let url: string | undefined;
  await until(async () => {
    const list = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as {
      readonly type: string;
      readonly webSocketDebuggerUrl: string;
    }[];
    url = list.find(({ type }) => type === 'page')?.webSocketDebuggerUrl;
    return url !== undefined;
  }, 30_000);
  const socket = new WebSocket(url ?? '');
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const waiting = new Map<number, (answer: Answer) => void>();
  socket.on('message', (data: Buffer) => {
    const answer = JSON.parse(data.toString()) as Answer;
    if (answer.id !== undefined) waiting.get(answer.id)?.(answer);
  });
  let asked = 0;
  const evaluate = async (expression: string): Promise<unknown> => {
    asked += 1;
    const id = asked;
    const answered = new Promise<Answer>((resolve) => waiting.set(id, resolve));
    const params = { expression, awaitPromise: true, returnByValue: true };
    socket.send(JSON.stringify({ id, method: 'Runtime.evaluate', params }));
    const { result } = await answered;
    waiting.delete(id);
    if (result?.exceptionDetails !== undefined) throw new Error(JSON.stringify(result.exceptionDetails));
    return result?.result?.value;
  };
  return {
    evaluate,
    shows: (text) => until(async () => String(await evaluate('document.body?.innerText')).includes(text), 30_000),
    async press(name) {
      const button = `[...document.querySelectorAll('button')].find((one) => one.innerText.trim() === ${JSON.stringify(name)})`;
      await until(async () => (await evaluate(`${button} !== undefined`)) === true, 30_000);
      await evaluate(`${button}.click()`);
    },
    [Symbol.dispose]: () => socket.close(),
  };
}
