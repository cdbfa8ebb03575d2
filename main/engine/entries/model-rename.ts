/** A question put under another model's name, everything else as it was asked. Pure. */
import { modelInPath } from '../../guard/http/models.ts';
import { plainPath } from '../../guard/http/target.ts';
import { isRecord, parseStrictJson } from '../../guard/json/strict-json.ts';
import { writeJson } from '../../guard/json/write-json.ts';

/** What names a model of a question. */
export interface Question {
  readonly target: string;
  readonly body: Buffer;
}

/** The question for `to`, where it names `from`: in its path, or as its own model. */
export function asksFor({ target, body }: Question, from: string, to: string): Question {
  if (modelInPath(plainPath(target) ?? '') === from) {
    const [path = '', ...query] = target.split('?');
    const at = path.lastIndexOf(`/${from}`);
    if (at < 0) return { target, body };
    const named = `${path.slice(0, at + 1)}${encodeURI(to)}${path.slice(at + 1 + from.length)}`;
    return { target: [named, ...query].join('?'), body };
  }
  const read = parseStrictJson(body.toString('utf8'));
  if (read.kind !== 'json' || !isRecord(read.value)) return { target, body };
  const { value } = read;
  const names = ['model', 'modelId'].filter((name) => value[name] === from);
  if (names.length === 0) return { target, body };
  const renamed = { ...value, ...Object.fromEntries(names.map((name) => [name, to])) };
  return { target, body: Buffer.from(writeJson(renamed)) };
}
