/** After each change: every channel, circuit and terminator is judged again, and what is no longer allowed ends now. */
import type { PolicyType } from '../model.ts';
import { accessLost, revokeTerminator, sessionLost } from './hosting.ts';
import { headerId } from '../../ziti/wire/header-id.ts';
import type { Client } from './client.ts';
import type { RouterContext } from './context.ts';

/** What has been lost: access itself, by its policy or by posture, or just the service session that stood for it. */
type Loss = 'access' | 'posture' | 'session';

/** Runs to its end within the change that called for it. */
export function judgeAll(router: RouterContext): void {
  for (const client of [...router.clients]) {
    if (client.apiSession === undefined) continue;
    // The record is gone once its identity is disabled or deleted, or it was ended or ran out.
    if (router.network.apiSessions.get(client.apiSession.id) === undefined) client.channel.close();
    else judgeConnections(router, client);
  }
}

function judgeConnections(router: RouterContext, client: Client): void {
  const known = new Map<string, Loss | undefined>();
  const lossOf = (serviceId: string, type: PolicyType, serviceSessionId: string): Loss | undefined => {
    const key = `${type} ${serviceId} ${serviceSessionId}`;
    if (!known.has(key)) known.set(key, judge(router, client, serviceId, type, serviceSessionId));
    return known.get(key);
  };
  const firstRelease = router.release === '1.7';
  // Seen at 2.1: what hangs on posture alone, and what runs through a host under the SDK's flow control, is left to the clients.
  const isNewest = router.release === '2.1';
  for (const connection of [...client.connections.values()]) {
    if (connection.kind === 'terminator') {
      const { terminator } = connection;
      const loss = lossOf(terminator.serviceId, 'Bind', terminator.serviceSessionId);
      if (loss === undefined) continue;
      if (firstRelease) revokeTerminator(router, terminator, 'session ended', undefined);
      else if (loss === 'session') revokeTerminator(router, terminator, 'session ended', sessionLost);
      else revokeTerminator(router, terminator, 'bind access lost', accessLost);
    } else if (connection.kind === 'circuit') {
      const { circuit, role, serviceId, serviceSessionId } = connection;
      const loss = lossOf(serviceId, role === 'dialer' ? 'Dial' : 'Bind', serviceSessionId);
      if (loss === undefined || (isNewest && loss === 'posture')) continue;
      if (role === 'dialer') {
        circuit.revoke(role, firstRelease || loss === 'session' ? 'session closed' : 'dial access lost');
      } else if (!firstRelease && !isNewest && loss !== 'session') {
        // Release 1.7, and 2.0 for a mere session, let hosted children live on.
        circuit.revoke(role, 'bind access lost', (list) => list.u32(headerId.errorCode, accessLost.code));
      }
    } else {
      connection.cancelled ||= lossOf(connection.serviceId, 'Dial', connection.serviceSessionId) !== undefined;
    }
  }
}

function judge(
  router: RouterContext,
  client: Client,
  serviceId: string,
  type: PolicyType,
  serviceSessionId: string,
): Loss | undefined {
  const decision = client.decide(serviceId, type);
  if (decision.kind !== 'granted') return decision.kind === 'posture' ? 'posture' : 'access';
  const isKept =
    client.apiSession?.kind === 'oidc' || router.network.serviceSessions.get(serviceSessionId) !== undefined;
  return isKept ? undefined : 'session';
}
