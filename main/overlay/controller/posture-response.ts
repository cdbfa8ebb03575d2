/** Posture told to the controller over REST (sessions of the older kind) → facts of the session. */
import type { ApiSessionRecord } from '../model.ts';
import type { PostureFacts, ReportedProcess } from '../posture.ts';
import type { ControllerContext } from './context.ts';
import { optionalString, stringList } from './http.ts';

/** Take answers and re-judge everything live. What names no kind known is ignored, as the controller does. */
export function takePosture(
  context: ControllerContext,
  session: ApiSessionRecord,
  responses: readonly Readonly<Record<string, unknown>>[],
): void {
  context.network.updatePosture(session, (facts) => {
    for (const response of responses) takeOne(facts, response, context.network.clock.now());
  });
}

function takeOne(facts: PostureFacts, response: Readonly<Record<string, unknown>>, now: number): void {
  switch (response['typeId']) {
    case 'OS':
      facts.os = { type: optionalString(response, 'type') ?? '', version: optionalString(response, 'version') ?? '' };
      break;
    case 'DOMAIN':
      facts.domain = optionalString(response, 'domain') ?? '';
      break;
    case 'MAC':
      facts.macAddresses = stringList(response, 'macAddresses');
      break;
    case 'PROCESS': {
      const process = processOf(response);
      facts.processes = [...(facts.processes ?? []).filter((known) => known.path !== process.path), process];
      break;
    }
    case 'PROCESS_MULTI': {
      const list = response['processes'];
      const told = (Array.isArray(list) ? list : []).map((entry) => processOf(entry as Record<string, unknown>));
      const paths = new Set(told.map((process) => process.path));
      facts.processes = [...(facts.processes ?? []).filter((known) => !paths.has(known.path)), ...told];
      break;
    }
    case 'ENDPOINT_STATE':
      if (response['woken'] === true) facts.wokenAt = now;
      if (response['unlocked'] === true) facts.unlockedAt = now;
      break;
  }
}

function processOf(response: Readonly<Record<string, unknown>>): ReportedProcess {
  return {
    path: optionalString(response, 'path') ?? '',
    isRunning: response['isRunning'] === true,
    hash: optionalString(response, 'hash') ?? '',
    signerFingerprints: stringList(response, 'signerFingerprints'),
  };
}
