/**
 * A2A's methods as the guard knows them, of both revisions that are spoken. What is not known does not pass. Pure.
 * Source: A2A specification, "JSON-RPC Protocol Binding", revisions 0.3.0 and 1.0.0.
 */

/**
 * `send`: carries a message. `task`: names one that is under way. `tasks`: asks for a list of them. `card`: asks for a card. `push`: has the agent
 * call somebody by itself.
 */
export type MethodKind = 'send' | 'task' | 'tasks' | 'cancel' | 'card' | 'push';

const methods: ReadonlyMap<string, MethodKind> = new Map([
  ['SendMessage', 'send'],
  ['SendStreamingMessage', 'send'],
  ['GetTask', 'task'],
  ['ListTasks', 'tasks'],
  ['SubscribeToTask', 'task'],
  ['CancelTask', 'cancel'],
  ['GetExtendedAgentCard', 'card'],
  ['CreateTaskPushNotificationConfig', 'push'],
  ['GetTaskPushNotificationConfig', 'push'],
  ['ListTaskPushNotificationConfigs', 'push'],
  ['DeleteTaskPushNotificationConfig', 'push'],
  ['message/send', 'send'],
  ['message/stream', 'send'],
  ['tasks/get', 'task'],
  ['tasks/list', 'tasks'],
  ['tasks/resubscribe', 'task'],
  ['tasks/cancel', 'cancel'],
  ['agent/getAuthenticatedExtendedCard', 'card'],
  ['tasks/pushNotificationConfig/set', 'push'],
  ['tasks/pushNotificationConfig/get', 'push'],
  ['tasks/pushNotificationConfig/list', 'push'],
  ['tasks/pushNotificationConfig/delete', 'push'],
]);

/** What kind of method it is; undefined for one that is not known. */
export function kindOf(method: string): MethodKind | undefined {
  return methods.get(method);
}

/** Where an agent's card stands. Sources: A2A 1.0.0 and 0.3.0, "Agent Discovery" (`agent-card.json`); 0.2 (`agent.json`). */
export function isCardPath(path: string): boolean {
  return /^(?:\/[^/]+)*\/\.well-known\/agent(?:-card)?\.json$/.test(path);
}

/** Source: A2A specification, "Error Handling". */
export const a2aErrors = {
  pushNotSupported: -32_003,
  unsupportedOperation: -32_004,
  contentTypeNotSupported: -32_005,
} as const;
