/** One device on the line, from its hello to its last record. Whatever it sends, it is told what is wrong and only its own line ends. */
import { randomBytes } from 'node:crypto';
import { genesisHash } from '../../audit/chain.ts';
import { verifyBytes, type NoteSigner } from '../../audit/note.ts';
import { isCertified, parseSigners, type SignerKey, type SignersFile } from '../../audit/signers.ts';
import type { WitnessAnswer } from '../../audit/witnessed.ts';
import type { Clock } from '../../base/clock.ts';
import { TunnelerError, toTunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { HostedRequest } from '../../hosting/hosting.ts';
import type { RecordLink } from '../record/record-link.ts';
import {
  isRecordLine,
  proofText,
  publicSigners,
  readFromDevice,
  type FromDevice,
  type RecordHead,
} from '../record/record-protocol.ts';
import { DeviceIntake, type IntakeFault } from './device-intake.ts';
import type { FleetAlertKind, FleetDevice, FleetOrder, FleetStore } from './fleet-store.ts';
import { nameDevice, type DeviceName } from './who-calls.ts';

/** What one device's line needs of its collector. */
export interface ConnectionDeps {
  readonly store: FleetStore;
  readonly key: NoteSigner;
  readonly wants: 'heads' | 'records';
  readonly service: string;
  readonly clock: Clock;
  readonly log: Log;
  /** The network's authorities, as the hosting identity knows them. */
  readonly caPem: () => string;
  readonly raise: (
    device: DeviceName & { readonly origin: string },
    kind: FleetAlertKind,
    text: string,
  ) => Promise<void>;
  /** Records were kept. */
  readonly kept?: () => void;
  /** It has said who it is and where it stands. */
  readonly joined: (connection: DeviceConnection) => void;
  readonly acked: (connection: DeviceConnection, ack: Extract<FromDevice, { type: 'ack' }>) => Promise<void>;
}

/** Records that go into the database in one go. */
const batchRecords = 1000;

/** One line, until either end closes it. */
export class DeviceConnection {
  readonly #deps: ConnectionDeps;
  readonly #link: RecordLink;
  readonly #caller: HostedRequest['caller'];
  #name: DeviceName = { name: '', asserted: 'nobody' };
  #signers: SignersFile | undefined;
  #device: FleetDevice | undefined;
  #offsetMs = 0;

  constructor(link: RecordLink, caller: HostedRequest['caller'], deps: ConnectionDeps) {
    this.#link = link;
    this.#caller = caller;
    this.#deps = deps;
  }

  get origin(): string {
    return this.#signers?.origin ?? '';
  }

  get name(): string {
    return this.#name.name;
  }

  /** Until it hangs up. Never rejects. */
  async run(): Promise<void> {
    try {
      const hello = await this.#expect('hello');
      const signers = readSignersOf(hello);
      await this.#prove(signers);
      this.#signers = signers;
      this.#offsetMs = Date.parse(hello.at) - this.#deps.clock.now();
      this.#name = nameDevice(this.#caller, signers, hello.certificates, this.#deps.caPem());
      if (hello.purpose === 'ask') await this.#answer(signers);
      else await this.#collect(signers);
      this.#link.close();
    } catch (error) {
      const failure = toTunnelerError(error);
      this.#deps.log.info('collect.line_ended', { device: this.name, code: failure.code, reason: failure.message });
      await this.#link.send({ type: 'conflict', reason: failure.message }).catch(() => undefined);
      this.#link.close();
    }
  }

  order({ id, text, signature }: FleetOrder): void {
    this.#link.send({ type: 'order', order: id, text, signature }).catch((error: unknown) => {
      this.#deps.log.debug('collect.order_waits', { device: this.name, order: id, error: toTunnelerError(error) });
    });
  }

  /** Another line of the same device took its place, or the collector stops. */
  end(): void {
    this.#link.reset();
  }

  async #expect<T extends FromDevice['type']>(type: T): Promise<Extract<FromDevice, { type: T }>> {
    const line = await this.#link.next();
    const message = line === undefined ? undefined : readFromDevice(line);
    if (message?.type !== type) throw new TunnelerError('base.invalid', `the device was to say ${type}`);
    return message as Extract<FromDevice, { type: T }>;
  }

  async #prove(signers: SignersFile): Promise<void> {
    const { key, wants } = this.#deps;
    const nonce = randomBytes(32).toString('hex');
    const publicKey = Buffer.from(key.publicKeySpki).toString('base64');
    await this.#link.send({ type: 'challenge', nonce, wants, witness: { name: key.name, publicKey } });
    const { signature } = await this.#expect('proof');
    const text = Buffer.from(proofText(nonce, signers.origin, publicKey));
    const newest = Buffer.from(newestOf(signers).publicKey, 'base64');
    if (!verifyBytes(newest, text, Buffer.from(signature, 'base64'))) {
      throw new TunnelerError('base.invalid', 'the device does not hold the key it names');
    }
  }

  /** What was seen of this device: its journal, and any other that the same identities vouched for. */
  async #answer(signers: SignersFile): Promise<void> {
    const { store, key, service, clock } = this.#deps;
    const vouching = new Set(
      signers.keys.flatMap(({ certificates }) => certificates.map(({ publicKey }) => publicKey)),
    );
    const isIts = (device: FleetDevice): boolean =>
      device.origin === signers.origin ||
      device.signers.keys.some(({ certificates }) => certificates.some(({ publicKey }) => vouching.has(publicKey)));
    const journals = [];
    for (const device of (await store.devices()).filter(isIts)) {
      journals.push({ signers: device.signers, caller: device.name, notes: [...(await store.notes(device.id))] });
    }
    const witness = { name: key.name, publicKey: Buffer.from(key.publicKeySpki).toString('base64') };
    const answer: WitnessAnswer = { witness, service, at: new Date(clock.now()).toISOString(), journals };
    await this.#link.send({ type: 'answer', answer });
  }

  async #collect(signers: SignersFile): Promise<void> {
    let device = await this.#known(signers);
    let stands = await this.#ask(device);
    if (!stands.agrees) {
      const less = stands.end.count < device.count;
      const text = less
        ? `it came back with ${stands.end.count} records, and ${device.count} are kept`
        : `its record ${device.count} is another than the one that is kept`;
      await this.#raise(less ? 'less' : 'forked', text);
      device = await this.#branch(device, signers);
      stands = await this.#ask(device);
    }
    this.#device = device;
    await this.#see();
    this.#deps.joined(this);
    await this.#takeIn(new DeviceIntake(device, signers, { ...this.#deps, now: () => this.#deps.clock.now() }));
  }

  /** The branch that is written to; a device nobody knew is a new one. */
  async #known(signers: SignersFile): Promise<FleetDevice> {
    const { store, clock } = this.#deps;
    const known = (await store.devices()).filter(({ origin }) => origin === signers.origin).at(-1);
    if (known === undefined) {
      const first = { origin: signers.origin, branch: 1, count: 0, head: genesisHash, nowMs: clock.now() };
      return store.addDevice({ ...this.#name, ...first, signers: publicSigners(signers) });
    }
    if (!known.signers.keys.every(({ publicKey }, epoch) => signers.keys[epoch]?.publicKey === publicKey)) {
      await this.#raise('forked', 'it names other signing keys than before');
      throw new TunnelerError('base.invalid', 'these are not the signing keys this journal had before');
    }
    if (signers.keys.length > known.signers.keys.length) {
      await this.#raise('new-key', `it signs with another key, of epoch ${newestOf(signers).epoch}`);
    }
    return known;
  }

  async #branch(before: FleetDevice, signers: SignersFile): Promise<FleetDevice> {
    const next = { origin: before.origin, branch: before.branch + 1, count: 0, head: genesisHash };
    return this.#deps.store.addDevice({
      ...this.#name,
      ...next,
      signers: publicSigners(signers),
      nowMs: this.#deps.clock.now(),
    });
  }

  async #ask(device: FleetDevice): Promise<{ readonly agrees: boolean; readonly end: RecordHead }> {
    await this.#link.send({ type: 'known', last: { count: device.count, head: device.head } });
    return this.#expect('stands');
  }

  async #takeIn(intake: DeviceIntake): Promise<void> {
    for await (const line of this.#link) {
      if (isRecordLine(line)) {
        const fault = intake.take(line);
        if (fault === undefined && intake.pending() < batchRecords && this.#link.waiting() > 0) continue;
        await this.#settle(await intake.flush());
        if (fault !== undefined) await this.#refuse(fault);
        continue;
      }
      if (intake.pending() > 0) await this.#settle(await intake.flush());
      await this.#hear(readFromDevice(line), intake);
    }
    await this.#settle(await intake.flush());
  }

  async #hear(message: FromDevice, intake: DeviceIntake): Promise<void> {
    switch (message.type) {
      case 'head':
        return this.#settle(await intake.takeHead(message.note));
      case 'alive':
        this.#offsetMs = Date.parse(message.at) - this.#deps.clock.now();
        return this.#see();
      case 'ack':
        return this.#deps.acked(this, message);
      default:
        throw new TunnelerError('base.invalid', `the device said ${message.type} out of turn`);
    }
  }

  async #settle({ cosigned, fault }: { readonly cosigned?: string; readonly fault?: IntakeFault }): Promise<void> {
    if (fault !== undefined) await this.#refuse(fault);
    if (cosigned !== undefined) await this.#link.send({ type: 'cosigned', note: cosigned });
  }

  async #refuse({ kind, text }: IntakeFault): Promise<never> {
    await this.#raise(kind, text);
    throw new TunnelerError('audit.tampered', text);
  }

  #raise(kind: FleetAlertKind, text: string): Promise<void> {
    return this.#deps.raise({ ...this.#name, origin: this.origin }, kind, text);
  }

  async #see(): Promise<void> {
    const { store, clock } = this.#deps;
    if (this.#device === undefined || this.#signers === undefined) return;
    const signers = publicSigners(this.#signers);
    await store.see(this.#device.id, {
      ...this.#name,
      signers,
      lastSeenMs: clock.now(),
      clockOffsetMs: Number.isFinite(this.#offsetMs) ? this.#offsetMs : 0,
    });
  }
}

/** Each key vouched for as it says, or the device is not heard. Throws `base.invalid`. */
function readSignersOf(hello: Extract<FromDevice, { type: 'hello' }>): SignersFile {
  const signers = parseSigners(hello.signers);
  if (signers === undefined) throw new TunnelerError('base.invalid', 'the device names no signing keys');
  const forged = signers.keys.some((key) => key.certificates.some((by) => !isCertified(signers.origin, key, by)));
  if (forged) throw new TunnelerError('base.invalid', 'an identity did not vouch for a signing key as is said');
  return signers;
}

function newestOf(signers: SignersFile): SignerKey {
  const newest = signers.keys.at(-1);
  if (newest === undefined) throw new Error('unreachable: the file has one key at least');
  return newest;
}
