/** Bind, Unbind and UpdateBind: how clients become the terminators of services. */
import { contentType } from '../../ziti/wire/content-type.ts';
import { edgeErrorCode } from '../../ziti/wire/edge-error.ts';
import type { Frame } from '../../ziti/wire/frame.ts';
import { connType, headerId, precedenceByte } from '../../ziti/wire/header-id.ts';
import { bytesText, copyBytes } from '../../ziti/wire/little-endian.ts';
import type { ApiSessionRecord, PrecedenceName } from '../model.ts';
import { headers } from './channel.ts';
import type { AccessDecision } from '../network.ts';
import type { Client, RefusalFault, Terminator } from './client.ts';
import type { RouterContext } from './context.ts';
import { readServiceToken, type ServiceToken } from './service-token.ts';

const inspectAnswerMs = 10_000;
/** Release 1.7 asks for the first time after this; 2.0 at once. */
const firstReleaseInspectMs = 8000;

/** Handle a Bind; the client gets StateConnected or StateClosed in answer, then BindSuccess. */
export function bind(router: RouterContext, host: Client, apiSession: ApiSessionRecord, frame: Frame): void {
  const connId = frame.headers.u32(headerId.connId);
  if (connId === undefined) return;
  const token = bindToken(router, host, apiSession, frame);
  if (token === undefined) return;
  if (host.connections.has(connId)) {
    host.sendClosed(connId, `sink id ${connId} already in use`, frame);
    return;
  }
  const service = router.network.services.get(token.serviceId);
  const decision = host.decide(token.serviceId, 'Bind');
  if (service === undefined || decision.kind !== 'granted') {
    const reason = apiSession.kind === 'oidc' ? 'no access to service, failed bind access check' : 'invalid session';
    host.sendClosed(connId, reason, frame, bindFault(decision));
    return;
  }
  const { added, replaced } = router.terminators.add({
    serviceId: service.id,
    host,
    bindConnId: connId,
    token: token.raw,
    serviceSessionId: token.id,
    listenerId: frame.headers.string(headerId.listenerId) ?? '',
    instanceId: frame.headers.string(headerId.terminatorIdentity) ?? '',
    publicKey: ownCopy(frame.headers.bytes(headerId.publicKey)),
    routerAssignsIds: frame.headers.bool(headerId.routerProvidedConnId),
    usesXgress: frame.headers.bool(headerId.useXgressToSdk),
    cost: costOf(frame) ?? 0,
    precedence: precedenceOf(frame) ?? 'default',
  });
  if (replaced !== undefined) dropReplaced(replaced);
  host.connections.set(connId, { kind: 'terminator', terminator: added });
  const list = headers().u32(headerId.connId, connId);
  if (added.routerAssignsIds) list.bool(headerId.routerProvidedConnId, true);
  host.channel.reply(frame, contentType.stateConnected, list);
  if (frame.headers.bool(headerId.supportsBindSuccess)) {
    host.channel.send(contentType.bindSuccess, headers().u32(headerId.connId, connId));
  }
  router.terminatorsChanged(service.id);
  if (frame.headers.bool(headerId.supportsInspect)) scheduleInspect(router, added);
}

function bindFault(decision: AccessDecision): RefusalFault {
  if (decision.kind !== 'posture') return accessLost;
  const failing = decision.failing.flatMap(({ checks }) => checks.map(({ id }) => id));
  return { code: edgeErrorCode.postureCheckFailed, failingPostureCheckIds: [...new Set(failing)].sort() };
}

/** The terminator lives on elsewhere: its old connection is told, where it is still another one. */
function dropReplaced(replaced: Terminator): void {
  const { host } = replaced;
  const connection = host.connections.get(replaced.bindConnId);
  if (connection?.kind !== 'terminator' || connection.terminator !== replaced) return;
  host.connections.delete(replaced.bindConnId);
  if (!host.channel.isClosed) host.sendClosed(replaced.bindConnId, 'duplicate terminator');
}

function bindToken(
  router: RouterContext,
  host: Client,
  apiSession: ApiSessionRecord,
  frame: Frame,
): ServiceToken | undefined {
  const { network, signer } = router;
  const connId = frame.headers.u32(headerId.connId);
  const read = readServiceToken(network, signer, apiSession, bytesText(frame.body));
  if (!read.ok) {
    host.sendClosed(connId, read.reason, frame);
    return undefined;
  }
  if (read.token.type !== 'Bind') {
    host.sendClosed(connId, `rejecting bind, invalid session type. expected Bind, got ${read.token.type}`, frame);
    return undefined;
  }
  return read.token;
}

