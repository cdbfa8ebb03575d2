/** Service sessions, one a service and type for as long as the API session lives: asked for once, kept, dropped when stale. */
import type { ControllerClient, ServiceSession } from '../controller/controller-client.ts';

/** What a service session is leave for. */
export type SessionType = 'Dial' | 'Bind';

/**
 * OpenZiti 1.x answers a second request for the same session with a token that routers refuse, so concurrent callers share
 * one request and later ones its result.
 */
export class ServiceSessions {
  readonly #sessions = new Map<string, Promise<ServiceSession>>();

  /** The session; throws `ziti.controller.*` (a failure is not kept). */
  get(client: ControllerClient, serviceId: string, type: SessionType): Promise<ServiceSession> {
    const key = `${type}:${serviceId}`;
    const known = this.#sessions.get(key);
    if (known !== undefined) return known;
    const made = client.createSession(serviceId, type);
    this.#sessions.set(key, made);
    made.catch(() => this.#forget(key, made));
    return made;
  }

  /** Drop a session that a router refused; another made since is kept. */
  drop(serviceId: string, type: SessionType, token: string): void {
    const key = `${type}:${serviceId}`;
    const known = this.#sessions.get(key);
    if (known === undefined) return;
    known.then(
      (session) => {
        if (session.token === token) this.#forget(key, known);
      },
      () => this.#forget(key, known),
    );
  }

  /** All of them, or those of services no longer held with that permission. */
  retain(held: (serviceId: string, type: SessionType) => boolean): void {
    for (const key of [...this.#sessions.keys()]) {
      const type = key.startsWith('Dial:') ? 'Dial' : 'Bind';
      if (!held(key.slice(type.length + 1), type)) this.#sessions.delete(key);
    }
  }

  clear(): void {
    this.#sessions.clear();
  }

  #forget(key: string, session: Promise<ServiceSession>): void {
    if (this.#sessions.get(key) === session) this.#sessions.delete(key);
  }
}
