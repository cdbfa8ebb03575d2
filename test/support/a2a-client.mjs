/**
 * A client built on the official A2A SDK, as a program of its own: reads the agent's card through a proxy, does what it is told, and prints one
 * JSON list of what came of each step: the answer, or `{"error": {"code", "message"}}`.
 *
 * Arguments: the proxy's `host:port` (empty: none), the agent's URL, and a JSON list of steps: `{"card": true}`, `{"verify": true}`, `{"send": PARTS, "metadata"}`,
 * `{"stream": PARTS}`, `{"task": ID}`.
 */
import { createPublicKey, X509Certificate } from 'node:crypto';
import { Role, verifyAgentCardSignature } from '@a2a-js/sdk';
import {
  ClientFactory,
  ClientFactoryOptions,
  DefaultAgentCardResolver,
  JsonRpcTransportFactory,
  RestTransportFactory,
} from '@a2a-js/sdk/client';
import { fetch, ProxyAgent } from 'undici';

const [proxy = '', url = '', steps = '[]'] = process.argv.slice(2);
const way = proxy === '' ? {} : { dispatcher: new ProxyAgent({ uri: `http://${proxy}`, proxyTunnel: true }) };
const fetchImpl = (to, init) => fetch(to, { ...init, ...way });
const options = ClientFactoryOptions.createFrom(ClientFactoryOptions.default, {
  transports: [new JsonRpcTransportFactory({ fetchImpl }), new RestTransportFactory({ fetchImpl })],
  cardResolver: new DefaultAgentCardResolver({ fetchImpl }),
});

let made = 0;
const request = (parts, metadata) => ({
  tenant: '',
  message: {
    messageId: `m${++made}`,
    contextId: '',
    taskId: '',
    role: Role.ROLE_USER,
    parts: parts.map((content) => ({ content, filename: '', mediaType: '', metadata: undefined })),
    metadata,
    extensions: [],
    referenceTaskIds: [],
  },
  configuration: undefined,
  metadata: undefined,
});

const results = [];
try {
  const card = await new DefaultAgentCardResolver({ fetchImpl }).resolve(url);
  const client = await new ClientFactory(options).createFromAgentCard(card);
  for (const step of JSON.parse(steps)) {
    try {
      if (step.card) results.push(card);
      else if (step.verify) {
        const head = JSON.parse(Buffer.from(card.signatures[0].protected, 'base64url').toString());
        const key = new X509Certificate(Buffer.from(head.x5c[0], 'base64')).publicKey;
        await verifyAgentCardSignature(async () => createPublicKey(key.export({ type: 'spki', format: 'pem' })))(card);
        results.push({ verified: head.alg });
      } else if (step.task !== undefined) results.push(await client.getTask({ tenant: '', id: step.task }));
      else if (step.send !== undefined) results.push(await client.sendMessage(request(step.send, step.metadata)));
      else {
        const events = [];
        for await (const event of client.sendMessageStream(request(step.stream, step.metadata))) events.push(event);
        results.push(events);
      }
    } catch (error) {
      results.push({ error: { code: error.envelopeCode ?? error.cause?.envelopeCode, message: error.message } });
    }
  }
} catch (error) {
  results.push({ error: { message: `${error.message} ${error.cause ?? ''}` } });
}
process.stdout.write(`${JSON.stringify(results)}\n`, () => process.exit(0));
