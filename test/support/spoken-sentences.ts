/** What the program says to people, read from its sources: sentences of reasons and errors, and next steps. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { isReasonCode } from '../../main/base/reason-codes.ts';

export interface SpokenSentence {
  /** `FILE:LINE`. */
  readonly at: string;
  /** What is filled in stands as `{}`. */
  readonly text: string;
}

/** Every literal that stands behind `sentence:` or `next:`, or behind a code in a call, in the sources under `directory`. */
export function spokenSentences(directory: string): readonly SpokenSentence[] {
  const found: SpokenSentence[] = [];
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue;
    const source = ts.createSourceFile(name, readFileSync(join(directory, name), 'utf8'), ts.ScriptTarget.Latest, true);
    const visit = (node: ts.Node): void => {
      for (const said of saidBy(node)) {
        const line = source.getLineAndCharacterOfPosition(said.getStart()).line + 1;
        for (const text of textsOf(said)) found.push({ at: `${name}:${line}`, text });
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return found;
}

function saidBy(node: ts.Node): readonly ts.Expression[] {
  if (ts.isPropertyAssignment(node)) return /^(sentence|next)$/.test(node.name.getText()) ? [node.initializer] : [];
  if (!ts.isCallExpression(node) && !ts.isNewExpression(node)) return [];
  const given = node.arguments ?? ts.factory.createNodeArray();
  const at = given.findIndex((one) => ts.isStringLiteral(one) && isReasonCode(one.text));
  const behind = given[at + 1];
  return at < 0 || behind === undefined ? [] : [behind];
}

function textsOf(node: ts.Expression): readonly string[] {
  if (ts.isStringLiteralLike(node)) return [node.text];
  if (ts.isParenthesizedExpression(node)) return textsOf(node.expression);
  if (ts.isConditionalExpression(node)) return [...textsOf(node.whenTrue), ...textsOf(node.whenFalse)];
  if (ts.isTemplateExpression(node)) {
    return [node.head.text + node.templateSpans.map(({ literal }) => `{}${literal.text}`).join('')];
  }
  return [];
}
