/**
 * Keys for models that are worth nothing anywhere else: one an agent, for programs that insist on a key. Each is an HMAC by a secret of this
 * device over the account of the agent's identity, the agent and the key's own salt; only a digest of it is kept, so that a key can be checked
 * without the secret, and made again with it. A provider's key is never here: that is put in where the service is hosted.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import * as v from 'valibot';
import type { AuditWriter } from '../../audit/record.ts';
import type { ModelKeyView, ShownModelKeyView } from '../../api/agent-views.ts';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { isTunnelerError, toTunnelerError, TunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { SerialQueue } from '../../base/serial-queue.ts';
import type { KeptSecrets } from '../../guard/data/kept-secrets.ts';
import { modelKeyPrefix, type KeyVerdict } from '../../guard/http/model-key.ts';
import type { KeyUnlock } from '../../identity/identities.ts';
import { openSecretStore, type SecretKeystore } from '../../identity/secrets.ts';
import { readKept, writeKept } from '../runtime/kept-file.ts';

const row = v.object({
  id: v.pipe(v.string(), v.regex(/^[0-9a-f]{12}$/)),
  /** Absent: programs that are no agent. */
  agent: v.optional(v.string()),
  /** What stands for the agent's identity; empty where it has none of its own. */
  account: v.string(),
  generation: v.pipe(v.number(), v.integer()),
  salt: v.string(),
  /** Lower-hex SHA-256 of the key. */
  digest: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  madeAt: v.string(),
  revokedAt: v.optional(v.string()),
});
type Row = Readonly<v.InferOutput<typeof row>>;

const file = v.object({ version: v.literal(1), keys: v.array(row) });
const words = { unknown: 'which keys for models were made and taken back', removing: 'makes every such key worthless' };
const secretName = 'device';
const secretBytes = 32;

/** Whose key it is. */
export interface KeyHolder {
  /** The binding; undefined: a program that is no agent. */
  readonly agent: string | undefined;
  /** See {@link ModelKeysDeps.accountOf}. */
  readonly account: string;
}

/** Where keys are kept and recorded. */
export interface ModelKeysDeps {
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly audit: AuditWriter;
  readonly log: Log;
  readonly unlock: KeyUnlock;
  /** Where the device's secret is kept the first time. */
  readonly keystore: () => Promise<SecretKeystore>;
  /** Looked for where contracts ask for secrets. */
  readonly keptSecrets: Pick<KeptSecrets, 'keep' | 'forget'>;
  /** What stands for the identity that this agent is bound to; empty where it is bound to none. */
  readonly accountOf: (agent: string | undefined) => string;
}

/** The keys of this device. */
export class ModelKeyBook {
  readonly #deps: ModelKeysDeps;
  readonly #path: string;
  readonly #changes = new SerialQueue();
  #keys: readonly Row[];
  #secret: Promise<Buffer> | undefined;

  /** Throws `engine.state_unusable` where it is not known what was taken back. */
  constructor(deps: ModelKeysDeps) {
    this.#deps = deps;
    this.#path = join(deps.stateDirectory, 'model-keys.json');
    this.#keys = readKept(this.#path, file, words)?.keys ?? [];
  }

  /** Oldest first; never a key. */
  list(): readonly ModelKeyView[] {
    return this.#keys.map(viewOf);
  }

  /** The key of this agent, made where it has none; others that it has are taken back then. Throws `identity.passphrase_missing` and the like where nothing keeps the device's secret. */
  of(agent: string | undefined): Promise<ShownModelKeyView> {
    return this.#changes.run(async () => {
      const holder = { agent, account: this.#deps.accountOf(agent) };
      const secret = await this.#opened();
      const known = this.#shown(holder, secret);
      if (known !== undefined) return known;
      // Made with another secret, or for another identity: nobody is to hold two.
      for (const key of this.#keys) if (key.agent === agent && key.revokedAt === undefined) this.#revoke(key);
      return this.#make(holder, secret);
    });
  }

