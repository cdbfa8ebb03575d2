/** Services of models: the provider's key is put in where the service is hosted, and agents are held to models, paths and token budgets. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AuditRecordView } from '../../main/api/record-views.ts';
import type { SecretView } from '../../main/api/views.ts';
import { GovernedWorld, type Answer } from '../support/governed-world.ts';
import { answerTokens, openLlmServer, type LlmServer } from '../support/llm-server.ts';
import { describeGoverned } from '../support/networks.ts';
import { selfSigned } from '../support/self-signed.ts';

const perAnswer = answerTokens.input + answerTokens.output;
const keys = { openai: 'sk-openai-9f2c41', anthropic: 'sk-ant-77aa03' };
const providerName = 'api.provider.example';

describeGoverned('language models behind the dark', (network) => {
  let world: GovernedWorld;
  let plain: LlmServer;
  let secure: LlmServer;
  let [writer, reader] = ['', ''];

  beforeAll(async () => {
    const certificate = await selfSigned(providerName);
    plain = await openLlmServer();
    secure = await openLlmServer(certificate);
    const target = plain.port;
    const rules = {
      methods: ['POST'],
      paths: ['/v1/**'],
      models: ['small-*'],
      tokenBudget: { tokens: 3 * perAnswer, perSeconds: 600 },
    };
    world = await GovernedWorld.open(network(), {
      identities: ['scribe', 'student'],
      services: {
        vouched: { target, dial: ['scribe', 'student'] },
        lenient: { target, dial: ['scribe', 'student'] },
        provider: { target: secure.port, dial: ['scribe', 'student'] },
        unkeyed: { target, dial: ['scribe'] },
        lost: { target, dial: ['scribe'] },
        'chat-json': { target, dial: ['scribe', 'student'], contract: { http: rules } },
        'chat-events': { target, dial: ['scribe', 'student'], contract: { http: rules } },
      },
      config: (home) =>
        `agents:\n  writer: { identity: scribe, path: '${home}/bin/writer' }\n` +
        `  reader: { identity: student, path: '${home}/bin/reader' }\n`,
      hostConfig: (home) =>
        JSON.stringify({
          hosting: {
            keys: [
              { service: 'vouched', callers: GovernedWorld.controllerName('scribe', home), secret: 'openai' },
              {
                service: 'lenient',
                callers: GovernedWorld.controllerName('scribe', home),
                secret: 'openai',
                unasserted: 'accept',
              },
              {
                service: 'provider',
                callers: '*',
                secret: 'anthropic',
                header: 'X-Api-Key',
                provider: { serverName: providerName, ca: join(home, 'provider.pem') },
              },
              { service: 'lost', callers: '*', secret: 'never-set' },
            ],
          },
        }),
      hostFiles: { 'provider.pem': certificate.cert },
      secrets: keys,
    });
    writer = (await world.program('writer')).path;
    reader = (await world.program('reader')).path;
  }, 240_000);

  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    await plain?.[Symbol.asyncDispose]();
    await secure?.[Symbol.asyncDispose]();
  }, 60_000);

  const post = (program: string, service: string, path: string, body: object, ...more: string[]): Promise<Answer> =>
    world.ask(program, service, path, ['-H', 'content-type: application/json', '-d', JSON.stringify(body), ...more]);
  const chat = { model: 'small-1', messages: [] };
  const ownKeys = ['-H', 'Authorization: Bearer of-my-own', '-H', 'x-api-key: of-my-own'];
  const hosted = (...filters: string[]): Promise<AuditRecordView[]> =>
    world.json<AuditRecordView[]>(['audit', 'search', ...filters], world.boxState);

  describe('keys', () => {
    test('stand in the requests of the identity they are bound to, and its own never arrive', async () => {
      const answer = await post(writer, 'lenient', 'v1/chat/completions', chat, ...ownKeys);
      expect(answer).toMatchObject({ status: 200 });
      expect(plain.asked.at(-1)).toMatchObject({ keys: { authorization: `Bearer ${keys.openai}` }, model: 'small-1' });
      expect(plain.asked.at(-1)?.keys).not.toHaveProperty('x-api-key');
    });

    test('are not lent to another identity', async () => {
      const before = plain.asked.length;
      const answer = await post(reader, 'lenient', 'v1/chat/completions', chat, ...ownKeys);
      expect(answer).toMatchObject({ status: 403 });
      expect(answer.body).toContain('has no key');
      expect(plain.asked).toHaveLength(before);
      const [denied] = await hosted('--kind', 'call', '--decision', 'deny');
      expect(denied).toMatchObject({ service: 'lenient', rule: 'hosting:key openai', tool: '/v1/chat/completions' });
      expect(denied?.['caller']).toMatch(/^student-/);
    });

    test('follow a name only where a router vouches for it, unless told otherwise', async () => {
      const answer = await post(writer, 'vouched', 'v1/chat/completions', chat);
      const [verdict] = await hosted('--kind', 'verdict', '--service', 'vouched');
      expect(answer.status).toBe(verdict?.['callerAsserted'] === 'router' ? 200 : 403);
      if (answer.status === 403) expect(answer.body).toContain('no router vouches');
    });

    test('go to a provider by TLS, under its own name', async () => {
      const answer = await post(reader, 'provider', 'v1/messages', chat, ...ownKeys);
      expect(answer).toMatchObject({ status: 200 });
      expect(secure.asked.at(-1)).toMatchObject({ host: providerName, keys: { 'x-api-key': keys.anthropic } });
      expect(secure.asked.at(-1)?.keys).not.toHaveProperty('authorization');
    });

    test('are no business of a service without a rule; one whose key is missing is refused', async () => {
      expect(await post(writer, 'unkeyed', 'v1/chat/completions', chat, ...ownKeys)).toMatchObject({ status: 200 });
      expect(plain.asked.at(-1)?.keys).toEqual({ authorization: 'Bearer of-my-own', 'x-api-key': 'of-my-own' });
      const before = plain.asked.length;
      expect(await post(writer, 'lost', 'v1/chat/completions', chat)).toMatchObject({ status: 502 });
      expect(plain.asked).toHaveLength(before);
      const [verdict] = await hosted('--kind', 'verdict', '--service', 'lost');
      expect(verdict).toMatchObject({ decision: 'deny', code: 'identity.secret_unknown' });
    });

    test('are changed without a restart', async () => {
      await world.keep('openai', 'sk-second');
      await post(writer, 'lenient', 'v1/chat/completions', chat);
      expect(plain.asked.at(-1)?.keys).toEqual({ authorization: 'Bearer sk-second' });
      await world.keep('openai', keys.openai);
    });

    test('are listed by name, and lie nowhere in plain', async () => {
      const listed = await world.json<SecretView[]>(['secret', 'list'], world.boxState);
      expect(listed.map(({ name, keystore }) => [name, keystore])).toEqual([
        ['anthropic', 'file'],
        ['openai', 'file'],
      ]);
      const [used] = await hosted('--kind', 'call', '--service', 'lenient', '--decision', 'allow');
      expect(used).toMatchObject({ rule: 'hosting:key openai', failed: false });
      const files = await readdir(world.boxState, { recursive: true, withFileTypes: true });
      const texts = await Promise.all(
        files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name), 'latin1')),
      );
      const everything = [...texts, world.hostOutput()].join('\n');
      expect(everything).toContain('hosting:key openai');
      for (const value of Object.values(keys)) expect(everything).not.toContain(value);
    });
  });

  describe.each([
    ['chat-json', 'v1/chat/completions', false],
    ['chat-events', 'v1/messages', true],
  ])('%s', (service, path, stream) => {
    const ask = { ...chat, stream };

    test('models, methods and paths that the contract does not name are refused before the provider', async () => {
      const before = plain.asked.length;
      const large = await post(writer, service, path, { ...ask, model: 'large-1' });
      expect(large).toMatchObject({ status: 404 });
      expect(large.body).toContain('large-1 is not among the models allowed');
      expect(await post(writer, service, 'v2/other', ask)).toMatchObject({ status: 403 });
      expect(await world.ask(writer, service, path)).toMatchObject({ status: 405 });
      expect(plain.asked).toHaveLength(before);
    });

    test('tokens are counted, and a spent budget ends for its agent alone', async () => {
      for (let turn = 0; turn < 3; turn += 1) {
        expect(await post(writer, service, path, ask)).toMatchObject({ status: 200 });
      }
      const [call] = await world.records('call', '--service', service, '--decision', 'allow');
      expect(call).toMatchObject({
        agent: 'writer',
        model: 'small-1',
        tokensIn: answerTokens.input,
        tokensOut: answerTokens.output,
      });
      const spent = await post(writer, service, path, ask);
      expect(spent).toMatchObject({ status: 429 });
      expect(spent.body).toContain(`the budget of ${3 * perAnswer} tokens`);
      const [denied] = await world.records('call', '--service', service, '--decision', 'deny');
      expect(denied).toMatchObject({ agent: 'writer', rule: 'contract:http.tokenBudget', model: 'small-1' });
      // Another agent has a budget of its own.
      expect(await post(reader, service, path, ask)).toMatchObject({ status: 200 });
    });
  });
});
