/** Services that Culvert answers itself: who answers which, for as long as it does. */
import type { Duplex } from 'node:stream';
import { Emitter } from '../../base/emitter.ts';
import { TunnelerError } from '../../base/errors.ts';
import { disposable } from '../../base/lifecycle.ts';
import type { Answerer, HostedAnswer, HostedRequest } from '../../hosting/hosting.ts';
import { duplexEnd } from '../../sockets/duplex-end.ts';

/** The services that are answered here now. */
export interface AnsweredServices {
  /**
   * Answer `service` until disposed, in place of what its host config says. It need not be known yet: it is bound once an identity here may
   * bind it. Sessions that stand live on after that. Throws `hosting.answered` where somebody else answers it for the same identity.
   */
  answer(service: string, answerer: Answerer): Disposable;
  /** Who answers `service` where the runner `identity` hosts it. */
  of(service: string, identity: string): HostedAnswer | undefined;
  /** Told the name of a service whose answerer came or went. */
  subscribe(listener: (service: string) => void): Disposable;
}

/** Nobody answers anything at first. */
export function answeredServices(): AnsweredServices {
  const held: { readonly service: string; readonly identity: string | undefined; readonly answer: HostedAnswer }[] = [];
  const changed = new Emitter<string>();
  let made = 0;
  return {
    answer(service, { what, identity, open }) {
      if (held.some((one) => one.service === service && overlap(one.identity, identity))) {
        throw new TunnelerError('hosting.answered', `${service} is answered here already`, {
          details: { service, next: 'end the other one first' },
        });
      }
      const entry = { service, identity, answer: { id: `answer-${++made}`, what, open } };
      held.push(entry);
      changed.emit(service);
      return disposable(() => {
        held.splice(held.indexOf(entry), 1);
        changed.emit(service);
      });
    },
    of: (service, identity) => held.find((one) => one.service === service && overlap(one.identity, identity))?.answer,
    subscribe: (listener) => changed.subscribe(listener),
  };
}

/** The local end as a socket, for a server of Node's that is handed its connections (`server.emit('connection', socket)`). */
export function answerBySocket(accept: (socket: Duplex, request: HostedRequest) => void): HostedAnswer['open'] {
  return (request) => {
    const { duplex, stream } = duplexEnd();
    accept(duplex, request);
    return stream;
  };
}

function overlap(one: string | undefined, other: string | undefined): boolean {
  return one === undefined || other === undefined || one === other;
}
