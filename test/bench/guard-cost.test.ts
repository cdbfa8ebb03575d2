/** What reading costs: messages of 64 KiB through a session with and without the MCP guard, to a server in a process of its own. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGuardedPort } from '../support/guarded-port.ts';

const messageBytes = 64 * 1024;
/** Answers every call with a text of the same size; the load runs in a process of its own as well, so that the guard's core is its own. */
const serverSource = `
import { createServer } from 'node:http';
const text = 'y'.repeat(${messageBytes});
createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const { id } = JSON.parse(Buffer.concat(parts));
    const body = JSON.stringify({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text }] } });
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
  });
}).listen(0, '127.0.0.1', function () { process.send(this.address().port); });
`;
const loadSource = `
import { Agent, request } from 'node:http';
const [port, seconds] = process.argv.slice(2).map(Number);
const agent = new Agent({ keepAlive: true, maxSockets: 8 });
const text = 'x'.repeat(${messageBytes});
let id = 0;
const ask = () => new Promise((resolve, reject) => {
  id += 1;
  const body = JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'search', arguments: { text, limit: id } } });
  const asked = request({ host: '127.0.0.1', port, path: '/mcp', method: 'POST', agent, headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } }, (answer) => {
    answer.on('data', () => {}).on('end', () => (answer.statusCode === 200 ? resolve() : reject(new Error('refused'))));
  });
  asked.on('error', reject).end(body);
});
const run = async (ms) => {
  const until = performance.now() + ms;
  let done = 0;
  await Promise.all(Array.from({ length: 8 }, async () => { while (performance.now() < until) { await ask(); done += 1; } }));
  return done / (ms / 1000);
};
await run(500);
process.send(await run(seconds * 1000));
process.exit(0);
`;

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'culvert-bench-'));
  await writeFile(join(dir, 'server.mjs'), serverSource);
  await writeFile(join(dir, 'load.mjs'), loadSource);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('the MCP guard', () => {
  it('keeps at least 0.7 of the throughput for 64 KiB messages', async () => {
    const server = fork(join(dir, 'server.mjs'), { execArgv: [] });
    const [port] = (await once(server, 'message')) as [number];
    // The best of several rounds: other work on the machine falls on either side of a pair.
    const measure = async (terms: unknown): Promise<{ rate: number; cpuUs: number }> => {
      await using guarded = await openGuardedPort(port, terms, { quiet: true });
      const load = fork(join(dir, 'load.mjs'), [String(guarded.port), '2'], { execArgv: [] });
      const before = process.cpuUsage();
      const [rate] = (await once(load, 'message')) as [number];
      const { user, system } = process.cpuUsage(before);
      return { rate, cpuUs: (user + system) / (rate * 2.5) };
    };
    const terms = { mcp: { allow: ['search'], deny: ['delete_*'] } };
    const ratios: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      const [plain, guarded] = [await measure(undefined), await measure(terms)];
      ratios.push(guarded.rate / plain.rate);
      console.info(
        `plain ${plain.rate.toFixed(0)} calls/s at ${plain.cpuUs.toFixed(0)} µs, ` +
          `guarded ${guarded.rate.toFixed(0)} calls/s at ${guarded.cpuUs.toFixed(0)} µs: ` +
          `${(guarded.rate / plain.rate).toFixed(2)} by the clock, ${(plain.cpuUs / guarded.cpuUs).toFixed(2)} by the processor`,
      );
    }
    server.kill();
    const best = Math.max(...ratios);
    expect(best).toBeGreaterThan(0.7);
  }, 60_000);
});
