/** A server of the official 2.x SDK for the matrix: without handshakes (2026-07-28), and for whom still has them without sessions. Argument: its service's name. */
import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { createMcpHandler, inputRequired, Server } from '@modelcontextprotocol/server';
import { answerOf, pageOf, prompts, question, resourcesOf, say, tools } from './offers.mjs';

const [service = ''] = process.argv.slice(2);

const handler = createMcpHandler(
  () => {
    const server = new Server(
      { name: service, version: '2' },
      { capabilities: { tools: {}, prompts: {}, resources: { subscribe: true } } },
    );
    server.setRequestHandler('tools/list', ({ params }) => pageOf('tools', tools, params?.cursor));
    server.setRequestHandler('prompts/list', ({ params }) => pageOf('prompts', prompts, params?.cursor));
    server.setRequestHandler('resources/list', ({ params }) =>
      pageOf('resources', resourcesOf(service), params?.cursor),
    );
    server.setRequestHandler('tools/call', ({ params }, { mcpReq }) => call(params, mcpReq));
    return server;
  },
  { maxRequestBodySize: 64 * 1024 * 1024 },
);

async function call({ name, arguments: args = {} }, request) {
  say({ ran: name });
  const progress = async (done, total) => {
    const progressToken = request._meta?.progressToken;
    if (progressToken === undefined) return;
    await request.notify({ method: 'notifications/progress', params: { progressToken, progress: done, total } });
  };
  switch (name) {
    case 'search':
      return answerOf(`search:${args.text?.length ?? 0}`);
    case 'count':
      for (let done = 1; done <= args.to; done += 1) {
        await progress(done, args.to);
        await delay(200);
      }
      return answerOf(args.to);
    case 'slow': {
      const waiting = delay(60_000, undefined, { signal: request.signal });
      await progress(1, 2);
      await waiting.catch(() => say({ cancelled: name }));
      return answerOf('late');
    }
    case 'ask': {
      const answer = request.inputResponses?.who;
      if (answer === undefined) return inputRequired({ inputRequests: { who: inputRequired.elicit(question) } });
      return answerOf(`${answer.action} ${answer.content?.name}`);
    }
    case 'touch':
      handler.notify.resourceUpdated(`doc://${service}/public`);
      return answerOf('touched');
    case 'big':
      return answerOf('x'.repeat(args.bytes));
    default:
      return answerOf(name);
  }
}

const server = createServer(async (request, response) => {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) headers.set(name, String(value));
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = request.method === 'POST' ? { body: Buffer.concat(chunks) } : {};
  const url = `http://${request.headers.host}${request.url}`;
  const answer = await handler.fetch(
    new Request(url, { method: request.method, headers, signal: gone.signal, ...body }),
  );
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  if (answer.body === null) response.end();
  else
    Readable.fromWeb(answer.body)
      .on('error', () => response.destroy())
      .pipe(response);
});
server.listen(0, '127.0.0.1', () => say({ port: server.address().port }));
