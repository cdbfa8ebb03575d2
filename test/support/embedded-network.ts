/** The embedded overlay as a {@link Network}, in this very process. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  openOverlay,
  type AuthenticationOffer,
  type Overlay,
  type OverlayOptions,
} from '../../main/overlay/overlay.ts';
import type { PostureCheckRecord } from '../../main/overlay/model.ts';
import type {
  CreatedIdentity,
  Network,
  NetworkAdmin,
  NewIdentity,
  NewService,
  NewServicePolicy,
  PostureCheckSpec,
} from './network.ts';

/** Start one with its state in a directory of its own, removed with it. */
export async function openEmbeddedNetwork(
  authentication: AuthenticationOffer = 'both',
  options: OverlayOptions = {},
): Promise<EmbeddedNetwork> {
  const directory = await mkdtemp(join(tmpdir(), 'culvert-overlay-'));
  try {
    return new EmbeddedNetwork(await openOverlay({ dir: directory, authentication, ...options }), directory);
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

export class EmbeddedNetwork implements Network {
  readonly kind = 'embedded';
  readonly overlay: Overlay;
  readonly admin: NetworkAdmin;
  readonly #directory: string;

  constructor(overlay: Overlay, directory: string) {
    this.overlay = overlay;
    this.#directory = directory;
    this.admin = new EmbeddedAdmin(overlay);
  }

  get version(): string {
    return this.overlay.version;
  }

  get controllerUrl(): string {
    return this.overlay.controller;
  }

  get caPem(): string {
    return this.overlay.caPem;
  }

  /** A place for what belongs to this network: identity files, logs. Removed with it. */
  get home(): string {
    return this.#directory;
  }

  stopRouter(): Promise<void> {
    return this.overlay.stopRouter();
  }

  startRouter(): Promise<void> {
    return this.overlay.startRouter();
  }

  stopController(): Promise<void> {
    return this.overlay.stopController();
  }

  startController(): Promise<void> {
    return this.overlay.startController();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.overlay.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

class EmbeddedAdmin implements NetworkAdmin {
  readonly #overlay: Overlay;

  constructor(overlay: Overlay) {
    this.#overlay = overlay;
  }

  createIdentity(name: string, options: NewIdentity = {}): Promise<CreatedIdentity> {
    const { enrolment = 'ott', authPolicyId, ...rest } = options;
    const username = enrolment.startsWith('updb:') ? enrolment.slice('updb:'.length) : undefined;
    return this.#overlay.admin.createIdentity(name, {
      ...rest,
      ...(authPolicyId === undefined ? {} : { authPolicy: authPolicyId }),
      ...(username === undefined ? {} : { username }),
      enrollment: username !== undefined ? 'updb' : enrolment === 'none' ? 'none' : 'ott',
    });
  }

  createToken(identityId: string, expiresInMs: number): Promise<string> {
    return this.#overlay.admin.createToken(identityId, { expiresInMs });
  }

  deleteIdentity(id: string): Promise<void> {
    return this.#overlay.admin.deleteIdentity(id);
  }

  disableIdentity(id: string): Promise<void> {
    return this.#overlay.admin.disableIdentity(id);
  }

  enableIdentity(id: string): Promise<void> {
    return this.#overlay.admin.enableIdentity(id);
  }

  createService(service: NewService): Promise<string> {
    const { terminatorStrategy, ...rest } = service;
    const strategy =
      terminatorStrategy === 'sticky' || terminatorStrategy === 'random' || terminatorStrategy === 'weighted';
    return this.#overlay.admin.createService({ ...rest, ...(strategy ? { terminatorStrategy } : {}) });
  }

  deleteService(id: string): Promise<void> {
    return this.#overlay.admin.deleteService(id);
  }

  setServiceConfig(serviceId: string, type: string, data: unknown): Promise<void> {
    return this.#overlay.admin.setServiceConfig(serviceId, type, data);
  }

  createServicePolicy(policy: NewServicePolicy): Promise<string> {
    return this.#overlay.admin.createPolicy(policy);
  }

  deleteServicePolicy(id: string): Promise<void> {
    return this.#overlay.admin.deletePolicy(id);
  }

  endSessions(identityId: string): Promise<void> {
    return this.#overlay.admin.endSessions(identityId);
  }

  terminators(serviceId: string): Promise<readonly { readonly id: string; readonly identity: string }[]> {
    const rows = this.#overlay.admin.listTerminators(serviceId);
    return Promise.resolve(rows.map((row) => ({ id: row.id, identity: row.instanceId })));
  }

  certificateFingerprints(identityId: string): Promise<readonly string[]> {
    return Promise.resolve(this.#overlay.admin.certificateFingerprints(identityId));
  }

  requestRenewal(identityId: string, options: { readonly rollKeys?: boolean } = {}): Promise<void> {
    return this.#overlay.admin.requestRenewal(identityId, options);
  }

  createPostureCheck(check: PostureCheckSpec): Promise<string> {
    return this.#overlay.admin.createPostureCheck(asRecord(check));
  }
}

function asRecord(
  check: PostureCheckSpec,
): Pick<
  PostureCheckRecord,
  | 'kind'
  | 'timeoutSeconds'
  | 'promptOnWake'
  | 'promptOnUnlock'
  | 'processes'
  | 'operatingSystems'
  | 'domains'
  | 'macAddresses'
> {
  if (check.type === 'MFA') {
    const { timeoutSeconds = -1, promptOnWake = false, promptOnUnlock = false } = check;
    return { kind: 'MFA', timeoutSeconds, promptOnWake, promptOnUnlock };
  }
  if (check.type === 'OS') return { kind: 'OS', operatingSystems: [{ type: check.osType, versions: check.versions }] };
  if (check.type === 'DOMAIN') return { kind: 'DOMAIN', domains: check.domains };
  if (check.type === 'MAC') return { kind: 'MAC', macAddresses: check.macAddresses };
  const { path, osType, hashes = [] } = check;
  return { kind: 'PROCESS', processes: [{ path, osType, hashes, signerFingerprints: [] }] };
}
