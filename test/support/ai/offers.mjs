/** What every server of the matrix offers, whatever it is made with, and how it says what happened: a JSON line on standard output each. */

const text = { type: 'object', properties: { text: { type: 'string' } } };
const number = (name) => ({ type: 'object', properties: { [name]: { type: 'integer' } } });

/** In the order of the lists, two a page. */
export const tools = [
  { name: 'search', description: 'says how long a text is', inputSchema: text },
  { name: 'count', description: 'counts, and says how far it is', inputSchema: number('to') },
  { name: 'slow', description: 'waits until nobody waits for it', inputSchema: { type: 'object' } },
  { name: 'ask', description: 'asks its user for a name', inputSchema: { type: 'object' } },
  { name: 'touch', description: 'changes a resource', inputSchema: { type: 'object' } },
  { name: 'big', description: 'answers with so many bytes', inputSchema: number('bytes') },
  { name: 'delete_all', description: 'is hidden', inputSchema: { type: 'object' } },
];
export const prompts = [{ name: 'greet' }, { name: 'secret_plan' }];
export const resourcesOf = (service) =>
  ['public', 'private'].map((part) => ({ name: part, uri: `doc://${service}/${part}` }));
export const question = {
  message: 'who?',
  requestedSchema: { type: 'object', properties: { name: { type: 'string' } } },
};

export const say = (what) => void process.stdout.write(`${JSON.stringify(what)}\n`);
export const answerOf = (said) => ({ content: [{ type: 'text', text: String(said) }] });

const pageSize = 2;

/** One page of a list, from the place its cursor names. */
export function pageOf(field, items, cursor) {
  const start = Number(cursor ?? 0);
  const next = start + pageSize;
  return { [field]: items.slice(start, next), ...(next < items.length ? { nextCursor: String(next) } : {}) };
}
