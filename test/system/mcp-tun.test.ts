/** MCP of two agents on one host in `tun` mode, in a namespace of its own, on the embedded overlay and on real OpenZiti. */
import { expectFindings } from './support/findings.ts';

expectFindings({
  subject: 'MCP tools of two agents in tun mode',
  program: 'mcp-in-tun',
  timeoutMs: 150_000,
  checks: ['events', 'json', 'modern'].flatMap((wire) =>
    [
      'A sees all tools and calls search, with ten megabytes of arguments too',
      'B does not see delete_*, and is refused when it calls it blindly',
      "each call's record has agent, tool, digest, decision, rule and duration",
      'invalid JSON is answered, a batch hides no call',
    ].map((name) => `${wire}: ${name}`),
  ),
});
