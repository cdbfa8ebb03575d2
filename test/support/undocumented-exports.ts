/** Which exported declarations say nothing of themselves, read from the sources. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/**
 * `FILE:LINE NAME` of every exported declaration under `directory` without a docstring. The only one of its file is told by the sentence at
 * the file's head.
 */
export function undocumentedExports(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name) && !name.endsWith('.d.ts'))
    .flatMap((name) => undocumentedIn(name, readFileSync(join(directory, name), 'utf8')));
}

function undocumentedIn(name: string, text: string): readonly string[] {
  const kind = name.endsWith('x') ? ts.ScriptKind.TSX : ts.ScriptKind.TS;
  const source = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true, kind);
  const exported = source.statements.filter(isExported);
  if (exported.length === 1 && text.startsWith('/**')) return [];
  return exported
    .filter((statement) => ts.getJSDocCommentsAndTags(statement).length === 0)
    .map((statement) => {
      const { line } = source.getLineAndCharacterOfPosition(statement.getStart());
      return `${name}:${line + 1} ${statement.getText().split('\n')[0] ?? ''}`;
    });
}

function isExported(statement: ts.Statement): boolean {
  const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
  return modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true;
}
