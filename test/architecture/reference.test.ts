/** The reference says what the sources say: it is made from them, and made anew where they change. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { referencePages } from '../../resources/scripts/reference/pages.ts';
import { fieldMeanings, recordKinds } from '../../resources/scripts/reference/record-kinds.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, 'resources', 'docs', 'reference');
const pages = await referencePages();

describe('the reference', () => {
  it('has these pages and no other', () => {
    expect(readdirSync(folder).sort()).toEqual([...pages.keys()].sort());
  });

  it.each([...pages])('%s is what its source says now (else: npm run docs:reference)', (file, text) => {
    expect(readFileSync(join(folder, file), 'utf8')).toBe(text);
  });
});

describe('the record', () => {
  it('has a meaning for every field of every kind', () => {
    const named = new Set(Object.values(recordKinds).flatMap(({ fields }) => fields));
    expect([...named].filter((field) => fieldMeanings[field] === undefined)).toEqual([]);
    expect(Object.keys(fieldMeanings).filter((field) => !named.has(field))).toEqual([]);
  });

  it('is described with every field that a source writes by name', () => {
    const missed: string[] = [];
    for (const file of readdirSync(join(root, 'main'), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts') || /^(?:cli|api|net|ziti|peer|mcp|shell)[/\\]/.test(file)) continue;
      const text = readFileSync(join(root, 'main', file), 'utf8');
      for (const [kind, fields] of recordsIn(text)) {
        const known = recordKinds[kind as keyof typeof recordKinds].fields;
        missed.push(...fields.filter((field) => !known.includes(field)).map((field) => `${file}: ${kind}.${field}`));
      }
    }
    expect(missed).toEqual([]);
  });
});

/** Object literals whose `kind` is one of the record's and that are no other thing of that kind: more than a kind, and no nested place. */
function recordsIn(text: string): readonly (readonly [kind: string, fields: readonly string[]])[] {
  const found: [string, string[]][] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isObjectLiteralExpression(node)) {
      const names = node.properties.flatMap(({ name }) =>
        name !== undefined && (ts.isIdentifier(name) || ts.isStringLiteral(name)) ? [name.text] : [],
      );
      const kind = node.properties.find(
        (property): property is ts.PropertyAssignment =>
          ts.isPropertyAssignment(property) && ts.isIdentifier(property.name) && property.name.text === 'kind',
      )?.initializer;
      if (kind !== undefined && ts.isStringLiteral(kind) && Object.hasOwn(recordKinds, kind.text) && isWritten(node)) {
        found.push([kind.text, names.filter((name) => name !== 'kind')]);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('source.ts', text, ts.ScriptTarget.Latest, true));
  return found;
}

/** Given to a function that records, or returned as a record. */
function isWritten(node: ts.Node): boolean {
  const { parent } = node;
  if (ts.isCallExpression(parent)) return /record/i.test(parent.expression.getText());
  const maker = ts.findAncestor(node, ts.isFunctionDeclaration);
  return ts.isReturnStatement(parent) && maker?.type?.getText() === 'AuditEvent';
}
