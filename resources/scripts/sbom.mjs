// What Culvert is made of, as CycloneDX: npm's packages that are shipped or bundled, the addon's crates, and the Node that is packed.
//
//   npm run sbom -- [--desktop] [--out FILE]
//
// Nothing in it depends on when or where it was made: the same sources give the same bytes. Needs a finished build.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { parse as parseToml } from '@decimalturn/toml-patch';

/**
 * `shipped`: paths of the lockfile (`node_modules/…`) whose packages lie in the package as they are; those in our bundles are found here.
 * `node`: the runtime's binary, where one is packed.
 */
export function billOfMaterials(root, { shipped, node, epoch }) {
  const { packages, version } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const wanted = new Set([...shipped, ...bundled(root)].map((path) => refOf(path, packages)));
  const bom = npmBill(root);
  const npm = bom.components.filter((component) => wanted.delete(component['bom-ref'])).map(asShipped);
  if (wanted.size > 0) throw new Error(`not in npm's bill: ${[...wanted].join(', ')}`);
  const components = [...npm, ...crates(root), ...(node === undefined ? [] : [runtime(node)])];
  const refs = new Set(components.map((component) => component['bom-ref']));
  const main = { ...asShipped(bom.metadata.component), type: 'application', name: 'culvert', version };
  const dependencies = bom.dependencies
    .filter(({ ref }) => refs.has(ref) || ref === main['bom-ref'])
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((one) => refs.has(one)) }));
  const body = {
    $schema: bom.$schema,
    bomFormat: bom.bomFormat,
    specVersion: bom.specVersion,
    version: 1,
    metadata: {
      timestamp: new Date(Number(epoch) * 1000).toISOString(),
      lifecycles: [{ phase: 'build' }],
      component: main,
    },
    components,
    dependencies,
  };
  return { ...body, serialNumber: `urn:uuid:${uuidOf(JSON.stringify(body))}` };
}

/** npm's own bill of the whole lockfile; it is cut down to what is shipped. */
function npmBill(root) {
  const args = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'];
  const made = spawnSync('npm', args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (made.status !== 0) throw new Error(`npm sbom failed: ${made.stderr}`);
  return JSON.parse(made.stdout);
}

/** Lockfile paths of packages whose code went into our own files: those of the program, as esbuild says, and of the window, as Vite says. */
function bundled(root) {
  const program = Object.keys(JSON.parse(readFileSync(join(root, 'dist', 'culvert.meta.json'), 'utf8')).inputs);
  const window = JSON.parse(readFileSync(join(root, 'dist', 'window.meta.json'), 'utf8'));
  const paths = [...program, ...window].map((file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  return new Set(paths.filter((path) => path !== undefined));
}

function refOf(path, packages) {
  const entry = packages[path];
  if (entry === undefined) throw new Error(`${path} is not in the lockfile`);
  const own = entry.link === true ? packages[entry.resolved] : entry;
  return `${path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)}@${own.version}`;
}

/**
 * Where it was fetched from is this machine's matter; what was fetched, the hash says. And what is bundled is shipped, though npm has it among
 * what developing needs.
 */
function asShipped({ externalReferences = [], properties = [], ...component }) {
  const [, name] = /^(.+)@[^@]+$/.exec(component['bom-ref']) ?? [undefined, component.name];
  return {
    ...component,
    // npm names a workspace by its folder.
    name,
    scope: 'required',
    properties: properties.filter(({ name }) => name !== 'cdx:npm:package:development'),
    externalReferences: externalReferences.filter(({ type }) => type !== 'distribution'),
  };
}

/** What the addon is linked from, as its lockfile has it. */
function crates(root) {
  const lock = parseToml(readFileSync(join(root, 'native', 'Cargo.lock'), 'utf8'));
  return lock.package
    .filter(({ source }) => source !== undefined)
    .map(({ name, version, checksum }) => ({
      'bom-ref': `cargo:${name}@${version}`,
      type: 'library',
      name,
      version,
      scope: 'required',
      purl: `pkg:cargo/${name}@${version}`,
      hashes: [{ alg: 'SHA-256', content: checksum }],
    }));
}

function runtime(node) {
  const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout?.trim().replace(/^v/, '');
  return {
    'bom-ref': 'node',
    type: 'platform',
    name: 'node',
    ...(version ? { version, purl: `pkg:generic/node@${version}` } : {}),
    hashes: [{ alg: 'SHA-256', content: createHash('sha256').update(readFileSync(node)).digest('hex') }],
  };
}

/** RFC 9562, version 8: what it is made of is ours to choose, and it is the content. */
function uuidOf(text) {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
  const { values } = parseArgs({
    options: {
      desktop: { type: 'boolean', default: false },
      out: { type: 'string', default: join(root, 'dist', 'packages', 'culvert.cdx.json') },
    },
  });
  const { shippedPackages, epochOf } = await import('./shipped.mjs');
  const shipped = shippedPackages(root, { desktop: values.desktop }).map(([, path]) => path);
  const bill = billOfMaterials(root, { shipped, epoch: epochOf(root) });
  mkdirSync(dirname(resolve(values.out)), { recursive: true });
  writeFileSync(values.out, `${JSON.stringify(bill, null, 2)}\n`);
  console.log(`${relative(process.cwd(), values.out)}: ${bill.components.length} components`);
}
