/** Holds the source to the import table of resources/docs/architecture.md: the table is the law, this file only reads it. */
import { readFileSync, readdirSync, existsSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import ts from 'typescript';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

interface Import {
  readonly from: string;
  readonly specifier: string;
  /** Repository path of a relative import. */
  readonly to: string | undefined;
  readonly typeOnly: boolean;
  readonly lazy: boolean;
}

function sourceFiles(folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|tsx|mts)$/.test(entry.name) && !entry.name.endsWith('.d.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => !path.includes('/node_modules/') && !path.includes('/dist/'));
}

function importsOf(path: string): Import[] {
  const source = ts.createSourceFile(path, readFileSync(join(root, path), 'utf8'), ts.ScriptTarget.Latest, true);
  const found: Import[] = [];
  const add = (specifier: string, typeOnly: boolean, lazy: boolean): void => {
    const to = specifier.startsWith('.')
      ? relative(root, resolve(root, dirname(path), specifier))
          .split(sep)
          .join('/')
      : undefined;
    found.push({ from: path, specifier, to, typeOnly, lazy });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      const phase = node.importClause as { isTypeOnly?: boolean } | undefined;
      add(node.moduleSpecifier.text, phase?.isTypeOnly === true, false);
    } else if (
      ts.isExportDeclaration(node) &&
      node.moduleSpecifier !== undefined &&
      ts.isStringLiteral(node.moduleSpecifier)
    ) {
      add(node.moduleSpecifier.text, node.isTypeOnly, false);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [argument] = node.arguments;
      if (argument !== undefined && ts.isStringLiteral(argument)) add(argument.text, false, true);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** `main/net/flow/x.ts` → `net`; `app/x.tsx` → `app`; `main/culvert.ts` → `program`. */
function roomOf(path: string): string {
  const [top, room, file] = path.split('/');
  if (top === 'main' && file === undefined) return 'program';
  return top === 'main' ? (room ?? '') : (top ?? '');
}

const architecture = readFileSync(join(root, 'resources/docs/architecture.md'), 'utf8');
const table = new Map(
  [...architecture.matchAll(/^\| ([a-z]+) \| .* \| ([a-z, –]+) \|$/gm)].map(
    (row) => [row[1] ?? '', new Set((row[2] ?? '').replace('–', '').split(/, */).filter(Boolean))] as const,
  ),
);
const files = [...sourceFiles('main'), ...sourceFiles('app')];
const imports = files.flatMap(importsOf);

describe('import table', () => {
  it('has a row for each room there is', () => {
    expect(table.size).toBeGreaterThan(15);
    const rooms = new Set(files.filter((file) => file.split('/').length > 2 || file.startsWith('app/')).map(roomOf));
    expect([...rooms].filter((room) => !table.has(room))).toEqual([]);
  });

  it('is kept', () => {
    const broken = imports
      .filter(({ to }) => to?.startsWith('main/') === true || to?.startsWith('app/') === true)
      .filter(({ from, to }) => {
        const own = roomOf(from);
        const other = roomOf(to ?? '');
        return own !== other && table.get(own)?.has(other) !== true;
      })
      .map(({ from, to }) => `${from} → ${to}`);
    expect(broken).toEqual([]);
  });

  it('lets nobody past the door of ziti, but the overlay to its wire', () => {
    const broken = imports.filter(({ from, to }) => {
      if (to?.startsWith('main/ziti/') !== true || from.startsWith('main/ziti/')) return false;
      if (to === 'main/ziti/ziti.ts' || to === 'main/ziti/model.ts') return false;
      return !(from.startsWith('main/overlay/') && to.startsWith('main/ziti/wire/'));
    });
    expect(broken.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });

  it('is kept inside ziti', () => {
    const inside: Record<string, readonly string[]> = {
      wire: [],
      channel: ['wire'],
      edge: ['channel', 'wire'],
      controller: [],
      enroll: ['controller'],
      context: ['controller', 'enroll', 'edge', 'channel', 'wire'],
    };
    const broken = imports.filter(({ from, to }) => {
      const own = /^main\/ziti\/([a-z]+)\//.exec(from)?.[1];
      const other = /^main\/ziti\/([a-z]+)\//.exec(to ?? '')?.[1];
      return own !== undefined && other !== undefined && own !== other && inside[own]?.includes(other) !== true;
    });
    expect(broken.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });

  it('is kept inside engine', () => {
    const inside = new Map(
      [...architecture.matchAll(/^\| engine\/([a-z-]+) \| .* \| ([a-z, –-]+) \|$/gm)].map(
        (row) => [row[1] ?? '', new Set((row[2] ?? '').replace('–', '').split(/, */).filter(Boolean))] as const,
      ),
    );
    const roomIn = (path: string): string | undefined => /^main\/engine\/([a-z-]+)\//.exec(path)?.[1];
    const rooms = new Set(files.map(roomIn).filter((room) => room !== undefined));
    expect([...rooms].filter((room) => !inside.has(room))).toEqual([]);
    const broken = imports.filter(({ from, to }) => {
      const own = roomIn(from);
      const other = roomIn(to ?? '');
      return own !== undefined && other !== undefined && own !== other && inside.get(own)?.has(other) !== true;
    });
    expect(broken.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
    const flat = files.filter((file) => /^main\/engine\/[^/]+$/.test(file));
    expect(flat).toEqual(['main/engine/compose.ts']);
  });

  it('reaches the overlay by lazy imports only', () => {
    const eager = imports.filter(
      ({ from, to, lazy, typeOnly }) =>
        to?.startsWith('main/overlay/') === true && !from.startsWith('main/overlay/') && !lazy && !typeOnly,
    );
    expect(eager.map(({ from }) => from)).toEqual([]);
  });
});

describe('platform borders', () => {
  const nodeFree = [
    'main/base/',
    'main/api/',
    'main/ziti/wire/',
    'main/net/packet/',
    'main/intercept/',
    'main/guard/',
    'app/',
  ];

  it('keeps node: out of the rooms that run anywhere', () => {
    const broken = imports.filter(
      ({ from, specifier }) =>
        specifier.startsWith('node:') &&
        nodeFree.some((room) => from.startsWith(room)) &&
        !from.endsWith('vite.config.ts'),
    );
    expect(broken.map(({ from, specifier }) => `${from} → ${specifier}`)).toEqual([]);
  });

  it.each([
    [/^electron(-updater)?$/, 'main/shell/'],
    [/^react(-dom)?(\/|$)/, 'app/'],
  ])('keeps %s in %s', (pattern, room) => {
    const broken = imports.filter(({ from, specifier }) => pattern.test(specifier) && !from.startsWith(room));
    expect(broken.map(({ from }) => from)).toEqual([]);
  });
});

describe('cycles', () => {
  it('has none between files, imports of types counted', () => {
    const edges = new Map<string, string[]>();
    for (const { from, to, lazy } of imports) {
      if (to !== undefined && !lazy) edges.set(from, [...(edges.get(from) ?? []), to]);
    }
    expect(findCycle(edges)).toBeUndefined();
  });
});

/** The first cycle found, as a path; undefined where there is none. */
function findCycle(edges: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] | undefined => {
    const at = path.indexOf(file);
    if (at >= 0) return [...path.slice(at), file];
    if (done.has(file)) return undefined;
    path.push(file);
    for (const next of edges.get(file) ?? []) {
      const cycle = visit(next);
      if (cycle !== undefined) return cycle;
    }
    path.pop();
    done.add(file);
    return undefined;
  };
  for (const file of edges.keys()) {
    const cycle = visit(file);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

describe('the top level', () => {
  it('holds what it should and nothing else', () => {
    const allowed = new Set(
      [
        'package.json',
        'package-lock.json',
        'tsconfig.json',
        'electron-builder.yml',
        'README.md',
        'LICENSE',
        'CHANGELOG.md',
      ].concat(['app', 'main', 'native', 'resources', 'test', 'findings', 'node_modules', 'dist']),
    );
    const found = readdirSync(root).filter((name) => !name.startsWith('.') && !allowed.has(name));
    expect(found).toEqual([]);
  });
});
