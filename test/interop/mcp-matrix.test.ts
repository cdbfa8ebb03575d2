/**
 * A core of the matrix of MCP: each client library that comes with the sources, each server of theirs and each way through Culvert, in as few cells as
 * hold them all. `npm run field -- mcp` runs every cell of these, `npm run field -- ai` those of other kits too.
 */
import { cellName } from '../support/mcp-matrix.ts';
import { coreCells } from '../support/mcp-peers.ts';
import { expectFindings } from '../system/support/findings.ts';

expectFindings({
  subject: 'a core of the matrix of MCP',
  program: 'matrix-in-tun',
  networks: ['embedded'],
  args: ['core'],
  timeoutMs: 120_000,
  checks: coreCells().map(({ client, server, way }) => cellName(client, server, way)),
});
