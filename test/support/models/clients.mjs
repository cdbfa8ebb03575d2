// One client of a provider's, as its users use it: an answer, a stream, a tool, a refused model, a stream that reaches its budget, and one question more.
// Run as: node clients.mjs NAME BASE BUDGET_BASE, with the packages beside it; prints what it saw as one line of JSON.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [name, base, tight] = process.argv.slice(2);
const resolver = createRequire(`${process.cwd()}/`);
const load = (id) => import(pathToFileURL(resolver.resolve(id)).href);
const key = 'of-no-use';
const schema = { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] };
const ask = (count) => `Say ${count} words.`;
const seen = (error) => String(error?.message ?? error);

/** `text(model, prompt)`, `stream(model, prompt)`: the text; `tool()`: the name of the tool that is called. */
const clients = {
  async openai(url) {
    const { default: OpenAI } = await load('openai');
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key });
    const messages = (content) => [{ role: 'user', content }];
    return {
      text: async (model, prompt) =>
        (await client.chat.completions.create({ model, messages: messages(prompt) })).choices[0].message.content,
      async stream(model, prompt) {
        let text = '';
        for await (const chunk of await client.chat.completions.create({
          model,
          stream: true,
          messages: messages(prompt),
        }))
          text += chunk.choices[0]?.delta?.content ?? '';
        return text;
      },
      async tool() {
        const tools = [{ type: 'function', function: { name: 'weather', parameters: schema } }];
        return (await client.chat.completions.create({ model: 'good-1', tools, messages: messages('weather?') }))
          .choices[0].message.tool_calls[0].function.name;
      },
    };
  },
  async 'openai-responses'(url) {
    const { default: OpenAI } = await load('openai');
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key });
    return {
      text: async (model, input) => (await client.responses.create({ model, input })).output_text,
      async stream(model, input) {
        let text = '';
        for await (const event of await client.responses.create({ model, input, stream: true }))
          if (event.type === 'response.output_text.delta') text += event.delta;
        return text;
      },
      async tool() {
        const tools = [{ type: 'function', name: 'weather', parameters: schema, strict: true }];
        return (await client.responses.create({ model: 'good-1', input: 'weather?', tools })).output[0].name;
      },
    };
  },
  async anthropic(url) {
    const { default: Anthropic } = await load('@anthropic-ai/sdk');
    const client = new Anthropic({ baseURL: url, apiKey: key });
    const of = (model, content) => ({ model, max_tokens: 8_000, messages: [{ role: 'user', content }] });
    return {
      text: async (model, prompt) => (await client.messages.create(of(model, prompt))).content[0].text,
      async stream(model, prompt) {
        let text = '';
        for await (const event of await client.messages.create({ ...of(model, prompt), stream: true }))
          text += event.delta?.text ?? '';
        return text;
      },
      tool: async () =>
        (
          await client.messages.create({
            ...of('good-1', 'weather?'),
            tools: [{ name: 'weather', input_schema: schema }],
          })
        ).content[0].name,
    };
  },
  async 'google-genai'(url) {
    const { GoogleGenAI } = await load('@google/genai');
    const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url } });
    return {
      text: async (model, contents) => (await client.models.generateContent({ model, contents })).text,
      async stream(model, contents) {
        let text = '';
        for await (const chunk of await client.models.generateContentStream({ model, contents }))
          text += chunk.text ?? '';
        return text;
      },
      async tool() {
        const tools = [{ functionDeclarations: [{ name: 'weather', parametersJsonSchema: schema }] }];
        return (await client.models.generateContent({ model: 'good-1', contents: 'weather?', config: { tools } }))
          .functionCalls[0].name;
      },
    };
  },
  async ollama(url) {
    const { Ollama } = await load('ollama');
    const client = new Ollama({ host: url });
    const messages = (content) => [{ role: 'user', content }];
    return {
      text: async (model, prompt) => (await client.chat({ model, messages: messages(prompt) })).message.content,
      async stream(model, prompt) {
        let text = '';
        for await (const part of await client.chat({ model, stream: true, messages: messages(prompt) }))
          text += part.message.content;
        return text;
      },
      async tool() {
        const tools = [{ type: 'function', function: { name: 'weather', description: '', parameters: schema } }];
        return (await client.chat({ model: 'good-1', tools, messages: messages('weather?') })).message.tool_calls[0]
          .function.name;
      },
    };
  },
  'ai-openai': (url) => aiSdk('@ai-sdk/openai', 'createOpenAI', `${url}/v1`),
  'ai-anthropic': (url) => aiSdk('@ai-sdk/anthropic', 'createAnthropic', `${url}/v1`),
  'ai-google': (url) => aiSdk('@ai-sdk/google', 'createGoogleGenerativeAI', `${url}/v1beta`),
};

async function aiSdk(id, create, baseURL) {
  const { generateText, streamText, tool, jsonSchema } = await load('ai');
  const provider = (await load(id))[create]({ baseURL, apiKey: key });
  return {
    text: async (model, prompt) => (await generateText({ model: provider(model), prompt })).text,
    async stream(model, prompt) {
      let text = '';
      for await (const part of streamText({ model: provider(model), prompt, onError: () => {} }).textStream)
        text += part;
      return text;
    },
    async tool() {
      const tools = { weather: tool({ inputSchema: jsonSchema(schema) }) };
      return (await generateText({ model: provider('good-1'), prompt: 'weather?', tools })).toolCalls[0].toolName;
    },
  };
}

const usual = await clients[name](base);
const limited = await clients[name](tight);
const counted = (text) => text.trim().split(' ').length;
const result = {
  text: counted(await usual.text('good-1', ask(40))),
  stream: counted(await usual.stream('good-1', ask(400))),
  tool: await usual.tool(),
  refused: await usual.text('secret-1', ask(5)).catch(seen),
  stopped: counted(await limited.stream('good-1', ask(6_000))),
  used: await limited.text('good-1', ask(5)).catch(seen),
};
console.log(JSON.stringify(result));
