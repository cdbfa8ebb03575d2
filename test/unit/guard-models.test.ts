/** Services of models: every dialect's names, figures, refusals and ends. */
import { describe, expect, it } from 'vitest';
import { parseEngagement } from '../../main/base/engagement.ts';
import { createGuard } from '../../main/guard/create-guard.ts';
import type { GuardContext } from '../../main/guard/guard.ts';
import { AwsMessages, encodeAwsEvent } from '../../main/guard/http/aws-event-stream.ts';
import type { ModelKeys } from '../../main/guard/http/model-key.ts';
import { answerLimit, modelInPath, modelsInBody } from '../../main/guard/http/models.ts';
import { TokenEstimate, tokensOf } from '../../main/guard/http/token-estimate.ts';
import { answer, chunked, context, dechunk, GuardDriver, post } from '../support/guard-driver.ts';

const drive = (http: unknown, more: Partial<GuardContext> = {}): GuardDriver => {
  const guard = createGuard(parseEngagement({ http }, 'test'), context(more));
  if (guard === undefined) throw new Error('no guard');
  return new GuardDriver(guard);
};
const ask = (path: string, body: unknown): string => post(JSON.stringify(body)).replace('/mcp', path);
const budget = { tokenBudget: { tokens: 100_000, perSeconds: 60 } };
const bodyOf = (http: string): unknown => JSON.parse(http.slice(http.indexOf('\r\n\r\n') + 4));
const json = (value: unknown, headers: Readonly<Record<string, string>> = {}): string =>
  answer(JSON.stringify(value), headers);
