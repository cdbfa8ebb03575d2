/** `agents:` of `culvert.yaml`, edited as a person would: comments and order stay. */
import { isMap, parseDocument, type Document } from 'yaml';
import { TunnelerError } from '../base/errors.ts';
import { readIfThereSync } from '../files/read-if-there.ts';
import { writeAtomicallySync } from '../files/write-atomically.ts';

/** The fields of one binding; an undefined one stays as it is. */
export type BindingFields = Readonly<Record<string, string | readonly string[] | undefined>>;

/** What the file says of each agent. Throws `engine.config_invalid` where it cannot be read. */
export function listAgents(file: string): Readonly<Record<string, unknown>> {
  const found = (read(file).toJS() as { agents?: Record<string, unknown> } | null)?.agents;
  return found ?? {};
}

/** Add an agent, or give it other conditions. Throws `engine.config_invalid`. */
export function bindAgent(file: string, name: string, fields: BindingFields): void {
  const document = read(file);
  if (document.contents === null) document.contents = document.createNode({});
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  if (!isMap(document.getIn(['agents', name], true))) {
    document.setIn(['agents', name], document.createNode(Object.fromEntries(given)));
  } else {
    for (const [field, value] of given) document.setIn(['agents', name, field], value);
  }
  write(file, document);
}

/** Throws `agent.unknown` where the file names no such agent. */
export function unbindAgent(file: string, name: string): void {
  const document = read(file);
  if (!document.hasIn(['agents', name])) {
    throw new TunnelerError('agent.unknown', `no agent is called ${name}`, {
      details: { agent: name, file, next: 'culvert agent list names those there are' },
    });
  }
  document.deleteIn(['agents', name]);
  const rest = document.getIn(['agents'], true);
  if (isMap(rest) && rest.items.length === 0) document.deleteIn(['agents']);
  write(file, document);
}

function read(file: string): Document {
  const document = parseDocument(readIfThereSync(file) ?? '');
  const [error] = document.errors;
  if (error !== undefined || (document.contents !== null && !isMap(document.contents))) {
    const message = error?.message.split('\n')[0] ?? 'expected settings by name';
    throw new TunnelerError('engine.config_invalid', `${file}: ${message}`, { details: { file } });
  }
  return document;
}

/** Whole or not at all, with the mode that it had. */
function write(file: string, document: Document): void {
  writeAtomicallySync(file, document.toString({ lineWidth: 0 }), { mode: 'kept' });
}
