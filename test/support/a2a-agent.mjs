/**
 * An agent built on the official A2A SDK, as a program of its own: echoes what it is told, as data where it is told "data". It serves both
 * revisions, and REST under `/rest`. Prints `{"port"}` once it listens on loopback (`PORT` is taken, or any), and one line for each message it was given.
 *
 * Argument: the card, JSON.
 */
import { Role, TaskState } from '@a2a-js/sdk';
import { AgentEvent, DefaultRequestHandler, InMemoryTaskStore } from '@a2a-js/sdk/server';
import { agentCardHandler, jsonRpcHandler, restHandler, UserBuilder } from '@a2a-js/sdk/server/express';
import express from 'express';

const card = JSON.parse(process.argv[2] ?? '{}');

class Echo {
  async execute({ userMessage, taskId, contextId }, bus) {
    const said = userMessage.parts.map((part) => (part.content?.$case === 'text' ? part.content.value : '…')).join('');
    process.stdout.write(`${JSON.stringify({ said })}\n`);
    const part = (content) => ({ content, filename: '', mediaType: '', metadata: undefined });
    if (said.startsWith('task')) {
      const status = (state) => ({ state, message: undefined, timestamp: undefined });
      const task = { id: taskId, contextId, status: status(TaskState.TASK_STATE_WORKING), artifacts: [], history: [] };
      bus.publish(AgentEvent.task({ ...task, metadata: undefined }));
      const artifact = { artifactId: 'a', name: 'answer', description: '', metadata: undefined, extensions: [] };
      const content = said === 'task data' ? { $case: 'data', value: { secret: 1 } } : { $case: 'text', value: 'done' };
      const update = { artifact: { ...artifact, parts: [part(content)] }, append: false, lastChunk: true };
      bus.publish(AgentEvent.artifactUpdate({ taskId, contextId, ...update, metadata: undefined }));
      const completed = status(TaskState.TASK_STATE_COMPLETED);
      bus.publish(AgentEvent.statusUpdate({ taskId, contextId, status: completed, metadata: undefined }));
    } else {
      const content =
        said === 'data' ? { $case: 'data', value: { secret: 1 } } : { $case: 'text', value: `you said ${said}` };
      const message = { messageId: `re-${userMessage.messageId}`, contextId, taskId: '', role: Role.ROLE_AGENT };
      const rest = { metadata: undefined, extensions: [], referenceTaskIds: [] };
      bus.publish(AgentEvent.message({ ...message, parts: [part(content)], ...rest }));
    }
    bus.finished();
  }
  async cancelTask() {}
}

const requestHandler = new DefaultRequestHandler(card, new InMemoryTaskStore(), new Echo());
const app = express();
app.use('/.well-known/agent-card.json', agentCardHandler({ agentCardProvider: requestHandler }));
const userBuilder = UserBuilder.noAuthentication;
app.use('/rest', restHandler({ requestHandler, userBuilder }));
app.use('/', jsonRpcHandler({ requestHandler, userBuilder, legacyCompat: { enabled: true } }));
const server = app.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`);
});
