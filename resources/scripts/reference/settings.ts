/** Settings, and the agents in them. */
import { configSchema, parseConfig } from '../../../main/engine/runtime/config.ts';
import { fenced, fields, type Page } from './page.ts';
import { rowsOf, type Row } from './schema-rows.ts';
import { SourceDocs } from './source-docs.ts';

const source = 'main/engine/runtime/config.ts';
const rows = rowsOf(configSchema, new SourceDocs([source]));

const example = `
mode: auto
proxy:
  listen: 127.0.0.1:1080
  forwards:
    - { service: orders-db, port: 5432 }
policy:
  unbound: refuse
audit:
  witness: record
exporters:
  - { type: syslog, address: "siem.example:6514" }
`;

/** All of `culvert.yaml`. */
export function settingsPage(): Page {
  parseConfig(example, 'the example'); // an example that is refused must not be printed
  const top = rows.filter(({ path }) => isPart(path));
  const sections = top.flatMap((part) => {
    const below = rows.filter(({ path }) => path.startsWith(`${part.path}.`) || path.startsWith(`${part.path}[`));
    if (below.length === 0 || part.path === 'agents') return [];
    return [`## \`${part.path}\`\n\n${part.says}\n\n${fields(below)}`];
  });
  return {
    file: 'settings.md',
    title: 'Settings (`culvert.yaml`)',
    about: 'every field of `culvert.yaml`, what it takes and its default',
    sources: [source],
    body: `
The engine reads its settings once, when it starts: \`/etc/culvert/culvert.yaml\` as a service of the machine, \`culvert.yaml\` in its state directory otherwise, or
the file that \`culvert run --config FILE\` names. Every field has a default, so an empty file is a good one. A field that does not exist is refused by its name.

${fenced('yaml', example)}

\`culvert config check\` says what is wrong with a file before anything is started, \`culvert config set proxy.listen 127.0.0.1:1080\` changes one field and keeps the
comments, and \`culvert config show\` prints what is in force.

${fields(top)}

${sections.join('\n\n')}
`,
  };
}

const agentsExample = `
agents:
  claude-code:
    identity: researcher
    path: "**/bin/claude"
  invoice-bot:
    identity: invoices
    hash: "${'0123456789abcdef'.repeat(4)}"
    user: finance
    limits: { memory: 2147483648, processes: 64 }
`;

/** `agents:` alone. */
export function agentsPage(): Page {
  parseConfig(agentsExample, 'the example');
  const below: readonly Row[] = rows
    .filter(({ path }) => path.startsWith('agents.NAME.'))
    .map((row) => ({ ...row, path: row.path.replace('agents.NAME.', '') }));
  return {
    file: 'agents.md',
    title: 'Agents (`agents:` in `culvert.yaml`)',
    about: 'which program is which agent, and as whom it dials',
    sources: [source],
    body: `
An agent is a program that acts for a model. \`agents:\` gives it a name and, if you like, an identity of its own; its connections then dial as that identity and reach
what that identity may reach, no more. Every condition that is given must hold. A condition with several values holds for any of them.

${fenced('yaml', agentsExample)}

${fields(below)}

## Bind an agent, step by step

1. Ask for an identity for it at the controller, and enrol it here: \`culvert enroll researcher.jwt\`.
2. Bind the program: \`culvert agent bind claude-code --identity researcher --path "**/bin/claude"\`. This edits \`agents:\` and keeps your comments; a running engine takes it up at once.
3. Look at what it reaches: \`culvert why --app claude-code\`.
4. Start it as usual. \`culvert sessions\` names it, and \`culvert audit calls --agent claude-code\` says what it asked for.

A path or a hash is what a program looks like. Where you want proof of what it is, start it through Culvert: \`culvert agent run claude-code -- claude\` runs it in
namespaces that it cannot leave, so that whatever it starts or calls itself is still this agent; with \`--net only\` there is no other network than Culvert.
Programs that are recognised as agents and bound to nothing are refused (\`policy.unbound\`).
`,
  };
}

function isPart(path: string): boolean {
  return !/[.[]/.test(path);
}
