/** One client at the router: its greeting, its authentication, and what it does on its channel afterwards. */
import type { Log } from '../../base/log.ts';
import { contentType } from '../../ziti/wire/content-type.ts';
import { edgeErrorCode } from '../../ziti/wire/edge-error.ts';
import { helloSequence, type Frame } from '../../ziti/wire/frame.ts';
import { headerId } from '../../ziti/wire/header-id.ts';
import { bytesText, readU32 } from '../../ziti/wire/little-endian.ts';
import { sessionOfClaims } from '../controller/context.ts';
import type { ApiSessionRecord, PolicyType } from '../model.ts';
import type { AccessDecision } from '../network.ts';
import { fingerprintOf } from '../pki.ts';
import { stringClaim } from '../token.ts';
import { admit, type Admission } from './admission.ts';
import { headers, type RouterChannel } from './channel.ts';
import { senderRole, type Circuit, type CircuitRole } from './circuit.ts';
import type { Client, Connection, RefusalFault } from './client.ts';
import { connect } from './dialing.ts';
import { bind, removeTerminator, unbind, updateBind } from './hosting.ts';
import { readPostureMessage } from './posture-message.ts';
import { Pushes } from './pushes.ts';
import type { RouterContext } from './context.ts';

const firstHostedConnId = 0x8000_0000;
/** Release 2.1's: several control underlays, ConnectV2, service updates, posture checks, BindSuccess, and one that is not for clients. */
const capabilities = Uint8Array.of(0x40, 0, 0, 0, 0, 0, 0, 0x76);

/** A {@link Client} from its first frame on; it lives as long as its channel. */
export class EdgeSession implements Client {
  readonly channel: RouterChannel;
  readonly connections = new Map<number, Connection>();
  readonly #router: RouterContext;
  readonly #log: Log;
  #admission: Admission | undefined;
  /** Present once the client is known, on a release that pushes. */
  #pushes: Pushes | undefined;
  #greeted = false;
  #nextHostedConnId = firstHostedConnId;

