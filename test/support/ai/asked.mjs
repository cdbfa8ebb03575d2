/** What every client of the matrix is asked to do, whatever it is made with, and how it says what came of it: one JSON document. */

export const megabytes = 12 * 1024 * 1024;
const patienceMs = 30_000;

/** Where to go (`{ url }`, `{ sse }` or `{ command, args }`), what stands before the names of tools, and the service's own name. */
export function readTask() {
  const [where = '{}', prefix = '', service = ''] = process.argv.slice(2);
  return { where: JSON.parse(where), prefix, service };
}

/** Each step's result under its name, but for those that `MATRIX_SKIP` names; one that fails says so in its place. */
export async function report(steps) {
  const told = {};
  const skipped = (process.env.MATRIX_SKIP ?? '').split(',');
  for (const [name, step] of Object.entries(steps).filter(([one]) => !skipped.includes(one))) {
    let timer;
    const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error('no answer')), patienceMs)));
    try {
      told[name] = await Promise.race([step(), late]);
    } catch (error) {
      told[name] = `error: ${error.message}`;
    }
    clearTimeout(timer);
  }
  return new Promise((resolve) => process.stdout.write(`${JSON.stringify(told)}\n`, resolve));
}

/** All pages of a list. */
export async function allOf(list, field) {
  const items = [];
  let cursor;
  do {
    const page = await list(cursor === undefined ? {} : { cursor });
    items.push(...page[field]);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return items;
}

export const textIn = (result) => result.content[0].text;

/** Resolves with the first of what is told. */
export function once() {
  let tell;
  const told = new Promise((resolve) => (tell = resolve));
  return { told, tell };
}
