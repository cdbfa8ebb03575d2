/** The README's quick start for developers, its lines as they stand: from nothing to a guarded tool call by an agent of its own. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import type { AuditRecordView } from '../../main/api/record-views.ts';
import { culvertJson, culvertProgram } from '../support/culvert.ts';
import { mustSkip } from '../support/optional.ts';
import { blocksUnder, TypedShell } from '../support/readme-shell.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bwrap = spawnSync('bwrap', ['--unshare-user', '--unshare-pid', '--bind', '/', '/', '--proc', '/proc', 'true']);
const missing = bwrap.status === 0 ? undefined : 'no namespaces can be made here (bubblewrap)';

/** Stands for the server that the README takes from npm: the same tools by name, on standard streams. */
const server = `
const answer = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\\n');
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (method === 'initialize') {
    answer(id, { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'memory', version: '1' } });
  } else if (method === 'tools/list') {
    const tool = (name) => ({ name, inputSchema: { type: 'object' } });
    answer(id, { tools: ['read_graph', 'delete_entities'].map(tool) });
  } else if (method === 'tools/call') answer(id, { content: [{ type: 'text', text: params.name + ' was called' }] });
});
`;

describe.skipIf(mustSkip(missing))('the quick start of the README', () => {
  let shell: TypedShell | undefined;
  afterAll(() => shell?.[Symbol.dispose]());

  test('leads from nothing to a guarded call of a bound agent', { timeout: 120_000 }, async () => {
    const blocks = blocksUnder(root, 'a developer and an agent');
    expect(blocks).toHaveLength(5);
    const place = join(temporaryDirectory('readme'), 'try');
    const memory = join(temporaryDirectory('memory'), 'server.cjs');
    writeFileSync(memory, server);
    const program = await culvertProgram();
    const asHere = (block: string): string =>
      block
        .replace(/^npm install .*\n/m, '')
        .replace('/tmp/culvert-try/node_modules/.bin/mcp-server-memory', `${process.execPath} ${memory}`)
        .replaceAll('/tmp/culvert-try', place)
        .replaceAll('node dist/culvert.mjs', `${process.execPath} ${program}`);

    shell = new TypedShell(root);
    await shell.type(`alias culvert="${process.execPath} ${program}"\n`);
    const [seed = '', enrol = '', host = '', call = '', look = ''] = blocks.map(asHere);
    await shell.type(seed, 'token       researcher');
    await shell.type(enrol, 'The engine is up');
    await shell.type(host, 'notes.dark is answered by');
    const answers = await shell.type(call);
    expect(answers).toContain('read_graph was called');
    expect(answers).toContain('"rule":"contract:mcp.deny delete_*"');
    expect(answers).not.toContain('delete_entities was called');
    const record = await shell.type(look);
    expect(record).toMatch(/note-taker +notes\.dark +delete_en\S* .*deny/);
    expect(record).toContain('note-taker reaches 1 of 1 services');
    expect(record).toContain('intact:');
    const calls = await culvertJson<AuditRecordView[]>(['audit', 'calls', '--state', join(place, 'state')]);
    expect(
      calls.filter((one) => one['end'] === 'dial').map((one) => [one['agent'], one['tool'], one['decision']]),
    ).toEqual([
      ['note-taker', 'delete_entities', 'deny'],
      ['note-taker', 'read_graph', 'allow'],
    ]);
  });
});
