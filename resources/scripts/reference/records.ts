/** The record: kinds, and what stands in each. */
import { fenced, table, type Page } from './page.ts';
import { fieldMeanings, recordKinds } from './record-kinds.ts';

const line = `{"seq":25,"at":"2026-11-30T04:12:46.831Z","kind":"call","session":"ses_566b9f53da4b70db5c7d","service":"notes.dark","identity":"laptop","agent":"claude-code","app":"/usr/bin/claude","user":"ada","protocol":"mcp","method":"tools/call","tool":"delete_notes","target":"delete_notes","end":"dial","decision":"deny","rule":"contract:mcp.deny delete_*","digest":"4413…","startedAtMs":1796011966830,"prev":"24…","hash":"25…"}`;

/** Every kind of record of the journal. */
export function recordsPage(): Page {
  const kinds = Object.entries(recordKinds).map(([kind, { says, fields }]) => [
    `\`${kind}\``,
    says,
    fields.map((field) => `\`${field}\``).join(' ') || '–',
  ]);
  return {
    file: 'records.md',
    title: 'The record (audit journal)',
    about: 'every kind of record, its fields, and how to read and check them',
    sources: ['main/audit/record.ts', 'resources/scripts/reference/record-kinds.ts'],
    body: `
The journal is lines of JSON in files under \`audit/\` of the state directory, one record a line, never changed. Each record has its number (\`seq\`), its time (\`at\`, UTC), its kind, and at the end
\`prev\` and \`hash\`: the SHA-256 of the line up to \`prev\`, so that nothing can be altered, left out or put between. A \`checkpoint\` is signed by a key of this device that its identities vouch for.
Keys, tokens, passwords and payloads are never in it; arguments of calls only where a contract asks for them (\`recordArguments\`), else their digest.

${fenced('json', line)}

## Read it

| question | command |
| --- | --- |
| What happens now? | \`culvert audit tail\` |
| What was refused since yesterday? | \`culvert audit search --since yesterday --decision deny\` |
| Which agent called which tool? | \`culvert audit calls --agent claude-code --since 2h\` |
| Everything of one session | \`culvert audit search --session ses_566b9f53da4b70db5c7d\` |
| Is it what was written? | \`culvert audit verify\`, and \`--witness SERVICE\` for what was seen elsewhere |
| The whole of it for another tool | \`culvert audit export --format json --out journal.jsonl\`; \`ocsf\` for a SIEM |

## Kinds

A field with nothing to say is \`null\` or left out.

${table(['kind', 'it says', 'fields'], kinds)}

## Fields

${table(
  ['field', 'meaning'],
  Object.entries(fieldMeanings).map(([field, meaning]) => [`\`${field}\``, meaning]),
)}
`,
  };
}
