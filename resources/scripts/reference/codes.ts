/** Codes of errors and reasons. */
import { errorCodes } from '../../../main/base/errors.ts';
import { reasonCodes, type ReasonCode } from '../../../main/base/reason-codes.ts';
import { codeWords } from './code-words.ts';
import { table, type Page } from './page.ts';

/** Every code, with what it says. */
export function codesPage(): Page {
  const errors = new Set<ReasonCode>(errorCodes);
  const own = reasonCodes.filter((code) => !errors.has(code));
  return {
    file: 'codes.md',
    title: 'Codes of errors and reasons',
    about: 'every code that a failure, a refusal or a step of `why` can carry',
    sources: ['main/base/errors.ts', 'main/base/reason-codes.ts', 'resources/scripts/reference/code-words.ts'],
    body: `
A code is for scripts: a code once shipped keeps its meaning. The sentence that comes with it, and the next step, are for people and say more than stands here: which service, which
identity, which check.

## Errors

What a call or a verb fails with: \`culvert: CODE: sentence\`.

${grouped(errorCodes)}

## Reasons

Why something was allowed, refused, closed or found odd: in \`culvert why\`, in the window and, as \`code\`, in the record. A reason may carry the code of an error as well.

${grouped(own)}
`,
  };
}

function grouped(codes: readonly ReasonCode[]): string {
  const rooms = [...new Set(codes.map(roomOf))];
  return rooms
    .map((room) => {
      const rows = codes.filter((code) => roomOf(code) === room).map((code) => [`\`${code}\``, codeWords[code]]);
      return `### ${room}\n\n${table(['code', 'meaning'], rows)}`;
    })
    .join('\n\n');
}

function roomOf(code: string): string {
  return code.split('.')[0] ?? code;
}