const events = (...values: readonly unknown[]): string =>
  chunked(values.map((value) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`));
const lines = (...values: readonly unknown[]): string =>
  chunked(
    values.map((value) => `${JSON.stringify(value)}\n`),
    'application/x-ndjson',
  );
const aws = (...messages: readonly (readonly [string, unknown])[]): Uint8Array => {
  const parts = messages.map(([type, payload]) => encodeAwsEvent(type, payload));
  const framed = parts.flatMap((part) => [Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]);
  const head =
    'HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\nTransfer-Encoding: chunked\r\n\r\n';
  return Buffer.concat([Buffer.from(head), ...framed, Buffer.from('0\r\n\r\n')]);
};

describe('tokens', () => {
  const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64');

  it.each<[string, string, string | Uint8Array, number, number]>([
    [
      'Gemini, thoughts and tools',
      '/v1beta/models/gemini-2:generateContent',
      json({
        usageMetadata: {
          promptTokenCount: 100,
          candidatesTokenCount: 40,
          thoughtsTokenCount: 25,
          toolUsePromptTokenCount: 7,
          totalTokenCount: 172,
        },
      }),
      107,
      65,
    ],
    [
      'Gemini, an array of chunks',
      '/v1beta/models/gemini-2:streamGenerateContent',
      answer(
        '[{"candidates":[]},\n{"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":40,"totalTokenCount":165}}]',
      ),
      100,
      65,
    ],
    [
      'Gemini, events',
      '/v1beta/models/gemini-2:streamGenerateContent',
      events(
        { usageMetadata: { promptTokenCount: 100, totalTokenCount: 100 } },
        {
          usageMetadata: {
            promptTokenCount: 100,
            candidatesTokenCount: 40,
            thoughtsTokenCount: 25,
            totalTokenCount: 165,
          },
        },
      ),
      100,
      65,
    ],
    ['Ollama', '/api/chat', json({ done: true, prompt_eval_count: 100, eval_count: 40 }), 100, 40],
    [
      'Ollama, lines',
      '/api/generate',
      lines({ response: 'a', done: false }, { response: '', done: true, prompt_eval_count: 100, eval_count: 40 }),
      100,
      40,
    ],
    ['Ollama, embeddings', '/api/embed', json({ embeddings: [[1, 2]], prompt_eval_count: 9 }), 9, 0],
    [
      'Bedrock Converse',
      '/model/amazon.nova-v1:0/converse',
      json({ usage: { inputTokens: 100, outputTokens: 40, totalTokens: 140 } }),
      100,
      40,
    ],
    [
      'Bedrock Converse, its event stream',
      '/model/amazon.nova-v1:0/converse-stream',
      aws(
        ['contentBlockDelta', { delta: { text: 'a' } }],
        ['metadata', { usage: { inputTokens: 100, outputTokens: 40, totalTokens: 140 } }],
      ),
      100,
      40,
    ],
    [
      'Bedrock invoke, its event stream',
      '/model/anthropic.claude-v1/invoke-with-response-stream',
      aws(
        [
          'chunk',
          { bytes: base64({ type: 'message_start', message: { usage: { input_tokens: 100, output_tokens: 1 } } }) },
        ],
        [
          'chunk',
          {
            bytes: base64({
              type: 'message_stop',
              'amazon-bedrock-invocationMetrics': { inputTokenCount: 100, outputTokenCount: 40 },
            }),
          },
        ],
      ),
      100,
      40,
    ],
    [
      'Bedrock invoke, in the head',
      '/model/x/invoke',
      json({ text: 'a' }, { 'X-Amzn-Bedrock-Input-Token-Count': '100', 'X-Amzn-Bedrock-Output-Token-Count': '40' }),
      100,
      40,
    ],
    [
      'Cohere',
      '/v2/chat',
      json({
        usage: {
          billed_units: { input_tokens: 90, output_tokens: 40 },
          tokens: { input_tokens: 100, output_tokens: 40 },
        },
      }),
      100,
      40,
    ],
    [
      'Cohere, events',
      '/v2/chat',
      events({ type: 'message-end', delta: { usage: { tokens: { input_tokens: 100, output_tokens: 40 } } } }),
      100,
      40,
    ],
    [
      'OpenAI, cached and reasoning',
      '/v1/chat/completions',
      json({
        usage: {
          prompt_tokens: 100,
          completion_tokens: 65,
          total_tokens: 165,
          prompt_tokens_details: { cached_tokens: 60 },
          completion_tokens_details: { reasoning_tokens: 25 },
        },
      }),
      100,
      65,
    ],
    [
      'a total that tells of more',
      '/v1/chat/completions',
      json({ usage: { prompt_tokens: 100, completion_tokens: 40, total_tokens: 165 } }),
      100,
      65,
    ],
    [
      'Anthropic, cached',
      '/v1/messages',
      json({
        usage: { input_tokens: 10, cache_creation_input_tokens: 30, cache_read_input_tokens: 60, output_tokens: 40 },
      }),
      100,
      40,
    ],
    [
      'Responses, events',
      '/v1/responses',
      events({
        type: 'response.completed',
        response: { usage: { input_tokens: 100, output_tokens: 40, total_tokens: 140 } },
      }),
      100,
      40,
    ],
  ])('of %s are booked as told', (_name, path, reply, input, output) => {
    const driver = drive(budget);
    driver.app(ask(path, { model: 'm', messages: [] })).service(reply);
    expect(driver.outcome.calls).toMatchObject([{ tokens: { input, output } }]);
    expect(
      driver.outcome.toApp.equals(Buffer.from(reply as string, typeof reply === 'string' ? 'latin1' : undefined)) ||
        dechunk(driver.outcome.toApp.toString('latin1')) !== '',
    ).toBe(true);
  });

  it('cost nothing where they are only counted', () => {
    const driver = drive({ tokenBudget: { tokens: 10, perSeconds: 60 } });
    driver
      .app(ask('/v1/messages/count_tokens', { model: 'm', messages: ['x'.repeat(400)] }))
      .service(json({ input_tokens: 9_000 }));
    driver.app(ask('/v1/messages', { model: 'm' }));
    expect(driver.outcome.calls[0]).not.toHaveProperty('tokens');
    expect(driver.takeService()).toContain('POST /v1/messages HTTP');
  });

  it('of a batch are charged before its answer, and those of a file not at all', () => {
    const shared = context();
    const terms = { tokenBudget: { tokens: 1_000, perSeconds: 60 } };
    const requests = Array.from({ length: 3 }, () => ({ params: { model: 'm', max_tokens: 400, messages: [] } }));
    const first = drive(terms, shared)
      .app(ask('/v1/messages/batches', { requests }))
      .service(json({ id: 'batch' }));
    const next = drive(terms, shared);
    next.app(ask('/v1/messages', { model: 'm' }));
    expect(next.takeApp()).toContain('HTTP/1.1 429 ');
    expect(first.outcome.calls).toMatchObject([{ tokens: { output: 1_200 } }]);
    const file = drive(terms);
    file.app(ask('/v1/batches', { input_file_id: 'file-1', endpoint: '/v1/chat/completions' }));
    expect(file.takeService()).toBe('');
    expect(file.outcome.calls).toMatchObject([{ decision: 'deny', rule: 'guard:http.batch' }]);
  });
});

describe('tokens of a body with requests', () => {
  const told = json({ usage: { input_tokens: 900, output_tokens: 300 } });

  it.each(['messages', 'contents', 'input', 'prompt'])('are those told where %s asks beside them', (name) => {
    const shared = context();
    const driver = drive(budget, shared);
    driver.app(ask('/v1/messages', { model: 'm', [name]: [], requests: [] })).service(told);
    expect(driver.outcome.calls).toMatchObject([{ tokens: { input: 900, output: 300 } }]);
    expect(shared.ledger.used('laptop|claude|docs|http.tokens', 60_000, 1_000)).toBe(1_200);
    expect(answerLimit({ [name]: [], requests: [] })).toBe(1_024);
  });

  it('are the larger of what was set aside and what is told, kind by kind', () => {
    const shared = context();
    const driver = drive(budget, shared);
    driver.app(ask('/embed', { requests: [{ params: { model: 'm', max_tokens: 400 } }] })).service(told);
    expect(driver.outcome.calls).toMatchObject([{ tokens: { input: 900, output: 400 } }]);
    expect(shared.ledger.used('laptop|claude|docs|http.tokens', 60_000, 1_000)).toBe(1_300);
  });

  it.each([
    ['there are none', { model: 'm', requests: [] }],
    ['a question stands beside some', { model: 'm', messages: [], requests: [{ params: { model: 'm' } }] }],
  ])('are not counted where %s: that is refused', (_name, body) => {
    const driver = drive(budget);
    driver.app(ask('/v1/messages/batches', body));
    expect(driver.takeService()).toBe('');
    expect(driver.takeApp()).toContain('HTTP/1.1 400 ');
    expect(driver.outcome.calls).toMatchObject([{ decision: 'deny', rule: 'guard:http.batch' }]);
    const listed = drive({ models: ['m'] });
    listed.app(ask('/v1/messages/batches', body));
    expect(listed.takeService()).not.toBe('');
  });
});

describe('tokens of an answer that is cut off', () => {
  const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64');
  const start = { type: 'message_start', message: { usage: { input_tokens: 100, output_tokens: 1 } } };
  const piece = (text: string): unknown => ({ type: 'content_block_delta', index: 0, delta: { text } });
  const end = { type: 'message_delta', delta: {}, usage: { output_tokens: 7 } };
  const charged = (reply: string | Uint8Array, body: object = {}): unknown => {
    const shared = context();
    const driver = drive(budget, shared);
    driver.app(ask('/v1/messages', { model: 'm', ...body })).service(reply);
    const [call] = driver.end().calls;
    const used = shared.ledger.used('laptop|claude|docs|http.tokens', 60_000, 1_000);
    expect(used).toBe((call?.tokens?.input ?? 0) + (call?.tokens?.output ?? 0));
    return call?.tokens;
  };
  const cut = (text: string): string => text.replace(/0\r\n\r\n$/, '');

  it('are no fewer than its events, its text and what it told', () => {
    const words = Array.from({ length: 30 }, () => piece('w'));
    expect(charged(cut(events(start, ...words)))).toEqual({ input: 100, output: 30 });
    expect(charged(cut(events(start, piece('x'.repeat(400)))))).toEqual({ input: 100, output: 100 });
    expect(charged(cut(events(start, piece('w'), end)))).toEqual({ input: 100, output: 7 });
  });

  it('are counted in an invoke stream of Bedrock too', () => {
    const chunk = (value: unknown): readonly [string, unknown] => ['chunk', { bytes: base64(value) }];
    const whole = aws(chunk(start), ...Array.from({ length: 30 }, () => chunk(piece('w'))));
    expect(charged(whole.subarray(0, -5))).toEqual({ input: 100, output: 30 });
  });

  it('are those told where it is complete', () => {
    expect(charged(events(start, piece('x'.repeat(400)), end))).toEqual({ input: 100, output: 7 });
  });

  it('are at least what was set aside where only its end would tell', () => {
    const whole = json({ content: [{ text: 'x'.repeat(40) }], usage: { input_tokens: 100, output_tokens: 10 } });
    expect(charged(whole.slice(0, -20), { max_tokens: 500 })).toMatchObject({ output: 500 });
    expect(charged(whole, { max_tokens: 500 })).toEqual({ input: 100, output: 10 });
  });
});

describe('tokens of an answer that the end of its connection ends', () => {
  const untilClose = (text: string, type = 'text/event-stream'): string =>
    `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\n\r\n${text}`;
  const data = (...values: readonly unknown[]): string =>
    values.map((value) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`).join('');
  const charged = (path: string, reply: string): unknown => {
    const driver = drive(budget);
    driver.app(ask(path, { model: 'm', max_tokens: 500 })).service(reply);
    return driver.end().calls[0]?.tokens;
  };
  const words = (piece: unknown): readonly unknown[] => Array.from({ length: 30 }, () => piece);
  const anthropic = [
    { type: 'message_start', message: { usage: { input_tokens: 100, output_tokens: 1 } } },
    ...words({ type: 'content_block_delta', index: 0, delta: { text: 'w' } }),
  ];
  const gemini = (more: object): unknown => ({
    candidates: [{ content: { parts: [{ text: 'word' }] }, ...more }],
    usageMetadata: { promptTokenCount: 100, candidatesTokenCount: 7 },
  });
  const ollama = { model: 'm', message: { content: 'word' }, done: false };
  const last = { type: 'message_delta', delta: {}, usage: { output_tokens: 7 } };

  it.each<[string, string, string, number]>([
    ['Anthropic, cut', '/v1/messages', untilClose(data(...anthropic)), 30],
    ['Anthropic', '/v1/messages', untilClose(data(...anthropic, last, { type: 'message_stop' })), 7],
    ['Gemini, cut', '/v1beta/models/g:streamGenerateContent', untilClose(data(...words(gemini({})))), 30],
    [
      'Gemini',
      '/v1beta/models/g:streamGenerateContent',
      untilClose(data(...words(gemini({})), gemini({ finishReason: 'STOP' }))),
      7,
    ],
    [
      'Ollama, cut',
      '/api/chat',
      untilClose(
        words(ollama)
          .map((line) => `${JSON.stringify(line)}\n`)
          .join(''),
        'application/x-ndjson',
      ),
      30,
    ],
    [
      'OpenAI',
      '/v1/chat/completions',
      untilClose(
        data(
          ...words({ choices: [{ delta: { content: 'word' } }] }),
          { choices: [], usage: { prompt_tokens: 100, completion_tokens: 7 } },
          '[DONE]',
        ),
      ),
      7,
    ],
    [
      'a document',
      '/v1/messages',
      untilClose('{"usage":{"input_tokens":100,"output_tokens":7}}', 'application/json'),
      7,
    ],
    // What was set aside, for only its end would tell.
    ['a document, cut', '/v1/messages', untilClose('{"usage":{"input_tokens":100,"out', 'application/json'), 500],
  ])('are those of all that passed, unless the answer says that it is whole: %s', (_name, path, reply, output) => {
    expect(charged(path, reply)).toMatchObject({ output });
  });
});

