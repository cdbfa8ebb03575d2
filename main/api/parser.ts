/** How the API takes a request in. */
import * as v from 'valibot';
import { TunnelerError } from '../base/errors.ts';

/** A parser of one border: strict objects, so that a misspelt field is refused with its name. */
export function parser<S extends v.GenericSchema>(schema: S): (raw: unknown) => v.InferOutput<S> {
  return (raw) => {
    const result = v.safeParse(schema, raw);
    if (result.success) return result.output;
    const issue = result.issues[0];
    const path = v.getDotPath(issue) ?? 'request';
    throw new TunnelerError('base.invalid', `${path}: ${issue.message}`, {
      details: { path, expected: issue.expected ?? '', received: issue.received },
    });
  };
}
