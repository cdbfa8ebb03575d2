/** Connect: from a client's wish to a circuit through a terminator, in the words a real router uses when it fails. */
import { contentType } from '../../ziti/wire/content-type.ts';
import type { Frame } from '../../ziti/wire/frame.ts';
import { headerId } from '../../ziti/wire/header-id.ts';
import { bytesText, copyBytes, readU32 } from '../../ziti/wire/little-endian.ts';
import { newId } from '../ids.ts';
import type { ApiSessionRecord, ServiceRecord } from '../model.ts';
import { headers } from './channel.ts';
import { Circuit } from './circuit.ts';
import { edgeErrorCode } from '../../ziti/wire/edge-error.ts';
import type { Client, RefusalFault, Terminator } from './client.ts';
import type { RouterContext } from './context.ts';
import type { AccessDecision, Network } from '../network.ts';
import type { TokenSigner } from '../token.ts';
import { readServiceToken } from './service-token.ts';
import { chooseTerminator } from './terminators.ts';

/** Route attempts (openziti/ziti: controller/network options) and how long a host may take to answer each. */
const maxAttempts = 2;
const hostAnswerMs = 5000;
const routerControlId = 'overlay-controller';

/** What is kept of a Connect while it is under way: its frame is borrowed. */
interface Attempt {
  readonly router: RouterContext;
  readonly dialer: Client;
  readonly connId: number;
  readonly request: Pick<Frame, 'sequence' | 'headers'>;
  /** Of the service session, empty for a dial without one. */
  readonly serviceSessionId: string;
  readonly service: ServiceRecord;
  readonly instanceId: string;
  readonly usesXgress: boolean;
  readonly stickyId: string | undefined;
  readonly circuitId: string;
}

/** Handle a Connect; the client gets StateConnected or StateClosed in answer. */
export function connect(router: RouterContext, dialer: Client, apiSession: ApiSessionRecord, frame: Frame): void {
  const { network, signer } = router;
  const connId = frame.headers.u32(headerId.connId);
  if (connId === undefined) {
    dialer.sendClosed(undefined, 'connId not set, required', frame);
    return;
  }
  if (dialer.connections.has(connId)) {
    dialer.sendClosed(connId, `sink id ${connId} already in use`, frame);
    return;
  }
  const target =
    frame.contentType === contentType.connectV2
      ? targetByName(network, apiSession, frame)
      : targetBySession(network, signer, apiSession, frame);
  const refusal = 'service' in target ? refuse(router, dialer, apiSession, target.service, frame) : target;
  if (!('service' in target) || refusal !== undefined) {
    const { reason, fault } = refusal ?? invalidService;
    dialer.sendClosed(connId, reason, frame, fault);
    return;
  }
  const { service, serviceSessionId } = target;
  dialer.connections.set(connId, {
    kind: 'connecting',
    serviceId: service.id,
    serviceSessionId,
    cancelled: false,
  });
  const sticky = frame.headers.bytes(headerId.stickinessToken);
  const attempt: Attempt = {
    router,
    dialer,
    connId,
    request: { sequence: frame.sequence, headers: headersCopy(frame) },
    serviceSessionId,
    service,
    instanceId: frame.headers.string(headerId.terminatorIdentity) ?? '',
    usesXgress: frame.headers.bool(headerId.useXgressToSdk),
    stickyId: sticky === undefined ? undefined : bytesText(sticky),
    circuitId: newId(22),
  };
  tryTerminator(attempt, 1, new Set());
}

function headersCopy(frame: Frame): Frame['headers'] {
  const list = headers();
  for (const [id, value] of frame.headers.entries()) list.bytes(id, copyBytes(value));
  return list.toBlock();
}

/** A router's word of why not, and the same as a code. */
interface Refusal {
  readonly reason: string;
  readonly fault: RefusalFault;
}

const invalidService: Refusal = { reason: 'invalid service', fault: { code: edgeErrorCode.invalidService } };

interface Target {
  readonly service: ServiceRecord;
  readonly serviceSessionId: string;
}

/** Release 2.1: the API session counts, and the service stands in the headers, by id or by name. */
function targetByName(network: Network, apiSession: ApiSessionRecord, frame: Frame): Target | Refusal {
  if (apiSession.kind !== 'oidc') {
    const reason = 'connect-v2 requires an OIDC API session';
    return { reason, fault: { code: edgeErrorCode.invalidApiSessionType } };
  }
  const given = frame.headers.string(headerId.serviceId) ?? '';
  const byName = frame.headers.u8(headerId.serviceIdentifierType) === 1;
  const service = byName ? network.services.find(({ name }) => name === given) : network.services.get(given);
  if (service !== undefined) return { service, serviceSessionId: '' };
  return { reason: 'service not found', fault: { code: edgeErrorCode.invalidService } };
}