  /**
   * The same, for a program that may do without: undefined where nothing here keeps the device's secret, or it is locked. Not `renewed`: no key
   * is taken back, so that there is none either where one stands that was made with another secret.
   */
  async ifKept(agent: string | undefined, renewed: boolean): Promise<string | undefined> {
    try {
      return (await (renewed ? this.of(agent) : this.#asItStands(agent)))?.value;
    } catch (error) {
      this.#deps.log.info('agents.no_model_key', { agent: agent ?? null, error: toTunnelerError(error) });
      return undefined;
    }
  }

  /** Take it back: from now on it is worth nothing. Idempotent. Throws `agent.key_unknown`. */
  revoke(id: string): ModelKeyView {
    const found = this.#keys.find((key) => key.id === id);
    if (found === undefined) {
      throw new TunnelerError('agent.key_unknown', `there is no key ${id} for models here`, {
        details: { key: id, next: 'culvert llm keys list names those there are' },
      });
    }
    return viewOf(this.#revoke(found));
  }

  /** What a key is worth in the hands of this program. */
  check(key: string, by: KeyHolder): KeyVerdict {
    const digest = Buffer.from(digestOf(key), 'hex');
    const found = this.#keys.find((one) => timingSafeEqual(Buffer.from(one.digest, 'hex'), digest));
    if (found === undefined) {
      return {
        kind: 'refused',
        why: `the key is none of this device: culvert env${forAgent(by.agent)} shows the right one`,
      };
    }
    const { id, agent, account, revokedAt } = found;
    const refused = (why: string): KeyVerdict => ({ kind: 'refused', id, why });
    if (revokedAt !== undefined) return refused(`the key ${id} was revoked on ${revokedAt.slice(0, 10)}`);
    if (agent !== by.agent) {
      const whose = agent === undefined ? 'programs that are no agent' : `the agent "${agent}"`;
      return refused(`the key ${id} was made for ${whose}: culvert env${forAgent(by.agent)} shows the right one`);
    }
    if (account !== this.#deps.accountOf(agent) || (account !== '' && account !== by.account)) {
      return refused(
        `the key ${id} was made for another identity: culvert env${forAgent(by.agent)} shows the right one`,
      );
    }
    return { kind: 'good', id };
  }

  #asItStands(agent: string | undefined): Promise<ShownModelKeyView | undefined> {
    return this.#changes.run(async () => {
      const holder = { agent, account: this.#deps.accountOf(agent) };
      const secret = await this.#opened();
      const known = this.#shown(holder, secret);
      if (known !== undefined) return known;
      return this.#activeOf(holder) === undefined ? this.#make(holder, secret) : undefined;
    });
  }

  #activeOf({ agent, account }: KeyHolder): Row | undefined {
    return this.#keys.find((key) => key.agent === agent && key.account === account && key.revokedAt === undefined);
  }

  /** The key that there is; undefined where it was made with another secret. */
  #shown(holder: KeyHolder, secret: Buffer): ShownModelKeyView | undefined {
    const known = this.#activeOf(holder);
    const value = known && keyOf(known, secret);
    if (known === undefined || value === undefined || digestOf(value) !== known.digest) return undefined;
    this.#deps.keptSecrets.keep(nameOf(known.id), value);
    return { ...viewOf(known), value };
  }

  #make({ agent, account }: KeyHolder, secret: Buffer): ShownModelKeyView {
    const before = this.#keys.filter((key) => key.agent === agent);
    const bare = {
      id: randomBytes(6).toString('hex'),
      account,
      generation: before.length + 1,
      salt: randomBytes(16).toString('hex'),
      madeAt: new Date(this.#deps.clock.now()).toISOString(),
      ...defined({ agent }),
    };
    const value = keyOf(bare, secret);
    const made: Row = { ...bare, digest: digestOf(value) };
    this.#keep([...this.#keys, made]);
    this.#deps.keptSecrets.keep(nameOf(made.id), value);
    this.#deps.audit.recordOrLog({ kind: 'model-key.made', ...told(made) });
    return { ...viewOf(made), value };
  }

  #revoke(found: Row): Row {
    if (found.revokedAt !== undefined) return found;
    const revoked = { ...found, revokedAt: new Date(this.#deps.clock.now()).toISOString() };
    this.#keep(this.#keys.map((key) => (key.id === found.id ? revoked : key)));
    this.#deps.keptSecrets.forget(nameOf(found.id));
    this.#deps.audit.recordOrLog({ kind: 'model-key.revoked', ...told(found) });
    return revoked;
  }

  #keep(keys: readonly Row[]): void {
    writeKept(this.#path, { version: 1, keys });
    this.#keys = keys;
  }

  #opened(): Promise<Buffer> {
    this.#secret ??= this.#open();
    // What is locked now may be open the next time.
    this.#secret.catch(() => (this.#secret = undefined));
    return this.#secret;
  }

  async #open(): Promise<Buffer> {
    const { stateDirectory, clock, unlock, keystore } = this.#deps;
    const store = openSecretStore(join(stateDirectory, 'model-keys'), () => clock.now());
    try {
      return Buffer.from(await store.open(secretName, unlock), 'base64');
    } catch (error) {
      if (!isTunnelerError(error, 'identity.secret_unknown')) throw error;
    }
    const made = randomBytes(secretBytes);
    await store.set(secretName, made.toString('base64'), await keystore(), unlock);
    return made;
  }
}

function keyOf({ id, agent, account, generation, salt }: Omit<Row, 'digest' | 'madeAt'>, secret: Buffer): string {
  const text = JSON.stringify(['culvert model key 1', account, agent ?? null, generation, salt]);
  return `${modelKeyPrefix}${id}-${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

function digestOf(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

function nameOf(id: string): string {
  return `model key ${id}`;
}

function forAgent(agent: string | undefined): string {
  return agent === undefined ? '' : ` --agent ${agent}`;
}

function told({ id, agent, generation }: Row): Readonly<Record<string, unknown>> {
  return { modelKey: id, agent: agent ?? null, generation };
}

function viewOf({ id, agent, generation, madeAt, revokedAt }: Row): ModelKeyView {
  const state = revokedAt === undefined ? 'active' : 'revoked';
  return { id, generation, state, madeAt, ...defined({ agent, revokedAt }) };
}