describe('what a batch may use', () => {
  it('is what each item says, wherever it stands in it', () => {
    const requests = [
      { params: { max_tokens: 400 } },
      { request: { generationConfig: { maxOutputTokens: 300, candidateCount: 2 } } },
      { body: { max_completion_tokens: 200 } },
      { max_tokens: 100 },
      { params: {}, max_tokens: 50 },
    ];
    expect(answerLimit({ requests })).toBe(400 + 600 + 200 + 100 + 50);
    expect(answerLimit({ requests: [{ params: {} }, {}] })).toBe(2 * 1_024);
  });

  const path = '/v1beta/models/g:batchGenerateContent';
  const item = { request: { contents: [], generationConfig: { maxOutputTokens: 400 } } };

  it.each([
    ['input_config', { batch: { input_config: { requests: { requests: [item, item] } } } }],
    ['inputConfig', { batch: { inputConfig: { requests: { requests: [item, item] } } } }],
  ])('is set aside for a batch of Gemini, and charged before its answer: %s', (_name, body) => {
    const driver = drive(budget);
    driver.app(ask(path, body)).service(json({ name: 'batches/1' }));
    expect(driver.outcome.calls).toMatchObject([{ model: 'g', tokens: { output: 800 } }]);
  });

  it.each([
    ['stands in a file', { batch: { inputConfig: { fileName: 'files/1' } } }],
    ['stands in a bucket', { inputConfig: { gcsSource: { uris: ['x'] } } }],
    ['stands in two spellings', { batch: { inputConfig: { requests: [item] }, input_config: { requests: [item] } } }],
    ['cannot be found', { batch: { displayName: 'x' } }],
    ['has nothing in it', { batch: { inputConfig: { requests: { requests: [] } } } }],
  ])('cannot be told of one of Gemini that %s: that is refused', (_name, body) => {
    const driver = drive(budget);
    driver.app(ask(path, body));
    expect(driver.takeService()).toBe('');
    expect(driver.outcome.calls).toMatchObject([{ decision: 'deny', rule: 'guard:http.batch' }]);
  });
});