function targetBySession(
  network: Network,
  signer: TokenSigner,
  apiSession: ApiSessionRecord,
  frame: Frame,
): Target | Refusal {
  const read = readServiceToken(network, signer, apiSession, bytesText(frame.body));
  if (!read.ok) return { reason: read.reason, fault: { code: edgeErrorCode.invalidSession } };
  if (read.token.type !== 'Dial') {
    return { reason: 'incorrect session type', fault: { code: edgeErrorCode.wrongSessionType } };
  }
  const service = network.services.get(read.token.serviceId);
  return service === undefined ? invalidService : { service, serviceSessionId: read.token.id };
}

/** Why this Connect may not be, in a router's words; undefined where it may. */
function refuse(
  router: RouterContext,
  dialer: Client,
  apiSession: ApiSessionRecord,
  service: ServiceRecord,
  frame: Frame,
): Refusal | undefined {
  const decision = dialer.decide(service.id, 'Dial');
  if (decision.kind === 'posture' && router.release === '2.1') return postureRefusal(decision);
  if (decision.kind !== 'granted') {
    const reason = apiSession.kind === 'oidc' ? 'no access to service, failed dial access check' : 'invalid session';
    return { reason, fault: { code: edgeErrorCode.accessDenied } };
  }
  if (service.encryptionRequired && !frame.headers.has(headerId.publicKey)) {
    const reason = 'encryption required on service, initiator did not send public header';
    return { reason, fault: { code: edgeErrorCode.encryptionDataMissing } };
  }
  return undefined;
}

/** In the words of openziti/ziti: router/posture/errors.go. */
function postureRefusal({ failing }: Extract<AccessDecision, { kind: 'posture' }>): Refusal {
  const checks = failing.flatMap((one) => one.checks);
  const sentences = failing.map(({ policy, checks: failed }) => {
    const causes = failed.map(({ name, id }) => `posture check ${name} [${id}] failed due to error(s): not satisfied`);
    return `policy ${policy.name} [${policy.id}] failed due to ${failed.length} error(s): ${causes.join(', ')}`;
  });
  return {
    reason: `${failing.length} policies failed: ${sentences.join('; ')}`,
    fault: {
      code: edgeErrorCode.postureCheckFailed,
      failingPostureCheckIds: [...new Set(checks.map(({ id }) => id))].sort(),
    },
  };
}

function tryTerminator(attempt: Attempt, number: number, failed: Set<Terminator>): void {
  const { terminators } = attempt.router;
  const all = terminators.candidates(attempt.service.id, attempt.instanceId);
  const fresh = all.filter((entry) => !failed.has(entry));
  const chosen = chooseTerminator(fresh.length > 0 ? fresh : all, attempt.service.terminatorStrategy, attempt.stickyId);
  if (chosen === undefined) {
    const instance = attempt.instanceId === '' ? '' : ` for instanceId ${attempt.instanceId}`;
    fail(attempt, `service ${attempt.service.id} has no terminators${instance}`);
    return;
  }
  // From release 2.1 on the host's answer may bring its key.
  if (attempt.service.encryptionRequired && chosen.publicKey === undefined && attempt.router.release !== '2.1') {
    fail(attempt, 'encryption required on service, terminator did not send public header');
    return;
  }
  dialHost(attempt, chosen, (problem) => {
    chosen.failures++;
    failed.add(chosen);
    if (number < maxAttempts && isWaiting(attempt)) tryTerminator(attempt, number + 1, failed);
    else {
      fail(
        attempt,
        `exceeded maximum [${maxAttempts}] retries creating circuit [c/${attempt.circuitId}] (error creating route for ` +
          `[c/${attempt.circuitId}] on [r/${attempt.router.id}] (${problem}))`,
      );
    }
  });
}

function isWaiting(attempt: Attempt): boolean {
  const connection = attempt.dialer.connections.get(attempt.connId);
  return connection?.kind === 'connecting' && !connection.cancelled && !attempt.dialer.channel.isClosed;
}

function fail(attempt: Attempt, reason: string): void {
  const { dialer, connId } = attempt;
  if (dialer.connections.get(connId)?.kind === 'connecting') dialer.connections.delete(connId);
  if (!dialer.channel.isClosed) dialer.sendClosed(connId, reason, attempt.request, { code: edgeErrorCode.internal });
}

