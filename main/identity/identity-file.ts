/**
 * The identity file: OpenZiti's own JSON (`ztAPI`, `ztAPIs`, `id.{cert,key,ca}`) with what Culvert adds under `culvert`, so that the peers'
 * fields and any we do not know survive. Source: sdk-golang ziti/config.go, ziti-sdk-c includes/ziti/ziti_model.h.
 */
import * as v from 'valibot';
import { defined } from '../base/defined.ts';
import { TunnelerError } from '../base/errors.ts';
import type { IdentityFile, StagedCertificate } from './identities.ts';

const own = v.object({
  version: v.literal(1),
  enabled: v.boolean(),
  scope: v.picklist(['machine', 'user']),
  /** uid; on Windows the SID. */
  ownerUid: v.optional(v.union([v.number(), v.string()])),
  keystore: v.picklist(['file', 'keychain', 'tpm', 'pkcs11']),
  keyReference: v.optional(v.string()),
  controllerName: v.optional(v.string()),
  controllerId: v.optional(v.string()),
  jit: v.optional(v.boolean(), false),
  staged: v.optional(
    v.object({ certPem: v.string(), caPem: v.optional(v.string()), keyReference: v.optional(v.string()) }),
  ),
});

const nullableStrings = v.optional(v.nullable(v.array(v.string())));
const base = {
  ztAPI: v.optional(v.nullable(v.string())),
  ztAPIs: nullableStrings,
  id: v.object({ cert: v.optional(v.string()), key: v.optional(v.string()), ca: v.optional(v.string()) }),
};
const ownFile = v.looseObject({ ...base, culvert: own });
const foreignFile = v.looseObject(base);

const pemPrefix = 'pem:';
const known = new Set(['ztAPI', 'ztAPIs', 'id', 'culvert']);

/** The file's text for a record. */
export function encodeIdentityFile(record: IdentityFile): string {
  const file = {
    ...record.foreign,
    ztAPI: record.apis[0],
    ztAPIs: record.apis,
    // JSON leaves out what is undefined.
    id: { cert: record.certPem === undefined ? undefined : pemPrefix + record.certPem, ca: pemPrefix + record.caPem },
    culvert: {
      version: 1,
      enabled: record.enabled,
      scope: record.scope,
      ownerUid: record.ownerUid,
      keystore: record.keystore,
      keyReference: record.keyReference,
      controllerName: record.controllerName,
      controllerId: record.controllerId,
      jit: record.jit,
      staged: record.staged,
    },
  };
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

/** A record from the text of one of our files. Throws `identity.corrupt` naming what is wrong and where. */
export function decodeIdentityFile(name: string, text: string): IdentityFile {
  const file = parse(ownFile, text, name);
  const record = file.culvert;
  const { enabled, scope, ownerUid, keystore, keyReference, controllerName, controllerId, jit } = record;
  return defined({
    name,
    enabled,
    scope,
    ownerUid,
    keystore,
    keyReference,
    apis: apisOf(file, name),
    caPem: stripPem(file.id.ca ?? ''),
    certPem: file.id.cert === undefined ? undefined : stripPem(file.id.cert),
    controllerName,
    controllerId,
    jit,
    staged: record.staged as StagedCertificate | undefined,
    foreign: unknownFields(file),
  });
}

/** What an identity file of the Go or C tunneler holds; key and certificates may be inline PEM or paths. */
export interface ForeignIdentity {
  readonly apis: readonly string[];
  readonly cert: PemReference | undefined;
  readonly key: PemReference | undefined;
  readonly ca: PemReference | undefined;
  readonly foreign: Readonly<Record<string, unknown>>;
}

/** Something in PEM: written out, a file's path, or a URI of a key store. */
export type PemReference =
  | { readonly kind: 'pem'; readonly pem: string }
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'uri'; readonly uri: string };

/** Read a peer's identity file. Throws `identity.corrupt`. */
export function decodeForeignIdentityFile(name: string, text: string): ForeignIdentity {
  const file = parse(foreignFile, text, name);
  return {
    apis: apisOf(file, name),
    cert: reference(file.id.cert),
    key: reference(file.id.key),
    ca: reference(file.id.ca),
    foreign: unknownFields(file),
  };
}

/** A peer's identity file for a record and its key, to take elsewhere. */
export function encodeForeignIdentityFile(record: IdentityFile, privateKeyPem: string): string {
  const file = {
    ...record.foreign,
    ztAPI: record.apis[0],
    ztAPIs: record.apis,
    id: { cert: pemPrefix + (record.certPem ?? ''), key: pemPrefix + privateKeyPem, ca: pemPrefix + record.caPem },
  };
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

function parse<S extends v.GenericSchema>(schema: S, text: string, name: string): v.InferOutput<S> {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    throw corrupt(name, (error as Error).message, error);
  }
  const result = v.safeParse(schema, raw);
  if (!result.success) {
    const issue = result.issues[0];
    throw corrupt(name, `${v.getDotPath(issue) ?? 'file'}: ${issue.message}`);
  }
  return result.output;
}

function corrupt(name: string, what: string, cause?: unknown): TunnelerError {
  return new TunnelerError('identity.corrupt', `identity "${name}" cannot be read: ${what}`, {
    cause,
    details: { identity: name, next: 'restore the file from a backup, or remove the identity and enrol anew' },
  });
}

function apisOf(file: v.InferOutput<typeof foreignFile>, name: string): readonly string[] {
  const apis = file.ztAPIs !== undefined && file.ztAPIs !== null && file.ztAPIs.length > 0 ? file.ztAPIs : [file.ztAPI];
  const urls = apis.filter((api): api is string => typeof api === 'string' && URL.canParse(api));
  if (urls.length === 0) throw corrupt(name, 'ztAPI: expected the URL of a controller');
  return urls;
}

function reference(text: string | undefined): PemReference | undefined {
  if (text === undefined || text === '') return undefined;
  if (text.startsWith(pemPrefix) || text.startsWith('-----BEGIN')) return { kind: 'pem', pem: stripPem(text) };
  if (text.startsWith('file://')) return { kind: 'path', path: decodeURIComponent(text.slice('file://'.length)) };
  if (/^[a-z][a-z0-9+.-]+:/.test(text) && !/^[A-Za-z]:[\\/]/.test(text)) return { kind: 'uri', uri: text };
  return { kind: 'path', path: text };
}

function stripPem(text: string): string {
  return text.startsWith(pemPrefix) ? text.slice(pemPrefix.length) : text;
}

function unknownFields(file: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(file).filter(([field]) => !known.has(field)));
}