describe('the estimate of a text', () => {
  it('counts a sign of a script without an alphabet as one token, and adds up however a text is cut', () => {
    const text = 'Ein Bach läuft unter der Straße. 道路の下を水が流れる。🚰';
    const whole = new TokenEstimate();
    whole.push(Buffer.from(text));
    const cut = new TokenEstimate();
    for (const byte of Buffer.from(text)) cut.push(Uint8Array.of(byte));
    expect([whole.tokens, cut.tokens]).toEqual([Math.ceil(tokensOf(text)), Math.ceil(tokensOf(text))]);
  });

  // Counted by js-tiktoken 1.0.21, o200k_base.
  it.each([
    ['A culvert carries a stream under a road, unseen. Access is decided for each session, at that moment.', 23],
    ['Ein Durchlass führt einen Bach ungesehen unter der Straße hindurch.', 14],
    ['Водопропускная труба незаметно проводит ручей под дорогой.', 19],
    ['Ένας οχετός περνά ένα ρυάκι κάτω από τον δρόμο, αθέατος.', 23],
    ['يحمل المجرى المائي جدولا تحت الطريق دون أن يراه أحد.', 17],
    ['涵洞在道路下面悄悄地引导溪流。每次会话的访问权限都在那一刻决定，每个决定都有人能读懂的理由。', 39],
    [
      '暗渠は道路の下を人知れず水を流す。アクセスは会話ごとにその瞬間に決められ、すべての決定には人が読める理由がある。',
      48,
    ],
    ['암거는 길 아래로 보이지 않게 물을 흘려보낸다.', 19],
    ['ท่อลอดนำลำธารไหลผ่านใต้ถนนโดยไม่มีใครเห็น', 20],
    ['पुलिया सड़क के नीचे से नदी को अनदेखे ले जाती है।', 16],
    ['🚰🌊🛣️🔒🧰🚧👩‍🔧🎉', 22],
    ['3.14159265358979323846264338327950288419716939937510582097494459', 23],
    ['{"id":"chatcmpl-1","usage":{"prompt_tokens":12,"completion_tokens":3}}', 21],
  ])('is no less than a tokenizer has, and no more than three times that: %s', (text, counted) => {
    expect(Math.ceil(tokensOf(text))).toBeGreaterThanOrEqual(counted);
    expect(tokensOf(text)).toBeLessThan(3 * counted);
  });

  it('is charged for a stream that tells nothing', () => {
    const driver = drive(budget);
    const text = '水が流れる'.repeat(20);
    const asked = ask('/v1/responses', { model: 'm', messages: [{ role: 'user', content: text }] });
    driver.app(Buffer.from(asked));
    driver.service(Buffer.from(events({ choices: [{ delta: { content: text } }] }, '[DONE]')));
    const [call] = driver.outcome.calls;
    expect(call?.tokens?.output).toBe(100);
    expect(call?.tokens?.input).toBeGreaterThanOrEqual(100);
  });
});

