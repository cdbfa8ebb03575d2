/** What the sources say of the fields of their schemas: the comment above each, found by the names that stand beside it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { root } from './root.ts';

/** Comments of the fields of one object, by name. */
type FieldDocs = ReadonlyMap<string, string>;

/** Comments of many objects. An object is known by its field names; two with the same names mean the same. */
export class SourceDocs {
  readonly #objects = new Map<string, FieldDocs>();

  /** Read these files, named from the root of the repository. */
  constructor(files: readonly string[]) {
    for (const file of files) this.#read(file);
  }

  /** What is said of a field; empty where nothing is. */
  of(fields: readonly string[], field: string): string {
    return this.#objects.get(keyOf(fields))?.get(field) ?? '';
  }

  #read(file: string): void {
    const text = readFileSync(join(root, file), 'utf8');
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
    const named = new Map<string, ts.ObjectLiteralExpression>();
    const literals: ts.ObjectLiteralExpression[] = [];
    const visit = (node: ts.Node): void => {
      if (ts.isObjectLiteralExpression(node)) literals.push(node);
      if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && node.initializer !== undefined) {
        if (ts.isObjectLiteralExpression(node.initializer)) named.set(node.name.text, node.initializer);
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
    for (const literal of literals) {
      const docs = docsOf(literal, named, text);
      if (docs.size === 0) continue;
      const key = keyOf([...docs.keys()]);
      const before = this.#objects.get(key);
      this.#objects.set(key, new Map([...docs].map(([name, doc]) => [name, doc || (before?.get(name) ?? '')])));
    }
  }
}

function docsOf(
  literal: ts.ObjectLiteralExpression,
  named: ReadonlyMap<string, ts.ObjectLiteralExpression>,
  text: string,
): Map<string, string> {
  const docs = new Map<string, string>();
  for (const property of literal.properties) {
    if (ts.isSpreadAssignment(property) && ts.isIdentifier(property.expression)) {
      const spread = named.get(property.expression.text);
      for (const [name, doc] of spread === undefined ? [] : docsOf(spread, named, text)) docs.set(name, doc);
    } else if (property.name !== undefined && (ts.isIdentifier(property.name) || ts.isStringLiteral(property.name))) {
      docs.set(property.name.text, commentAbove(property, text));
    }
  }
  return docs;
}

/** The last comment with two stars before a node, in one line. */
export function commentAbove(node: ts.Node, text: string): string {
  const ranges = ts.getLeadingCommentRanges(text, node.getFullStart()) ?? [];
  const last = ranges.map(({ pos, end }) => text.slice(pos, end)).findLast((comment) => comment.startsWith('/**'));
  if (last === undefined) return '';
  return last
    .slice(3, -2)
    .replaceAll(/^\s*\*/gm, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

function keyOf(fields: readonly string[]): string {
  return [...fields].sort().join(' ');
}
