/**
 * A core of the matrix of MCP without any registry: the official SDKs of both generations as clients and servers, by name in `tun` mode, by `mcp
 * connect` and by `mcp serve`. `npm run field -- mcp`; `npm run field -- ai` runs all of it.
 */
import { cellName, ways } from '../support/mcp-matrix.ts';
import { ownPeers } from '../support/mcp-peers.ts';
import { expectFindings } from '../system/support/findings.ts';

const { clients, servers } = ownPeers();

expectFindings({
  subject: 'the matrix of MCP',
  program: 'matrix-in-tun',
  networks: ['embedded'],
  timeoutMs: 500_000,
  checks: servers.flatMap((server) => ways.flatMap((way) => clients.map((client) => cellName(client, server, way)))),
});