describe('the length of an answer', () => {
  const sent = (path: string, body: unknown): unknown => {
    const driver = drive({ maxAnswerTokens: 100 });
    driver.app(ask(path, body));
    return bodyOf(driver.takeService());
  };

  it.each<[string, unknown, unknown]>([
    ['/v1/messages', { model: 'm', max_tokens: 32_000, messages: [] }, { max_tokens: 100 }],
    ['/v1/chat/completions', { model: 'm', messages: [] }, { max_completion_tokens: 100 }],
    ['/v1/chat/completions', { model: 'm', max_tokens: 7, messages: [] }, { max_tokens: 7 }],
    ['/v1/responses', { model: 'm', input: 'x' }, { max_output_tokens: 100 }],
    ['/v1beta/models/g:generateContent', { contents: [] }, { generationConfig: { maxOutputTokens: 100 } }],
    ['/api/chat', { model: 'm', options: { num_predict: -1, seed: 4 } }, { options: { num_predict: 100, seed: 4 } }],
    ['/model/m/converse', { messages: [] }, { inferenceConfig: { maxTokens: 100 } }],
    [
      '/v1/messages/batches',
      { requests: [{ params: { model: 'm', max_tokens: 200 } }] },
      { requests: [{ params: { max_tokens: 100 } }] },
    ],
  ])('is what the contract says in the words of %s', (path, asked, shown) => {
    expect(sent(path, asked)).toMatchObject(shown as object);
  });

  it('is nothing that embeddings have', () => {
    expect(sent('/v1/embeddings', { model: 'm', input: 'x' })).toEqual({ model: 'm', input: 'x' });
  });

  it('ends a stream that is longer all the same', () => {
    const driver = drive({ maxAnswerTokens: 100 });
    driver.app(ask('/v1/chat/completions', { model: 'm', stream: true, messages: [] }));
    driver.service(events(...Array.from({ length: 300 }, () => ({ choices: [{ delta: { content: 'word ' } }] }))));
    expect(driver.outcome.ends).toEqual(['guard.http.answer_limit']);
    expect(dechunk(driver.takeApp()).split('word ')).toHaveLength(101);
  });
});

