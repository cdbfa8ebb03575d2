/** The engagement contract. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { engagementSchema, parseEngagement } from '../../../main/base/engagement.ts';
import { floorOperations } from '../../../main/base/engagement/floor/rules.ts';
import { floorClasses } from '../../../main/base/engagement/floor/operations.ts';
import { modbusLabel, modbusOperations } from '../../../main/base/engagement/modbus-operations.ts';
import { closeReasons, type CloseReason } from '../../../main/base/reason.ts';
import { fenced, fields, table, type Page } from './page.ts';
import { root } from './root.ts';
import { rowsOf } from './schema-rows.ts';
import { SourceDocs } from './source-docs.ts';

const parts = 'main/base/engagement';

const tools = `{
  "maxDurationSeconds": 28800,
  "idleTimeoutSeconds": 900,
  "mcp": {
    "allow": ["search", "read_*", { "tool": "refund", "arguments": { "amount": { "max": 50 } } }],
    "deny": ["delete_*"],
    "ask": ["refund"],
    "rateLimit": { "calls": 60, "perSeconds": 60 }
  }
}`;

const machine = `{
  "grantSeconds": 7200,
  "maxSessions": 1,
  "schedule": {
    "timezone": "Europe/Berlin",
    "windows": [{ "days": ["mon", "tue", "wed", "thu", "fri"], "from": "06:00", "to": "22:00" }]
  },
  "approval": { "by": ["shift-lead"], "forSeconds": 7200, "reason": "required" },
  "modbus": { "allow": "read", "units": [1] },
  "record": { "values": true, "pcap": true },
  "onViolation": "quarantine"
}`;

const closed: Readonly<Record<CloseReason, string>> = {
  consumer_close: 'the application that dialled ended it',
  provider_close: 'the service ended it',
  policy_revoked: 'the controller no longer grants it',
  contract_violation: 'it broke its contract',
  max_duration_exceeded: 'its time, its grant or its approval is over',
  max_bytes_exceeded: 'its bytes are used',
  idle_timeout: 'nothing passed for too long',
  quarantined: 'its program, identity or service was cut off',
  tunnel_failed: 'the way between the two ends failed',
  identity_disabled: 'its identity was disabled, removed or locked',
};

/** All of `culvert.contract.v1`. */
export function contractPage(): Page {
  for (const example of [tools, machine]) parseEngagement(JSON.parse(example), 'the example');
  const files = readdirSync(join(root, parts), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => `${parts}/${file.replaceAll('\\', '/')}`);
  const rows = rowsOf(engagementSchema, new SourceDocs(['main/base/engagement.ts', ...files.sort()]));
  const top = rows.filter(({ path }) => !/[.[]/.test(path));
  const sections = top.flatMap(({ path: part, says }) => {
    const below = rows.filter(({ path }) => path.startsWith(`${part}.`) || path.startsWith(`${part}[`));
    return below.length === 0 ? [] : [`### \`${part}\`\n\n${says}\n\n${fields(below)}`];
  });
  return {
    file: 'contract.md',
    title: 'Contracts (`culvert.contract.v1`)',
    about: 'what a service’s sessions may do, for how long, and what may be said in them',
    sources: ['main/base/engagement.ts', parts],
    body: `
A contract travels with its service: it is a config of type \`culvert.contract.v1\` at the controller, attached to the service like an \`intercept.v1\`. Whoever dials or hosts the
service with Culvert holds to it, at both ends. Unknown fields are refused by name, and a service with a contract that cannot be read is refused: a contract half understood is none.

Two examples. An MCP service whose refunds a person approves:

${fenced('json', tools)}

A PLC that a maintenance laptop may read for two hours, on weekdays, after the shift lead said so, with everything kept:

${fenced('json', machine)}

## Write one, step by step

1. Say what the service speaks (\`mcp\`, \`http\`, \`modbus\`, \`s7\`, …) and what may be said. That turns the guard on.
2. Add how long and how much: \`maxDurationSeconds\`, \`idleTimeoutSeconds\`, \`maxBytes\`, \`grantSeconds\`.
3. To try it, put it into a file of this device, such as \`policy.d/plc.yaml\` with the lines below; it narrows what the controller says.
4. \`culvert policy check\` reads it, \`culvert policy reload\` puts it in force, \`culvert policy explain\` shows what counts for which service.
5. When it is right, make it a config at the controller. It counts from the next session on.

${fenced('yaml', 'contracts:\n  - service: press-*\n    contract: { maxDurationSeconds: 7200, modbus: { allow: read } }')}

## Fields

${fields(top)}

${sections.join('\n\n')}

## Operations by protocol

The classes are ${floorClasses.map((one) => `\`${one}\``).join(', ')}; \`allow\` takes a class, a name or, where there is one, a number.

${operationTables()}

## How a session ends

\`closeReason\` in \`culvert sessions --json\`, and \`reason\` in the record's \`session.closed\`:

${table(
  ['reason', 'meaning'],
  closeReasons.map((reason) => [`\`${reason}\``, closed[reason]]),
)}
`,
  };
}

function operationTables(): string {
  const modbus = modbusOperations.map((one) => ({ name: one.name, class: one.class, code: modbusLabel(one) }));
  const protocols = Object.entries({ modbus, ...floorOperations });
  return protocols
    .map(([protocol, operations]) => {
      const rows = operations.map((one) => [
        `\`${one.name}\``,
        one.class,
        one.code === undefined ? '' : String(one.code),
      ]);
      return `### \`${protocol}\`: operations\n\n${table(['name', 'class', 'number'], rows)}`;
    })
    .join('\n\n');
}
