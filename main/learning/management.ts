/** A controller's whole account of its network, over its management API with an administrator's name and password. It only reads. */
import { request } from 'node:https';
import * as v from 'valibot';
import { contractConfigType } from '../base/engagement.ts';
import { TunnelerError } from '../base/errors.ts';
import type { Network } from './network-model.ts';

/** Where the controller is, and who asks; how a file has it. */
const credentials = v.strictObject({
  /** `https://HOST:PORT`. */
  controller: v.pipe(v.string(), v.url(), v.startsWith('https://')),
  username: v.string(),
  password: v.string(),
  /** PEM of the authorities that its certificate is checked by; default the system's. */
  ca: v.optional(v.string()),
});

/** Who asks which controller. */
export type ManagementCredentials = v.InferOutput<typeof credentials>;

/** Throws `base.invalid`. */
export function parseCredentials(file: string, content: string): ManagementCredentials {
  let read: unknown;
  try {
    read = JSON.parse(content);
  } catch (cause) {
    throw new TunnelerError('base.invalid', `${file} is no JSON`, { cause });
  }
  const parsed = v.safeParse(credentials, read);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new TunnelerError('base.invalid', `${file}: ${v.getDotPath(issue) ?? 'file'}: ${issue.message}`, {
    details: { next: 'give {"controller":"https://HOST:PORT","username","password","ca"}' },
  });
}

/** As large as a page of the management API may be. */
const pageRows = 500;
const timeoutMs = 15_000;

const nullableTexts = v.nullish(v.array(v.string()), []);
const named = { id: v.string(), name: v.string() };
const rowsOf = {
  identities: v.object({ ...named, roleAttributes: nullableTexts }),
  services: v.object({ ...named, roleAttributes: nullableTexts, configs: nullableTexts }),
  configs: v.object({ id: v.string(), configType: v.nullish(v.object({ name: v.string() })), data: v.unknown() }),
  'posture-checks': v.object({ ...named, roleAttributes: nullableTexts }),
  'service-policies': v.object({
    ...named,
    type: v.picklist(['Dial', 'Bind']),
    semantic: v.picklist(['AnyOf', 'AllOf']),
    identityRoles: nullableTexts,
    serviceRoles: nullableTexts,
    postureCheckRoles: nullableTexts,
  }),
} as const;

/** Throws `ziti.controller.unreachable`, `ziti.controller.unauthenticated` and `ziti.controller.malformed`. */
export async function readNetwork(asked: ManagementCredentials): Promise<Network> {
  const api = `${asked.controller.replace(/\/+$/, '')}/edge/management/v1`;
  const { username, password } = asked;
  const session = await call(asked, 'POST', `${api}/authenticate?method=password`, undefined, { username, password });
  const token = v.safeParse(v.object({ data: v.object({ token: v.string() }) }), session);
  if (!token.success) throw badResponse(asked, 'no token in its answer to the sign-in');

  const list = async <N extends keyof typeof rowsOf>(name: N): Promise<v.InferOutput<(typeof rowsOf)[N]>[]> => {
    const page = v.object({
      data: v.array(rowsOf[name]),
      meta: v.object({ pagination: v.object({ totalCount: v.number() }) }),
    });
    const rows: v.InferOutput<(typeof rowsOf)[N]>[] = [];
    for (;;) {
      const path = `${api}/${name}?limit=${pageRows}&offset=${rows.length}`;
      const answer = await call(asked, 'GET', path, token.output.data.token);
      const read = v.safeParse(page, answer);
      if (!read.success)
        throw badResponse(asked, `${name}: ${v.getDotPath(read.issues[0]) ?? ''}: ${read.issues[0].message}`);
      rows.push(...(read.output.data as v.InferOutput<(typeof rowsOf)[N]>[]));
      if (read.output.data.length === 0 || rows.length >= read.output.meta.pagination.totalCount) return rows;
    }
  };

  const identities = await list('identities');
  const services = await list('services');
  const configs = new Map((await list('configs')).map((config) => [config.id, config]));
  const policies = await list('service-policies');
  const checks = await list('posture-checks');
  return {
    isWhole: true,
    identities,
    services: services.map(({ configs: ids, ...service }) => {
      const found = ids.map((id) => configs.get(id)).find((config) => config?.configType?.name === contractConfigType);
      return { ...service, contract: found?.data };
    }),
    policies,
    checks: checks.map((check) => ({ ...check, passes: {} })),
  };
}

function call(
  { controller, ca }: ManagementCredentials,
  method: 'GET' | 'POST',
  url: string,
  token: string | undefined,
  body?: unknown,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const headers = {
      accept: 'application/json',
      ...(token === undefined ? {} : { 'zt-session': token }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    const failed = (cause: Error): void =>
      reject(
        new TunnelerError('ziti.controller.unreachable', `${controller} cannot be asked: ${cause.message}`, { cause }),
      );
    const asking = request(
      url,
      { method, headers, timeout: timeoutMs, ...(ca === undefined ? {} : { ca }) },
      (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part: Buffer) => parts.push(part));
        answer.on('error', failed);
        answer.on('end', () => {
          const text = Buffer.concat(parts).toString('utf8');
          const { statusCode = 0 } = answer;
          if (statusCode === 401 || statusCode === 403) reject(unauthorized(controller));
          else if (statusCode !== 200)
            reject(badResponse({ controller }, `HTTP ${statusCode} for ${new URL(url).pathname}`));
          else {
            try {
              resolve(JSON.parse(text));
            } catch {
              reject(badResponse({ controller }, 'an answer that is no JSON'));
            }
          }
        });
      },
    );
    asking.on('timeout', () => asking.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
    asking.on('error', failed);
    asking.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function unauthorized(controller: string): TunnelerError {
  return new TunnelerError('ziti.controller.unauthenticated', `${controller} does not let this administrator in`, {
    details: { next: 'give the name and password of an administrator who may read' },
  });
}

function badResponse({ controller }: Pick<ManagementCredentials, 'controller'>, why: string): TunnelerError {
  return new TunnelerError('ziti.controller.malformed', `${controller} answered what cannot be read: ${why}`);
}