describe('an event that does not end', () => {
  it.each([
    ['text/event-stream', 'data: '],
    ['application/x-ndjson', '{"message":"'],
  ])('ends the answer in %s before it fills the memory', (type, begins) => {
    const driver = drive({ maxAnswerTokens: 100_000_000 });
    driver.app(ask('/v1/chat/completions', { model: 'm', stream: true, messages: [] }));
    driver.service(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\n\r\n${begins}`);
    for (let mebibytes = 1; mebibytes <= 20; mebibytes += 1) {
      driver.service('a'.repeat(1_048_576));
      expect(driver.guard.buffered()).toBeLessThan(17.5 * 1_048_576);
    }
    expect(driver.outcome.ends).toEqual(['guard.http.too_large']);
  });
});

describe('a key of Culvert', () => {
  const value = 'sk-culvert-0123456789ab-c2VjcmV0';
  const keys: ModelKeys = {
    check: (key) =>
      key === value
        ? { kind: 'good', id: '0123456789ab' }
        : { kind: 'refused', id: 'ffffffffffff', why: 'the key ffffffffffff was revoked on 2026-11-30' },
  };
  const withKey = (path: string, headers: Readonly<Record<string, string>>): string =>
    post(JSON.stringify({ model: 'm' }), headers).replace('/mcp', path);

  it('in a path is refused, for it would go on', () => {
    const driver = drive({ models: ['m'] }, { modelKeys: keys });
    driver.app(withKey(`/${value}/v1/chat/completions`, {}));
    expect(driver.takeService()).toBe('');
    expect(driver.takeApp()).toContain(' 401 ');
  });

  it.each([
    ['/v1/chat/completions', { Authorization: `Bearer ${value}` }],
    ['/v1/messages', { 'X-Api-Key': value, Authorization: 'Bearer of-my-own' }],
    ['/v1beta/models/m:generateContent?key=x', { 'X-Goog-Api-Key': value }],
    [`/v1beta/models/m:generateContent?key=${value}&alt=sse`, {}],
    [`/v1/chat/completions?token=${value}&alt=sse`, {}],
    [`/v1/chat/completions?alt=sse&Token=${value.replace('-', '%2D')}`, {}],
  ])('ends here, and stands in the record by its id: %s', (path, headers) => {
    const driver = drive({ models: ['m'] }, { modelKeys: keys });
    driver.app(withKey(path, headers)).service(json({ usage: { input_tokens: 3, output_tokens: 2 } }));
    const sent = driver.takeService();
    expect(sent).toContain('HTTP/1.1\r\n');
    expect(sent).not.toMatch(/sk-culvert|of-my-own|authorization|api-key|key=/i);
    expect(driver.outcome.calls).toMatchObject([{ decision: 'allow', modelKey: '0123456789ab' }]);
    expect(JSON.stringify(driver.outcome.calls)).not.toContain(value);
  });

  it.each([
    ['/v1/chat/completions', { error: { code: 'invalid_api_key' } }],
    ['/v1/messages', { type: 'error', error: { type: 'authentication_error' } }],
    ['/v1beta/models/m:generateContent', { error: { code: 401, status: 'UNAUTHENTICATED' } }],
    ['/api/chat', { error: 'Refused: the key ffffffffffff was revoked on 2026-11-30' }],
    ['/v2/chat', { message: 'Refused: the key ffffffffffff was revoked on 2026-11-30' }],
  ])('that is worth nothing is refused in the dialect of %s, though another beside it is good', (path, shape) => {
    const driver = drive({ models: ['m'] }, { modelKeys: keys });
    driver.app(withKey(path, { Authorization: `Bearer ${value}`, 'X-Api-Key': 'sk-culvert-ffffffffffff-x' }));
    const told = driver.takeApp();
    expect(told).toContain('HTTP/1.1 401 ');
    expect(bodyOf(told)).toMatchObject(shape);
    expect(driver.takeService()).toBe('');
    expect(driver.outcome.calls).toMatchObject([
      { decision: 'deny', rule: 'guard:http.key', modelKey: 'ffffffffffff' },
    ]);
  });

  it('is worth nothing at another end, and what is no such key passes', () => {
    const host = drive({ models: ['m'] });
    host.app(withKey('/v1/messages', { 'X-Api-Key': value }));
    expect(host.takeApp()).toContain('HTTP/1.1 401 ');
    const own = drive({ models: ['m'] }, { modelKeys: keys });
    own.app(withKey('/v1/messages', { 'X-Api-Key': 'of-my-own' }));
    expect(own.takeService()).toContain('X-Api-Key: of-my-own');
  });
});

describe('model names', () => {
  it('stand in paths, whole', () => {
    expect(modelInPath('/v1beta/models/gemini-2.5-pro:streamGenerateContent')).toBe('gemini-2.5-pro');
    expect(modelInPath('/openai/deployments/my-gpt/chat/completions')).toBe('my-gpt');
    expect(modelInPath('/model/anthropic.claude-3-5-sonnet-20240620-v1:0/converse')).toBe(
      'anthropic.claude-3-5-sonnet-20240620-v1:0',
    );
    expect(modelInPath('/model/arn:aws:bedrock:eu-west-1:1:inference-profile/eu.model-v1:0/invoke')).toBe(
      'arn:aws:bedrock:eu-west-1:1:inference-profile/eu.model-v1:0',
    );
    expect(modelInPath('/v1/chat/completions')).toBeUndefined();
  });

  it('stand in many places of a body, but not in what a person wrote', () => {
    const named = (body: unknown): readonly string[] => modelsInBody(body).names;
    expect(named({ model: 'a', models: ['b', 'c'] })).toEqual(['a', 'b', 'c']);
    expect(named({ model: 'a', fallbacks: ['b', { model: 'c', messages: [{ role: 'user' }] }, { a: ['d'] }] })).toEqual(
      ['a', 'b', 'c', 'd'],
    );
    expect(named({ requests: [{ params: { model: 'a' } }, { params: { model: 'b' } }] })).toEqual(['a', 'b']);
    expect(named({ model: 'a', tools: [{ type: 'image_generation', model: 'b' }] })).toEqual(['a', 'b']);
    expect(named({ model: 'a', extra_body: { fallback_models: ['b'] } })).toEqual(['a', 'b']);
    expect(named({ model: 'a', metadata: { model: 'x' }, messages: [{ content: [{ model: 'y' }] }] })).toEqual(['a']);
    expect(
      named({ model: 'a', tools: [{ function: { parameters: { properties: { model: { enum: ['x'] } } } } }] }),
    ).toEqual(['a']);
    expect(modelsInBody({ model: 'a', Models: ['b'] })).toEqual({ chosen: 'a', names: ['a', 'b'], misspelt: 'Models' });
  });

  it.each([
    ['a fallback', { model: 'ok', fallbacks: ['other'] }],
    ['a tool of its own model', { model: 'ok', tools: [{ type: 'image_generation', model: 'other' }] }],
    ['nothing but a fallback, the rest left to the service', { fallbacks: ['ok'] }],
    ['a batch with an item that names none', { requests: [{ params: { model: 'ok' } }, { params: {} }] }],
    ['another letter case', { model: 'ok', Fallbacks: [] }],
    ['a batch', { requests: [{ params: { model: 'ok' } }, { params: { model: 'other' } }] }],
  ])('are judged in %s', (_name, body) => {
    const driver = drive({ models: ['ok'] });
    driver.app(ask('/v1/chat/completions', body));
    expect(driver.takeService()).toBe('');
    expect(driver.outcome.calls).toMatchObject([{ decision: 'deny' }]);
  });
});

describe('a refused model', () => {
  it.each([
    ['/v1/chat/completions', { error: { code: 'model_not_found', param: 'model', rule: 'contract:http.models' } }],
    ['/v1/messages', { type: 'error', error: { type: 'not_found_error' } }],
    ['/v1beta/models/other:generateContent', { error: { code: 404, status: 'NOT_FOUND' } }],
    ['/api/chat', { error: 'Refused by contract: other is not among the models allowed' }],
    ['/model/other/converse', { message: 'Refused by contract: other is not among the models allowed' }],
    ['/v2/chat', { message: 'Refused by contract: other is not among the models allowed' }],
  ])('is told in the dialect of %s', (path, shape) => {
    const driver = drive({ models: ['ok'] });
    driver.app(ask(path, { model: 'other', messages: [] }));
    const told = driver.takeApp();
    expect(told).toContain('HTTP/1.1 404 ');
    expect(told).toContain('other is not among the models allowed');
    expect(bodyOf(told)).toMatchObject(shape);
    if (path.startsWith('/model/')) expect(told).toContain('x-amzn-ErrorType: ResourceNotFoundException');
  });
});

describe('a token budget', () => {
  it('says when it is free again, and that asking again is no use', () => {
    const driver = drive({ tokenBudget: { tokens: 100, perSeconds: 60 } });
    driver.app(ask('/v1/messages', { model: 'm' })).service(json({ usage: { input_tokens: 90, output_tokens: 30 } }));
    driver.takeApp();
    driver.nowMs += 15_000;
    driver.app(ask('/v1/messages', { model: 'm' }));
    const told = driver.takeApp();
    expect(told).toMatch(/^HTTP\/1\.1 429 [^]*Retry-After: 45\r\nx-should-retry: false\r\n/);
    expect(bodyOf(told)).toMatchObject({ type: 'error', error: { type: 'rate_limit_error' } });
  });

  it('belongs to identity and service, whatever the program is called', () => {
    const shared = context({ budgetKey: 'laptop|svc' });
    const terms = { tokenBudget: { tokens: 100, perSeconds: 60 } };
    drive(terms, { ...shared, ledgerKey: 'a' })
      .app(ask('/v1/messages', { model: 'm' }))
      .service(json({ usage: { input_tokens: 90, output_tokens: 30 } }));
    const other = drive(terms, { ...shared, ledgerKey: 'b' });
    other.app(ask('/v1/messages', { model: 'm' }));
    expect(other.takeApp()).toContain('429');
  });

  const delta = { choices: [{ index: 0, delta: { content: 'word ' } }], id: 'c1', model: 'm', created: 7 };
  const block = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'word ' } };
  const openAi = (text: string): unknown => {
    const last = text.trim().split('\n\n').at(-2) ?? '';
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    return JSON.parse(last.slice('data: '.length));
  };

  it.each<[string, string, string, unknown, (text: string) => void]>([
    [
      'OpenAI',
      '/v1/chat/completions',
      'text/event-stream',
      delta,
      (text) => expect(openAi(text)).toMatchObject({ id: 'c1', choices: [{ finish_reason: 'length' }] }),
    ],
    [
      'Anthropic',
      '/v1/messages',
      'text/event-stream',
      block,
      (text) => {
        expect(text).toContain('"stop_reason":"max_tokens"');
        expect(text.endsWith('event: message_stop\ndata: {"type":"message_stop"}\n\n')).toBe(true);
      },
    ],
    [
      'Responses',
      '/v1/responses',
      'text/event-stream',
      { type: 'response.output_text.delta', delta: 'word ', sequence_number: 3 },
      (text) => expect(text).toContain('"type":"response.incomplete"'),
    ],
    [
      'Gemini',
      '/v1beta/models/g:streamGenerateContent',
      'text/event-stream',
      { candidates: [{ content: { parts: [{ text: 'word ' }] } }] },
      (text) => expect(text).toContain('"finishReason":"MAX_TOKENS"'),
    ],
    [
      'Ollama',
      '/api/chat',
      'application/x-ndjson',
      { model: 'm', message: { content: 'word ' }, done: false },
      (text) =>
        expect(JSON.parse(text.trim().split('\n').at(-1) ?? '')).toMatchObject({ done: true, done_reason: 'length' }),
    ],
    [
      'Cohere',
      '/v2/chat',
      'text/event-stream',
      { type: 'content-delta', delta: { message: { content: { text: 'word ' } } } },
      (text) => expect(text).toContain('"finish_reason":"MAX_TOKENS"'),
    ],
  ])('ends a stream of %s at its number, properly, and lets go of the provider', (_name, path, type, piece, check) => {
    const shared = context();
    const driver = drive({ tokenBudget: { tokens: 1_000, perSeconds: 60 } }, shared);
    driver.app(ask(path, { model: 'm', stream: true }));
    const text = JSON.stringify(piece);
    const one = type === 'text/event-stream' ? `data: ${text}\n\n` : `${text}\n`;
    driver.service(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`);
    for (let sent = 0; sent < 3_000 && driver.outcome.ends.length === 0; sent += 1) {
      driver.service(`${one.length.toString(16)}\r\n${one}\r\n`);
    }
    const raw = driver.outcome.toApp.toString('latin1');
    expect(driver.outcome.ends).toEqual(['guard.http.budget_used']);
    expect(raw.endsWith('0\r\n\r\n')).toBe(true);
    const shown = dechunk(raw);
    check(shown);
    const pieces = shown.split('word ').length - 1;
    expect(pieces).toBeGreaterThan(950);
    expect(pieces).toBeLessThanOrEqual(1_000);
    driver.end();
    expect(driver.outcome.calls.at(-1)).toMatchObject({ model: path.includes('/models/') ? 'g' : 'm' });
    const next = drive({ tokenBudget: { tokens: 1_000, perSeconds: 60 } }, shared);
    next.app(ask(path, { model: 'm' }));
    expect(next.takeApp()).toContain('HTTP/1.1 429 ');
  });

  it('ends an event stream of Bedrock with messages of its own', () => {
    const driver = drive({ tokenBudget: { tokens: 50, perSeconds: 60 } });
    driver.app(ask('/model/m/converse-stream', { messages: [] }));
    driver.service(
      aws(...Array.from({ length: 90 }, () => ['contentBlockDelta', { delta: { text: 'word ' } }] as const)),
    );
    const raw = driver.outcome.toApp;
    const messages = new AwsMessages().push(Buffer.from(dechunk(raw.toString('latin1')), 'latin1')) ?? [];
    const texts = messages.map(({ payload }) => Buffer.from(payload).toString('utf8'));
    expect(texts.at(-2)).toBe('{"stopReason":"max_tokens"}');
    expect(texts.length).toBeLessThan(52);
  });

  it('is extended while there is more of it', () => {
    const driver = drive({ tokenBudget: { tokens: 5_000, perSeconds: 60 } });
    driver.app(ask('/v1/chat/completions', { model: 'm', max_tokens: 10 }));
    driver.service(events(...Array.from({ length: 3_000 }, () => delta), '[DONE]'));
    expect(driver.outcome.ends).toEqual([]);
    expect(dechunk(driver.takeApp()).split('word ')).toHaveLength(3_001);
  });
});
