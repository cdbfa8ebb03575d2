/** Plain HTTP as any program would speak it: through the engine's proxy, or directly where names are intercepted. */
import { defined } from '../../base/defined.ts';
import { request } from 'node:http';
import { TunnelerError } from '../../base/errors.ts';

/** What an HTTP server answered. */
export interface DarkAnswer {
  readonly status: number;
  readonly body: string;
}

/** `proxy` is `host:port` of an HTTP proxy. Throws `base.timeout`, or `base.internal` with the connection's error. */
export function askDark(
  url: string,
  proxy: string | undefined,
  options: { readonly json?: unknown; readonly signal?: AbortSignal; readonly timeoutMs?: number } = {},
): Promise<DarkAnswer> {
  const target = new URL(url);
  const at = proxy === undefined ? target : new URL(`http://${proxy}`);
  const body = options.json === undefined ? undefined : JSON.stringify(options.json);
  return new Promise((resolve, reject) => {
    const asked = request(
      defined({
        host: at.hostname,
        port: at.port || 80,
        method: body === undefined ? 'GET' : 'POST',
        path: proxy === undefined ? target.pathname : url,
        agent: false,
        headers: {
          host: target.host,
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }),
        },
        signal: options.signal,
      }),
    );
    asked.setTimeout(options.timeoutMs ?? 15_000, () => {
      asked.destroy(new TunnelerError('base.timeout', `${url} did not answer in time`));
    });
    asked.on('error', (error) => {
      reject(error instanceof TunnelerError ? error : new TunnelerError('base.internal', `${url}: ${error.message}`));
    });
    asked.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') });
      });
      response.on('error', reject);
    });
    asked.end(body);
  });
}
