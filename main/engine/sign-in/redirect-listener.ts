/** Catches the browser on its way back from a provider, on loopback, once. Source: RFC 8252 section 7.3. */
import { createServer, type ServerResponse } from 'node:http';
import { TunnelerError } from '../../base/errors.ts';

/** Where OpenZiti's own desktop tunnelers wait, so that providers set up for those serve us too. */
const usualPort = 20_314;
const path = '/auth/callback';

/** A listener for one sign-in; disposing closes it. */
export interface RedirectListener extends AsyncDisposable {
  readonly redirectUri: string;
  /** The code that came with this `state`. Rejects with the provider's error. */
  code(state: string): Promise<string>;
}

/** Listen until disposed. Throws `net.address_in_use` where another sign-in waits there. */
export async function listenForRedirect(): Promise<RedirectListener> {
  const waiting = new Map<string, { resolve: (code: string) => void; reject: (error: TunnelerError) => void }>();
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', `http://localhost:${usualPort}`);
    const state = url.searchParams.get('state') ?? '';
    const waiter = waiting.get(state);
    if (url.pathname !== path || waiter === undefined) {
      answer(response, 404, 'Nobody waits for this sign-in.');
      return;
    }
    waiting.delete(state);
    const code = url.searchParams.get('code');
    if (code !== null) {
      answer(response, 200, 'You are signed in. This page can be closed.');
      waiter.resolve(code);
      return;
    }
    const reason = url.searchParams.get('error_description') ?? url.searchParams.get('error') ?? 'no code came back';
    answer(response, 400, 'The sign-in did not succeed. This page can be closed.');
    waiter.reject(
      new TunnelerError('ziti.controller.external_login_required', `the provider refused: ${reason.slice(0, 200)}`),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new TunnelerError(
          error.code === 'EADDRINUSE' ? 'net.address_in_use' : 'net.listen_failed',
          `port ${usualPort}, where the browser comes back to, cannot be had: ${error.message}`,
          { cause: error, details: { next: 'finish the other sign-in, or use --device' } },
        ),
      ),
    );
    server.listen(usualPort, '127.0.0.1', resolve);
  });
  return {
    redirectUri: `http://localhost:${usualPort}${path}`,
    code: (state) => new Promise((resolve, reject) => waiting.set(state, { resolve, reject })),
    [Symbol.asyncDispose]() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': "default-src 'none'",
    'cache-control': 'no-store',
    connection: 'close',
  });
  response.end(`<!doctype html><title>Culvert</title><p>${text}</p>`);
}