/** Ask the host; on success the circuit exists before this call's reply handler returns, so no data can overtake it. */
function dialHost(attempt: Attempt, terminator: Terminator, onFailure: (problem: string) => void): void {
  const { host } = terminator;
  const given = attempt.request.headers;
  const assignedId = terminator.routerAssignsIds ? host.newHostedConnId() : undefined;
  const list = headers().u32(headerId.connId, terminator.bindConnId).string(headerId.circuitId, attempt.circuitId);
  for (const id of [headerId.publicKey, headerId.callerId, headerId.appData, headerId.connectionMarker]) {
    const value = given.bytes(id);
    if (value !== undefined) list.bytes(id, value);
  }
  if (assignedId !== undefined) list.u32(headerId.routerProvidedConnId, assignedId);
  if (terminator.usesXgress) addXgress(list, `${attempt.circuitId}-host`);
  if (attempt.router.release !== '1.7') {
    list.string(headerId.dialerIdentityId, attempt.dialer.identityId);
    list.string(headerId.dialerIdentityName, attempt.dialer.identityName);
  }
  // Holds the id, so that another dial meanwhile gets another one.
  if (assignedId !== undefined) {
    host.connections.set(assignedId, {
      kind: 'connecting',
      serviceId: attempt.service.id,
      serviceSessionId: terminator.serviceSessionId,
      cancelled: false,
    });
  }
  host.channel.request(contentType.dial, list, Buffer.from(terminator.token), hostAnswerMs, (reply) => {
    if (assignedId !== undefined) host.connections.delete(assignedId);
    if (reply?.contentType !== contentType.dialSuccess) {
      const said = reply === undefined ? 'timeout waiting for message reply' : bytesText(reply.body);
      onFailure(
        reply === undefined
          ? said
          : `failed to establish connection with terminator address ${terminator.id}. error: (${said})`,
      );
      return;
    }
    const hostConnId = assignedId ?? (reply.body.length >= 4 ? readU32(reply.body, 0) : 0);
    if (!isWaiting(attempt)) {
      // Cancelled, revoked or gone meanwhile.
      fail(attempt, 'close called');
      host.sendClosed(hostConnId, 'close called');
      return;
    }
    if (assignedId === undefined) {
      host.channel.reply(reply, contentType.stateConnected, headers().u32(headerId.connId, hostConnId));
    }
    const hostKey = keyOfHost(attempt, terminator, reply);
    if (hostKey === undefined && attempt.service.encryptionRequired) {
      fail(attempt, 'encryption required on service, terminator did not send public header');
      host.sendClosed(hostConnId, 'close called');
      return;
    }
    establish(attempt, terminator, hostConnId, hostKey);
  });
}

function addXgress(list: ReturnType<typeof headers>, address: string): void {
  list.bool(headerId.useXgressToSdk, true);
  list.string(headerId.xgressCtrlId, routerControlId);
  list.string(headerId.xgressAddress, address);
}

/** From release 2.1 on a key of the connection's own wins over the terminator's. */
function keyOfHost(attempt: Attempt, terminator: Terminator, success: Frame): Uint8Array | undefined {
  const own = attempt.router.release === '2.1' ? success.headers.bytes(headerId.publicKey) : undefined;
  return own === undefined ? terminator.publicKey : copyBytes(own);
}

function establish(
  attempt: Attempt,
  terminator: Terminator,
  hostConnId: number,
  hostKey: Uint8Array | undefined,
): void {
  const { router, dialer, connId, circuitId } = attempt;
  const { host } = terminator;
  const list = headers().u32(headerId.connId, connId).string(headerId.circuitId, circuitId);
  if (hostKey !== undefined) list.bytes(headerId.publicKey, hostKey);
  if (attempt.service.terminatorStrategy === 'sticky') list.string(headerId.stickinessToken, terminator.id);
  if (attempt.request.headers.bool(headerId.routerProvidedConnId)) list.bool(headerId.routerProvidedConnId, true);
  if (attempt.usesXgress) addXgress(list, `${circuitId}-dialer`);
  // Before the circuit, whose first payload must not overtake it.
  dialer.channel.reply(attempt.request, contentType.stateConnected, list);
  const circuit = new Circuit({
    id: circuitId,
    clock: router.clock,
    dialer: {
      role: 'dialer',
      channel: dialer.channel,
      connId,
      usesXgress: attempt.usesXgress,
      unregister: () => dialer.connections.delete(connId),
    },
    host: {
      role: 'host',
      channel: host.channel,
      connId: hostConnId,
      usesXgress: terminator.usesXgress,
      unregister: () => host.connections.delete(hostConnId),
    },
    onClosed: () => {
      terminator.circuits--;
      router.circuitClosed(circuit);
    },
  });
  terminator.circuits++;
  terminator.failures = Math.max(0, terminator.failures - 1);
  const common = { kind: 'circuit', circuit, serviceId: attempt.service.id } as const;
  dialer.connections.set(connId, { ...common, role: 'dialer', serviceSessionId: attempt.serviceSessionId });
  host.connections.set(hostConnId, { ...common, role: 'host', serviceSessionId: terminator.serviceSessionId });
  router.circuitOpened(circuit, {
    serviceId: attempt.service.id,
    dialerId: dialer.identityId,
    hostId: host.identityId,
  });
}
