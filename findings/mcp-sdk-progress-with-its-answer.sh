#!/usr/bin/env bash
# What: an MCP server may send a progress notification and, right behind it, the answer of the same request. Where both reach the client in one
#       read, the client of the TypeScript SDK drops the progress: `onprogress` is never called, and `onerror` hears of a notification "for an unknown
#       token". Sent a moment apart, it is told.
# Seen: @modelcontextprotocol/sdk 1.32.2, Node 20.20.2, 2026-11-30.
# Why it surprises: the stream is ordered, and the notification came first. Responses are handled as they are read, notifications in a later
#       microtask, when the response has already taken the progress handler away.
# Does: installs the pinned package in a temporary folder and runs a server of ours by its own stdio client, both ways. Fails where that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --no-audit --no-fund --silent @modelcontextprotocol/sdk@1.32.2

cat >server.mjs <<'JS'
import { createInterface } from 'node:readline';
const apart = process.argv[2] === 'apart';
const line = (message) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`;
for await (const text of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(text);
  if (method === 'initialize') {
    const result = { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 's', version: '1' } };
    process.stdout.write(line({ id, result }));
  } else if (method === 'tools/call') {
    const { progressToken } = params._meta;
    const progress = line({ method: 'notifications/progress', params: { progressToken, progress: 1, total: 1 } });
    const answer = line({ id, result: { content: [{ type: 'text', text: 'done' }] } });
    if (!apart) process.stdout.write(progress + answer);
    else {
      process.stdout.write(progress);
      setTimeout(() => process.stdout.write(answer), 200);
    }
  }
}
JS

cat >client.mjs <<'JS'
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
const told = {};
for (const way of ['apart', 'together']) {
  const client = new Client({ name: 'c', version: '1' });
  const errors = [];
  client.onerror = (error) => errors.push(error.message.split(':')[0]);
  await client.connect(new StdioClientTransport({ command: process.execPath, args: ['server.mjs', way] }));
  const progress = [];
  const { content } = await client.callTool({ name: 'x', arguments: {} }, undefined, { onprogress: (p) => progress.push(p.progress) });
  await new Promise((resolve) => setTimeout(resolve, 100));
  told[way] = { answer: content[0].text, progress, errors };
  await client.close();
}
console.log(JSON.stringify(told));
JS

seen=$(node client.mjs)
echo "$seen"
expected='{"apart":{"answer":"done","progress":[1],"errors":[]},"together":{"answer":"done","progress":[],"errors":["Received a progress notification for an unknown token"]}}'
[ "$seen" = "$expected" ] || { echo "changed; expected $expected" >&2; exit 1; }
