/** `--seed FILE`: identities and services to start with; one-time tokens are written for identities not yet enrolled. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { TunnelerError } from '../base/errors.ts';
import type { Overlay } from './overlay.ts';
import { writeAtomically } from '../files/write-atomically.ts';

const name = v.pipe(v.string(), v.minLength(1));
/** A name that is a file name too. */
const identityName = v.pipe(v.string(), v.regex(/^(?!\.)[^/\\\0]{1,200}$/, 'expected a name that can be a file name'));

const seed = v.strictObject({
  identities: v.optional(v.array(identityName), []),
  services: v.optional(
    v.array(
      v.strictObject({
        name,
        /** Workgroups it belongs to. */
        roleAttributes: v.optional(v.array(name), []),
        configs: v.optional(v.record(name, v.record(v.string(), v.unknown())), {}),
        dial: v.optional(v.array(name), []),
        bind: v.optional(v.array(name), []),
      }),
    ),
    [],
  ),
});

/** A seed as read. */
export type Seed = v.InferOutput<typeof seed>;

/** What a seed did. */
export interface SeedResult {
  /** Tokens written, path by identity; identities already enrolled get none. */
  readonly tokens: Readonly<Record<string, string>>;
}

/** Read a seed strictly. Throws `overlay.invalid` naming the first wrong or unknown field. */
export function parseSeed(value: unknown): Seed {
  // To the schema a list is an object without fields.
  if (Array.isArray(value)) {
    throw new TunnelerError('overlay.invalid', 'a seed is an object with identities and services, not a list', {
      details: { path: '', expected: 'object', received: 'Array' },
    });
  }
  const parsed = v.safeParse(seed, value);
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  const path = v.getDotPath(issue) ?? '';
  const isUnknown = issue.type === 'strict_object' && issue.expected === 'never';
  throw new TunnelerError(
    'overlay.invalid',
    isUnknown ? `unknown field "${path}" in the seed` : `field "${path}" of the seed: ${issue.message}`,
    { details: { path, expected: issue.expected, received: issue.received } },
  );
}

/**
 * Bring an overlay to what a seed says, and write `DIRECTORY/NAME.jwt` (0600) for each identity that can still enrol.
 * Repeating it changes nothing that already is as the seed says. Throws `overlay.invalid`.
 */
export async function seedOverlay(overlay: Overlay, value: unknown, directory: string): Promise<SeedResult> {
  const wanted = parseSeed(value);
  const { admin } = overlay;
  for (const service of wanted.services) {
    for (const role of [...service.dial, ...service.bind]) {
      if (
        !role.startsWith('#') &&
        !wanted.identities.includes(role) &&
        !admin.listIdentities().some((each) => each.name === role)
      ) {
        throw new TunnelerError(
          'overlay.invalid',
          `service "${service.name}" names the identity "${role}", which the seed does not list`,
          {
            details: { service: service.name, identity: role },
          },
        );
      }
    }
  }
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const tokens: Record<string, string> = {};
  for (const identity of wanted.identities) {
    const known = admin.listIdentities().find((each) => each.name === identity);
    if (known === undefined) {
      tokens[identity] = await writeToken(directory, identity, (await admin.createIdentity(identity)).jwt);
    } else if (admin.certificateFingerprints(known.id).length === 0) {
      tokens[identity] = await writeToken(directory, identity, await admin.oneTimeToken(known.id));
    }
  }
  for (const service of wanted.services) {
    if (!admin.listServices().some((each) => each.name === service.name)) {
      const { name, configs, roleAttributes } = service;
      await admin.createService({ name, configs, roleAttributes });
    } else {
      for (const [type, data] of Object.entries(service.configs))
        await admin.setServiceConfig(service.name, type, data);
    }
    await seedPolicy(overlay, service.name, 'Dial', service.dial);
    await seedPolicy(overlay, service.name, 'Bind', service.bind);
  }
  return { tokens };
}

async function seedPolicy(
  overlay: Overlay,
  service: string,
  type: 'Dial' | 'Bind',
  identities: readonly string[],
): Promise<void> {
  const { admin } = overlay;
  const policyName = `seed.${type.toLowerCase()}.${service}`;
  const exists = admin.listPolicies().some((policy) => policy.name === policyName);
  if (exists && identities.length === 0) await admin.deletePolicy(policyName);
  else if (exists) await admin.updatePolicy(policyName, { identities });
  else if (identities.length > 0) await admin.createPolicy({ name: policyName, type, identities, services: [service] });
}

async function writeToken(directory: string, identity: string, jwt: string): Promise<string> {
  const path = join(directory, `${identity}.jwt`);
  await writeAtomically(path, jwt);
  return path;
}
