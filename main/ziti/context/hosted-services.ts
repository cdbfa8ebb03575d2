/** Every service an identity hosts, told together of what concerns them all. */
import { TunnelerError } from '../../base/errors.ts';
import type { Binding, BindOptions, IncomingDial, ZitiService } from '../model.ts';
import { HostedService, type HostedServiceDeps } from './hosted-service.ts';

/** Disposing stops the hosting of every service; connections that came through live on. */
export class HostedServices implements Disposable {
  readonly #deps: HostedServiceDeps;
  readonly #hosted = new Set<HostedService>();
  #closed = false;

  constructor(deps: HostedServiceDeps) {
    this.#deps = deps;
  }

  /** Host from now on, on routers as they are and come. Disposing the binding ends it. */
  add(service: ZitiService, options: BindOptions, onDial: (dial: IncomingDial) => void): Binding {
    if (this.#closed) throw new TunnelerError('base.closed', 'the identity was closed');
    const hosted = new HostedService(service, options, onDial, this.#deps);
    this.#hosted.add(hosted);
    hosted.tryMore();
    return hosted;
  }

  has(serviceId: string): boolean {
    for (const hosted of this.#hosted) if (hosted.service.id === serviceId && !hosted.over) return true;
    return false;
  }

  /** A router came, a session began: bind what is not bound yet. */
  tryMore(): void {
    for (const hosted of this.#hosted) {
      if (hosted.over) this.#hosted.delete(hosted);
      else hosted.tryMore();
    }
  }

  /** A check that stood in the way may pass now: bind without waiting out what was refused. */
  hurry(): void {
    for (const hosted of this.#hosted) hosted.hurry();
  }

  /** Cut what runs through services this identity may not host now, each with its reason; terminators are the router's to end. */
  cutWhere(lost: (serviceId: string) => TunnelerError | undefined): void {
    for (const hosted of this.#hosted) {
      const error = lost(hosted.service.id);
      if (error !== undefined) hosted.cut(error);
    }
  }

  /** Give up what this identity may not host any more. */
  retain(permitted: (serviceId: string) => boolean): void {
    for (const hosted of this.#hosted) {
      if (permitted(hosted.service.id)) continue;
      this.#hosted.delete(hosted);
      const sentence = `no policy lets this identity host ${hosted.service.name} any more`;
      hosted.stop(new TunnelerError('ziti.bind.refused', sentence, { details: { serviceId: hosted.service.id } }));
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const hosted of this.#hosted) void hosted[Symbol.asyncDispose]();
    this.#hosted.clear();
  }
}