  constructor(router: RouterContext, channel: RouterChannel) {
    this.#router = router;
    this.channel = channel;
    this.#log = router.log.child({ channel: channel.id });
    channel.start({ frame: (frame) => this.#take(frame), closed: () => this.#closed() });
  }

  get identityId(): string {
    return this.#admission?.session.identityId ?? '';
  }

  get identityName(): string {
    return this.#router.network.identities.get(this.identityId)?.name ?? '';
  }

  get apiSession(): ApiSessionRecord | undefined {
    return this.#admission?.session;
  }

  get tokenExpiresAt(): number {
    return this.#admission?.expiresAt ?? Infinity;
  }

  set tokenExpiresAt(atMs: number) {
    if (this.#admission !== undefined) this.#admission = { ...this.#admission, expiresAt: atMs };
  }

  networkChanged(): void {
    this.#pushes?.networkChanged();
  }

  decide(serviceId: string, type: PolicyType): AccessDecision {
    const session = this.#admission?.session;
    return session === undefined ? { kind: 'no-policy' } : this.#router.network.decide(session, serviceId, type);
  }

  newHostedConnId(): number {
    do {
      this.#nextHostedConnId = this.#nextHostedConnId >= 0xffff_fffe ? firstHostedConnId : this.#nextHostedConnId + 1;
    } while (this.connections.has(this.#nextHostedConnId));
    return this.#nextHostedConnId;
  }

  sendClosed(
    connId: number | undefined,
    reason: string,
    request?: Pick<Frame, 'sequence' | 'headers'>,
    fault?: RefusalFault,
  ): void {
    const list = headers();
    if (fault !== undefined && this.#router.release === '2.1') {
      list
        .u32(headerId.errorCode, fault.code)
        .string(headerId.structuredError, JSON.stringify({ message: reason, retryHint: 0, ...fault }));
    }
    if (connId !== undefined) list.u32(headerId.connId, connId);
    const body = Buffer.from(reason);
    if (request === undefined) this.channel.send(contentType.stateClosed, list, body);
    else this.channel.reply(request, contentType.stateClosed, list, body);
  }

  #take(frame: Frame): void {
    if (!this.#greeted) {
      this.#greet(frame);
      return;
    }
    if (frame.contentType === contentType.latency || frame.contentType === contentType.ping) {
      this.channel.reply(frame, contentType.result, headers().bool(headerId.resultSuccess, true));
      return;
    }
    // Until the session is known to be good, and ever after where it is not, what comes is lost.
    if (this.#admission === undefined) return;
    this.#dispatch(frame, this.#admission.session);
  }

  #dispatch(frame: Frame, session: ApiSessionRecord): void {
    switch (frame.contentType) {
      case contentType.data:
        this.#takeData(frame);
        break;
      case contentType.xgPayload:
      case contentType.xgAcknowledgement:
      case contentType.xgControl:
        this.#xgressCircuit(frame)?.takeXgress(senderRole(frame), frame);
        break;
      case contentType.xgClose:
        this.#closeXgress(bytesText(frame.body));
        break;
      case contentType.stateClosed:
        this.#takeClosed(frame);
        break;
      case contentType.connect:
      case contentType.connectV2:
        connect(this.#router, this, session, frame);
        break;
      case contentType.bind:
        bind(this.#router, this, session, frame);
        break;
      case contentType.unbind:
        unbind(this.#router, this, session, frame);
        break;
      case contentType.updateBind:
        updateBind(this.#router, this, session, frame);
        break;
      case contentType.updateToken:
        this.#updateToken(session, frame);
        break;
      case contentType.subscribeToServiceUpdates:
        this.#pushes?.subscribe();
        break;
      case contentType.unsubscribeFromServiceUpdates:
        this.#pushes?.unsubscribe();
        break;
      case contentType.resyncPostureState:
        this.#pushes?.resyncPosture();
        break;
      case contentType.postureResponse:
        this.#takePosture(session, frame);
        break;
      case contentType.dialSuccess:
        // Too late: nobody waits for it any more.
        if (frame.body.length >= 4) this.sendClosed(readU32(frame.body, 0), 'close called');
        break;
      case contentType.traceRoute:
        this.#traceRoute(frame);
        break;
      default:
        // Health events, late replies and unknown kinds: a real router does nothing with them either.
        this.#log.trace('overlay.frame_ignored', { contentType: frame.contentType });
    }
  }

  #greet(frame: Frame): void {
    const token = frame.headers.string(headerId.sessionToken);
    if (frame.contentType !== contentType.hello || frame.sequence !== helloSequence || token === undefined) {
      this.channel.close();
      return;
    }
    this.#greeted = true;
    const list = headers()
      .bool(headerId.resultSuccess, true)
      .string(headerId.connectionId, this.channel.id)
      .string(headerId.routerId, this.#router.id)
      .string(
        headerId.helloVersion,
        `${this.#router.version}|culvert-overlay|2026-01-01|${process.platform}|${process.arch}`,
      )
      .bool(headerId.supportsBindSuccess, true)
      .bool(headerId.supportsPostureChecks, true);
    if (this.#router.release === '2.1') list.bytes(headerId.routerCapabilities, capabilities);
    this.channel.reply(frame, contentType.result, list);
    const leaf = this.channel.clientCertificates[0];
    this.#admission = leaf === undefined ? undefined : admit(this.#router, token, leaf);
    if (this.#admission === undefined) {
      this.#log.info('overlay.channel_refused', { fingerprint: leaf === undefined ? undefined : fingerprintOf(leaf) });
      // A real router says nothing either: it waits for the session to become known, then drops the connection.
      this.#router.clock.after(this.#router.rejectDelayMs, () => this.channel.close());
      return;
    }
    if (this.#router.release === '2.1')
      this.#pushes = new Pushes(this.#router.network, this.channel, this.#admission.session);
    this.#log.info('overlay.channel_opened', { identity: this.identityName, kind: this.#admission.session.kind });
  }

  #circuitOf(frame: Frame): Extract<Connection, { kind: 'circuit' }> | undefined {
    const connection = this.connections.get(frame.headers.u32(headerId.connId) ?? -1);
    return connection?.kind === 'circuit' ? connection : undefined;
  }

  #takeData(frame: Frame): void {
    const own = this.#circuitOf(frame);
    own?.circuit.takeData(own.role, frame);
  }

  /** The circuit of an xgress message, provided this client is the side that the message says it is. */
  #xgressCircuit(frame: Frame): Circuit | undefined {
    const circuitId = frame.headers.string(headerId.xgCircuitId);
    return circuitId === undefined ? undefined : this.#ownCircuit(circuitId, senderRole(frame))?.circuit;
  }

  #ownCircuit(circuitId: string, role: CircuitRole): Extract<Connection, { kind: 'circuit' }> | undefined {
    const circuit = this.#router.circuits.get(circuitId);
    const connId = circuit?.connIdOn(this.channel, role);
    const connection = connId === undefined ? undefined : this.connections.get(connId);
    return connection?.kind === 'circuit' ? connection : undefined;
  }

  #closeXgress(circuitId: string): void {
    for (const role of ['dialer', 'host'] as const) {
      const own = this.#ownCircuit(circuitId, role);
      if (own !== undefined) {
        own.circuit.takeClose(role);
        return;
      }
    }
  }

  #takeClosed(frame: Frame): void {
    const connId = frame.headers.u32(headerId.connId);
    const connection = connId === undefined ? undefined : this.connections.get(connId);
    if (connection?.kind === 'circuit') connection.circuit.takeClose(connection.role);
    if (connection?.kind === 'connecting') connection.cancelled = true;
    if (connection?.kind === 'terminator') removeTerminator(this.#router, connection.terminator);
  }

  #updateToken(session: ApiSessionRecord, frame: Frame): void {
    if (session.kind === 'legacy') {
      // Release 1.7 leaves this unanswered; 2.0 refuses it.
      if (this.#router.release === '1.7') return;
      this.#refuseToken(frame, edgeErrorCode.invalidApiSessionType, 'channel is not authenticated by a bearer token');
      return;
    }
    const { network, signer } = this.#router;
    const verified = signer.verify(bytesText(frame.body), network.clock.now());
    const found = verified.ok ? sessionOfClaims(network, verified.claims) : undefined;
    if (
      !verified.ok ||
      found === undefined ||
      found.session.id !== session.id ||
      stringClaim(verified.claims, 'sub') !== session.identityId
    ) {
      this.#refuseToken(frame, edgeErrorCode.invalidApiSession, 'invalid api session');
      return;
    }
    this.#router.tokenUpdated(session.id, Number(verified.claims['exp']) * 1000);
    this.channel.reply(frame, contentType.updateTokenSuccess, headers());
  }

  #refuseToken(frame: Frame, code: number, message: string): void {
    const list = headers()
      .u32(headerId.errorCode, code)
      .string(headerId.structuredError, JSON.stringify({ code, message, retryHint: 2 }));
    this.channel.reply(frame, contentType.updateTokenFailure, list, Buffer.from(`code: ${code}, message: ${message}`));
    this.#router.clock.after(50, () => this.channel.close());
  }

  #takePosture(session: ApiSessionRecord, frame: Frame): void {
    const { network, signer, clock } = this.#router;
    const message = readPostureMessage(frame.body);
    if (message === undefined) return;
    const totp = message.totpToken === undefined ? undefined : signer.verify(message.totpToken, clock.now());
    network.updatePosture(session, (facts) => {
      Object.assign(facts, message.facts);
      if (message.woken) facts.wokenAt = clock.now();
      if (message.unlocked) facts.unlockedAt = clock.now();
      if (totp?.ok === true && totp.claims['z_t'] === 't' && totp.claims['z_asid'] === session.id) {
        facts.totpPassedAt = Number(totp.claims['iat']) * 1000;
      }
    });
  }

  #traceRoute(frame: Frame): void {
    const hops = frame.headers.u32(headerId.traceHopCount) ?? 0;
    const list = headers()
      .u32(headerId.connId, frame.headers.u32(headerId.connId) ?? 0)
      .u32(headerId.traceHopCount, Math.max(0, hops - 1))
      .u64(headerId.timestamp, frame.headers.u64(headerId.timestamp) ?? 0)
      .string(headerId.traceHopType, 'xgress/edge')
      .string(headerId.traceHopId, '');
    this.channel.reply(frame, contentType.traceRouteResponse, list);
  }

  #closed(): void {
    for (const connection of [...this.connections.values()]) {
      if (connection.kind === 'circuit') connection.circuit.takeChannelLoss(connection.role);
      if (connection.kind === 'connecting') connection.cancelled = true;
      if (connection.kind === 'terminator') removeTerminator(this.#router, connection.terminator);
    }
    this.connections.clear();
    this.#router.clientClosed(this);
  }
}
