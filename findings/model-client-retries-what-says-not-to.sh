#!/usr/bin/env bash
# What: a model endpoint that answers 429 with `x-should-retry: false` and a `Retry-After` of an hour (a budget that is used up) is asked once by the
#       `openai` package, and three times within seconds by the AI SDK with its provider for the same endpoint.
# Seen: openai 7.59.0; ai 7.0.173 with @ai-sdk/openai 4.0.118; Node 20.20.2, 2026-11-30.
# Why it surprises: the header is the provider's own word to its clients, and the retry policy of the AI SDK does look at `Retry-After`; where that is
#       an hour it goes on with short pauses of its own instead of giving up. Whoever counts requests or shows a person why
#       a budget ended sees each refusal three times.
# Does: installs the pinned packages in a temporary folder and counts what a server of ours is asked by each. Fails where that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --no-audit --no-fund --silent openai@7.59.0 ai@7.0.173 @ai-sdk/openai@4.0.118

cat >ask.mjs <<'JS'
import { createServer } from 'node:http';
import { createOpenAI } from '@ai-sdk/openai';
import { generateText } from 'ai';
import OpenAI from 'openai';

let asked = 0;
const server = createServer((request, response) => {
  asked += 1;
  request.resume();
  response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '3600', 'x-should-retry': 'false' });
  response.end(JSON.stringify({ error: { message: 'the budget is used up', type: 'insufficient_quota', code: 'insufficient_quota' } }));
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const baseURL = `http://127.0.0.1:${server.address().port}/v1`;
const count = async (ask) => {
  asked = 0;
  await ask().catch(() => undefined);
  return asked;
};
const own = new OpenAI({ baseURL, apiKey: 'none' });
const provider = createOpenAI({ baseURL, apiKey: 'none' });
const openai = await count(() => own.chat.completions.create({ model: 'm', messages: [{ role: 'user', content: 'hello' }] }));
const ai = await count(() => generateText({ model: provider.chat('m'), prompt: 'hello' }));
console.log(JSON.stringify({ openai, ai }));
server.close();
JS

seen=$(node ask.mjs 2>/dev/null)
echo "$seen"
expected='{"openai":1,"ai":3}'
[ "$seen" = "$expected" ] || { echo "changed; expected $expected" >&2; exit 1; }
