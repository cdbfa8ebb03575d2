/** A visitor who stays: one session, open and counting for as long as the demo is up, so that the window has something live to show. */
import { request, type ClientRequest } from 'node:http';
import type { Clock } from '../../base/clock.ts';

/** Whoever closed the session, or quarantined the service, is shown the refusal before it is tried again. */
const comesBackMs = 5_000;

/** Read what `url` streams, through the HTTP proxy where one is given, and come back after each end. Disposing it leaves. */
export function keepVisiting(url: string, proxy: string | undefined, clock: Clock): Disposable {
  const target = new URL(url);
  const at = proxy === undefined ? target : new URL(`http://${proxy}`);
  let asked: ClientRequest | undefined;
  let timer: Disposable | undefined;
  let left = false;

  const visit = (): void => {
    asked = request({
      host: at.hostname,
      port: at.port || 80,
      path: proxy === undefined ? target.pathname : url,
      agent: false,
      headers: { host: target.host },
    });
    asked.on('response', (response) => response.on('error', () => undefined).resume());
    asked.on('error', () => undefined); // `close` follows, and with it the next visit
    asked.on('close', () => {
      if (!left) timer = clock.after(comesBackMs, visit);
    });
    asked.end();
  };
  visit();
  return {
    [Symbol.dispose]() {
      left = true;
      timer?.[Symbol.dispose]();
      asked?.destroy();
    },
  };
}
