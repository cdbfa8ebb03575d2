/** Which image a container was made from, as its engine keeps it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { imageDigests } from '../../main/apps/container-image.ts';
import type { RunCommand } from '../../main/apps/run-command.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const container = 'c'.repeat(64);
const image = 'a'.repeat(64);
const manifest = `sha256:${'b'.repeat(64)}`;
const none: RunCommand = () => Promise.resolve({ ok: false, stdout: '', stderr: '' });

function keep(root: string, files: Readonly<Record<string, unknown>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), JSON.stringify(content));
  }
}

describe('the image of a container', () => {
  it('is known by id and manifest where Docker made it', async () => {
    const root = temporaryDirectory('images');
    keep(root, {
      [`var/lib/docker/containers/${container}/config.v2.json`]: { ID: container, Image: `sha256:${image}` },
      'var/lib/docker/image/overlay2/repositories.json': {
        Repositories: { box: { 'box:1': `sha256:${image}`, [`box@${manifest}`]: `sha256:${image}` } },
      },
    });
    expect(await imageDigests(container, undefined, { run: none, root })).toEqual([`sha256:${image}`, manifest]);
    expect(await imageDigests('d'.repeat(64), undefined, { run: none, root })).toEqual([]);
  });

  it('is known where Podman made it, for root and for a user', async () => {
    const root = temporaryDirectory('images');
    const home = temporaryDirectory('images');
    const store = (under: string): Readonly<Record<string, unknown>> => ({
      [`${under}/overlay-containers/containers.json`]: [{ id: container, image }],
      [`${under}/overlay-images/images.json`]: [{ id: image, digest: manifest }],
    });
    keep(root, store('var/lib/containers/storage'));
    keep(home, store('.local/share/containers/storage'));
    expect(await imageDigests(container, undefined, { run: none, root })).toEqual([`sha256:${image}`, manifest]);
    const empty = temporaryDirectory('images');
    expect(await imageDigests(container, home, { run: none, root: empty })).toEqual([`sha256:${image}`, manifest]);
  });

  it('is asked of containerd where no file tells', async () => {
    const root = temporaryDirectory('images');
    const run: RunCommand = (_file, args) => {
      const asked = args.join(' ');
      if (asked === `-n k8s.io containers info ${container}`) {
        return Promise.resolve({ ok: true, stdout: JSON.stringify({ ID: container, Image: 'box:1' }), stderr: '' });
      }
      const rows = `REF TYPE DIGEST SIZE\nbox:1 application/vnd.oci.image.index.v1+json ${manifest} 1 MiB\n`;
      return Promise.resolve({ ok: asked === '-n k8s.io images ls name==box:1', stdout: rows, stderr: '' });
    };
    expect(await imageDigests(container, undefined, { run, root })).toEqual([manifest]);
  });
});
