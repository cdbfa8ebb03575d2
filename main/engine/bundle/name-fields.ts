/** Which fields hold names of people, machines and services; what is learned there is replaced wherever it turns up. */

export type NameKind = 'user' | 'service' | 'identity' | 'router' | 'agent' | 'host' | 'name' | 'id';

/** Learned at both levels of redaction: who the people are. */
export const userFields: ReadonlySet<string> = new Set(['user', 'username', 'owner', 'login']);

/** Learned at level `full`. */
export const nameFields: ReadonlyMap<string, NameKind> = new Map([
  ['service', 'service'],
  ['services', 'service'],
  ['workgroups', 'name'],
  ['identity', 'identity'],
  ['identities', 'identity'],
  ['controllerName', 'identity'],
  ['caller', 'identity'],
  ['router', 'router'],
  ['agent', 'agent'],
  ['device', 'host'],
  ['hostname', 'host'],
  ['host', 'host'],
  ['name', 'name'],
  ['group', 'name'],
  ['workgroup', 'name'],
  ['tool', 'name'],
  ['id', 'id'],
  ['controllerId', 'id'],
  ['terminator', 'id'],
  ['session', 'id'],
]);

/** Objects whose keys are names. */
export const namedByKey: ReadonlyMap<string, NameKind> = new Map([['agents', 'agent']]);

/** `host`, `host:port`, `*.host`, `host:1-5`, URL: where such a value names a machine, that is learned. */
export const placeFields: ReadonlySet<string> = new Set([
  'controller',
  'controllers',
  'address',
  'addresses',
  'destination',
  'source',
  'target',
  'server',
  'listen',
  'upstreams',
  'url',
  'forwards',
]);

/** `app:NAME`, `identity:NAME`, `service:NAME`. */
export const subjectFields: ReadonlySet<string> = new Set(['subject', 'subjects']);

/** Words of Culvert's own: a service that is called `open` must not turn every open session into `service-…`. */
export const ownWordFields: ReadonlySet<string> = new Set([
  'at',
  'attribution',
  'authentication',
  'backend',
  'closeReason',
  'code',
  'decision',
  'direction',
  'effect',
  'event',
  'guard',
  'hash',
  'health',
  'keystore',
  'kind',
  'level',
  'mfa',
  'mode',
  'permissions',
  'platform',
  'prev',
  'protocol',
  'protocols',
  'scope',
  'setting',
  'state',
  'status',
  'time',
  'type',
  'version',
  'via',
]);