/** Ask the client whether it still listens; an answer that it does not removes the terminator. */
function scheduleInspect(router: RouterContext, terminator: Terminator): void {
  const { host } = terminator;
  router.clock.after(router.release === '1.7' ? firstReleaseInspectMs : 0, () => {
    if (host.channel.isClosed || router.terminators.get(terminator.id) !== terminator) return;
    const list = headers().u32(headerId.connId, terminator.bindConnId);
    host.channel.request(contentType.connInspectRequest, list, undefined, inspectAnswerMs, (reply) => {
      const says = reply?.headers.u8(headerId.connType);
      if (says !== undefined && says !== connType.bind) removeTerminator(router, terminator);
    });
  });
}

/** Handle an Unbind: it must bring the very token of the Bind. No answer. */
export function unbind(router: RouterContext, host: Client, apiSession: ApiSessionRecord, frame: Frame): void {
  const token = bindToken(router, host, apiSession, frame);
  if (token === undefined) return;
  for (const terminator of related(router, host, frame, token)) removeTerminator(router, terminator);
}

/** Handle an UpdateBind: cost and precedence from now on. No answer. */
export function updateBind(router: RouterContext, host: Client, apiSession: ApiSessionRecord, frame: Frame): void {
  const token = bindToken(router, host, apiSession, frame);
  if (token === undefined) return;
  // A cost of another length than two bytes is ignored here, unlike at Bind.
  const cost = frame.headers.u16(headerId.cost);
  const precedence = precedenceOf(frame);
  for (const terminator of related(router, host, frame, token)) {
    if (cost !== undefined) terminator.cost = cost;
    if (precedence !== undefined) terminator.precedence = precedence;
  }
  router.terminatorsChanged(token.serviceId);
}

function related(router: RouterContext, host: Client, frame: Frame, token: ServiceToken): Terminator[] {
  const connId = frame.headers.u32(headerId.connId);
  return router.terminators
    .list()
    .filter(
      (entry) =>
        entry.host === host &&
        entry.serviceSessionId === token.id &&
        (connId === undefined || connId === 0 || entry.bindConnId === connId),
    );
}

/** Forget a terminator; its child connections live on. Idempotent. */
export function removeTerminator(router: RouterContext, terminator: Terminator): void {
  const { host } = terminator;
  const connection = host.connections.get(terminator.bindConnId);
  if (connection?.kind === 'terminator' && connection.terminator === terminator) {
    host.connections.delete(terminator.bindConnId);
  }
  if (router.terminators.remove(terminator)) router.terminatorsChanged(terminator.serviceId);
}

/** End a terminator because its access is over, saying why. `structured` as release 2.0 does. */
export function revokeTerminator(
  router: RouterContext,
  terminator: Terminator,
  reason: string,
  structured: { readonly code: number; readonly retryHint: number } | undefined,
): void {
  removeTerminator(router, terminator);
  const list = headers().u32(headerId.connId, terminator.bindConnId);
  if (structured !== undefined) {
    list.u32(headerId.errorCode, structured.code);
    list.string(headerId.structuredError, JSON.stringify({ message: reason, ...structured }));
  }
  terminator.host.channel.send(contentType.stateClosed, list, Buffer.from(reason));
}

/** For bind access lost: access denied, start over. */
export const accessLost = { code: edgeErrorCode.accessDenied, retryHint: 2 } as const;
/** For a service session removed: invalid session, start over. */
export const sessionLost = { code: edgeErrorCode.invalidSession, retryHint: 2 } as const;

/** Frames are borrowed, terminators live on. */
function ownCopy(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return bytes === undefined ? undefined : copyBytes(bytes);
}

/** At Bind the first two bytes count, whatever the length. */
function costOf(frame: Frame): number | undefined {
  const [low, high] = frame.headers.bytes(headerId.cost) ?? [];
  return low === undefined || high === undefined ? undefined : low | (high << 8);
}

function precedenceOf(frame: Frame): PrecedenceName | undefined {
  const byte = frame.headers.bytes(headerId.precedence)?.[0];
  if (byte === undefined) return undefined;
  if (byte === precedenceByte.required) return 'required';
  return byte === precedenceByte.failed ? 'failed' : 'default';
}
