/**
 * Which codes can reach the window as a reason, read from the program's own source: what stands behind `code:` in an object, whatever way
 * it got there within its file (a literal, a choice between two, a template, or an argument of the function that makes the reason). What a
 * template fills in otherwise is a `*`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** Properties that hold a code; a detector's name is the code of what it finds. */
const given = new Set(['code', 'detector', 'violationCode']);
const dotted = /^[a-z]+(\.[a-zA-Z][\w-]*)*\.([a-zA-Z][\w-]*|\*)$/;

/** Codes given by the sources under `directory` (`main`), without the rooms `except`. */
export function reasonCodes(directory: string, except: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts') || except.some((room) => name.startsWith(room))) continue;
    const text = readFileSync(join(directory, name), 'utf8');
    if (!/\b(code|detector|violationCode)\b/.test(text)) continue;
    const source = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
    for (const code of codesOf(source)) if (dotted.test(code)) found.add(code);
  }
  return found;
}

function codesOf(source: ts.SourceFile): readonly string[] {
  const codes: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAssignment(node) && given.has(node.name.getText()))
      codes.push(...valuesOf(node.initializer, source));
    if (ts.isPropertyDeclaration(node) && given.has(node.name.getText()) && node.initializer !== undefined) {
      codes.push(...valuesOf(node.initializer, source));
    }
    if (ts.isShorthandPropertyAssignment(node) && node.name.text === 'code') codes.push(...valuesOf(node.name, source));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return codes;
}

/** What an expression can be, as far as its file shows. */
function valuesOf(node: ts.Expression, source: ts.SourceFile, depth = 0): readonly string[] {
  if (depth > 4) return [];
  if (ts.isStringLiteralLike(node)) return [node.text];
  if (ts.isParenthesizedExpression(node)) return valuesOf(node.expression, source, depth);
  if (ts.isConditionalExpression(node)) {
    return [...valuesOf(node.whenTrue, source, depth), ...valuesOf(node.whenFalse, source, depth)];
  }
  if (ts.isTemplateExpression(node)) {
    return node.templateSpans.reduce<readonly string[]>(
      (heads, span) => {
        const values = valuesOf(span.expression, source, depth + 1);
        const spelt = values.length === 0 ? ['*'] : values;
        return heads.flatMap((head) => spelt.map((value) => `${head}${value}${span.literal.text}`));
      },
      [node.head.text],
    );
  }
  return ts.isIdentifier(node) ? boundTo(node, source, depth + 1) : [];
}

/** A name stands for what it was declared as, or for what its function is called with in this file. */
function boundTo(name: ts.Identifier, source: ts.SourceFile, depth: number): readonly string[] {
  for (let scope: ts.Node = name.parent; !ts.isSourceFile(scope); scope = scope.parent) {
    if (!ts.isFunctionLike(scope)) continue;
    const index = scope.parameters.findIndex((parameter) => parameter.name.getText() === name.text);
    if (index < 0) continue;
    const type = scope.parameters[index]?.type;
    const members = type === undefined ? [] : membersOf(type, source);
    if (members.length > 0) return members;
    const called = nameOf(scope);
    return called === undefined
      ? []
      : callsOf(called, source).flatMap(({ arguments: given }) => {
          const argument = given[index];
          return argument === undefined ? [] : valuesOf(argument, source, depth);
        });
  }
  const values: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && node.name.getText() === name.text && node.initializer !== undefined) {
      values.push(...valuesOf(node.initializer, source, depth));
    }
    // A list that is gone through: each of its strings.
    if (
      ts.isVariableDeclaration(node) &&
      ts.isArrayBindingPattern(node.name) &&
      ts.isForOfStatement(node.parent.parent)
    ) {
      const at = node.name.elements.findIndex((element) => element.getText() === name.text);
      if (at >= 0) values.push(...columnOf(node.parent.parent.expression, at));
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return values;
}

/** The strings of a union, or of the name it has in this file. */
function membersOf(type: ts.TypeNode, source: ts.SourceFile): readonly string[] {
  if (ts.isLiteralTypeNode(type)) return ts.isStringLiteral(type.literal) ? [type.literal.text] : [];
  if (ts.isUnionTypeNode(type)) return type.types.flatMap((member) => membersOf(member, source));
  if (!ts.isTypeReferenceNode(type)) return [];
  const named = source.statements.find(
    (one): one is ts.TypeAliasDeclaration =>
      ts.isTypeAliasDeclaration(one) && one.name.text === type.typeName.getText(),
  );
  return named === undefined ? [] : membersOf(named.type, source);
}

function columnOf(list: ts.Expression, at: number): readonly string[] {
  const rows = ts.isAsExpression(list) ? list.expression : list;
  if (!ts.isArrayLiteralExpression(rows)) return [];
  return rows.elements.flatMap((row) => {
    const cell = ts.isArrayLiteralExpression(row) ? row.elements[at] : undefined;
    return cell !== undefined && ts.isStringLiteral(cell) ? [cell.text] : [];
  });
}

function nameOf(scope: ts.SignatureDeclaration): string | undefined {
  if (scope.name !== undefined) return scope.name.getText();
  return ts.isVariableDeclaration(scope.parent) ? scope.parent.name.getText() : undefined;
}

function callsOf(name: string, source: ts.SourceFile): readonly ts.CallExpression[] {
  const calls: ts.CallExpression[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) {
      const { expression } = node;
      const called = ts.isPropertyAccessExpression(expression) ? expression.name.text : expression.getText();
      if (called === name) calls.push(node);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return calls;
}
