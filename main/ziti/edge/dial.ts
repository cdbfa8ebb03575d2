/** One dial: Connect, its answer, and the stream that comes of it. */
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import { contentType } from '../wire/content-type.ts';
import { readEdgeFault } from '../wire/edge-error.ts';
import type { Frame } from '../wire/frame.ts';
import { HeaderBlock, HeaderList } from '../wire/header-block.ts';
import { connType, headerId } from '../wire/header-id.ts';
import { bytesText, copyBytes, textBytes } from '../wire/little-endian.ts';
import type { Connection, ConnectionHost } from './connection.ts';
import type { EdgeDialRequest, EdgeStreamOpened, ListenerKeys } from './edge-router.ts';
import { EdgeStream } from './edge-stream.ts';
import { deriveSessionKeys, newListenerKeys } from './end-to-end.ts';
import { dialFailure } from './fault.ts';
import { RouterFlowControl } from './router-flow-control.ts';
import { sessionTokenBody } from './session-token.ts';
import { XgressFlowControl } from './xgress-flow-control.ts';

/** What may come before the answer is kept up to this; the rest is sent again by whoever misses its acknowledgement. */
const maxEarlyBytes = 1024 * 1024;

/** The request, the id it goes out under, and who takes over the stream. */
export interface DialOptions {
  readonly host: ConnectionHost;
  readonly connId: number;
  readonly callerId: string;
  readonly request: EdgeDialRequest;
  /** Put `connection` in the table under this dial's id. */
  register(connection: Connection): void;
  /** The stream is open. */
  opened(stream: EdgeStream): void;
}

/** Dial. The id stays registered while the dial or its stream lives. */
export function dial(options: DialOptions): Promise<EdgeStreamOpened> {
  return new Promise((resolve, reject) => {
    new Dial(options, resolve, reject).begin();
  });
}

class Dial implements Connection {
  readonly connType = connType.dial;
  readonly #options: DialOptions;
  readonly #resolve: (opened: EdgeStreamOpened) => void;
  readonly #reject: (error: TunnelerError) => void;
  readonly #keys: ListenerKeys | undefined;
  readonly #early: Frame[] = [];
  #earlyBytes = 0;
  #pending: Disposable | undefined;
  #settled = false;
  readonly #onAbort = (): void => this.#giveUp(new TunnelerError('base.cancelled', 'the dial was cancelled'));

  constructor(
    options: DialOptions,
    resolve: (opened: EdgeStreamOpened) => void,
    reject: (error: TunnelerError) => void,
  ) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#keys = options.request.encryptionRequired ? newListenerKeys() : undefined;
  }

  begin(): void {
    const { request, host, register } = this.#options;
    const { sessionToken } = request;
    const body = sessionToken === undefined ? undefined : sessionTokenBody(sessionToken);
    if (request.signal?.aborted === true) {
      this.#settle(() => this.#reject(new TunnelerError('base.cancelled', 'the dial was cancelled')));
      return;
    }
    register(this);
    request.signal?.addEventListener('abort', this.#onAbort, { once: true });
    const headers = this.#headers();
    const message =
      body === undefined
        ? { contentType: contentType.connectV2, headers: this.#byServiceId(headers) }
        : { contentType: contentType.connect, headers, body };
    const pending = host.channel.request(message, request.timeoutMs, 'a dial', (reply) => {
      if (!(reply instanceof TunnelerError)) this.#answered(reply);
      else if (reply.code === 'base.timeout') this.#giveUp(timedOut(request.timeoutMs));
      else this.channelLost(reply);
    });
    if (!this.#settled) this.#pending = pending;
  }

  receive(frame: Frame): void {
    // A router may send a refusal that is no reply; and what the host sends at once may overtake the router's answer.
    if (frame.contentType === contentType.stateClosed) this.#answered(frame);
    else this.#keep(frame);
  }

  #keep(frame: Frame): void {
    if (this.#earlyBytes + frame.body.length > maxEarlyBytes) return;
    this.#earlyBytes += frame.body.length;
    const headers = HeaderBlock.parse(copyBytes(frame.headers.encoded));
    const { contentType: kind, sequence } = frame;
    this.#early.push({ contentType: kind, sequence, headers, body: copyBytes(frame.body) });
  }

  channelLost(error: TunnelerError): void {
    this.#settle(() => this.#reject(error));
  }

  failed(error: TunnelerError): void {
    this.#giveUp(error);
  }

  #headers(): HeaderList {
    const { request, connId, callerId } = this.#options;
    const headers = new HeaderList().u32(headerId.connId, connId).string(headerId.callerId, callerId);
    if (request.hostedByUs !== true) headers.bool(headerId.useXgressToSdk, true);
    if (this.#keys !== undefined) {
      headers.bytes(headerId.publicKey, this.#keys.publicKey).u8(headerId.cryptoMethod, 0);
    }
    if (request.terminatorIdentity !== undefined) {
      headers.string(headerId.terminatorIdentity, request.terminatorIdentity);
    }
    if (request.appData !== undefined) headers.bytes(headerId.appData, request.appData);
    if (request.stickinessToken !== undefined) headers.bytes(headerId.stickinessToken, request.stickinessToken);
    return headers;
  }

  #byServiceId(headers: HeaderList): HeaderList {
    headers.string(headerId.serviceId, this.#options.request.serviceId);
    return headers.u8(headerId.serviceIdentifierType, 0);
  }

  #answered(reply: Frame): void {
    if (reply.contentType === contentType.stateConnected) {
      this.#connected(reply);
      return;
    }
    const reason = bytesText(reply.body);
    this.#settle(() => this.#reject(dialFailure(reason, readEdgeFault(reply.headers))));
  }

  #connected(reply: Frame): void {
    const { host, connId, request, register } = this.#options;
    const circuitId = reply.headers.string(headerId.circuitId);
    const bySdk = reply.headers.bool(headerId.useXgressToSdk) && circuitId !== undefined;
    const peerKey = reply.headers.bytes(headerId.publicKey);
    const keys = this.#keys;
    if (keys !== undefined && peerKey === undefined) {
      // The Go client goes on in clear text here, with a warning. We do not.
      endCircuit(host, connId, bySdk ? circuitId : undefined);
      const message = 'the service wants end-to-end encryption, and its host offered no key';
      this.#settle(() => this.#reject(new TunnelerError('ziti.dial.encryption_missing', message)));
      return;
    }
    let stream: EdgeStream;
    try {
      stream = new EdgeStream({
        host,
        connId,
        kind: request.kind,
        circuitId,
        keys:
          keys === undefined || peerKey === undefined
            ? undefined
            : deriveSessionKeys('dialler', keys, copyBytes(peerKey)),
        carrier: (owner) =>
          bySdk
            ? new XgressFlowControl({ host, connId, circuitId, originator: 'initiator', owner })
            : new RouterFlowControl({ host, connId, owner }),
      });
    } catch (error) {
      endCircuit(host, connId, bySdk ? circuitId : undefined);
      throw error;
    }
    const stickinessToken = reply.headers.bytes(headerId.stickinessToken);
    this.#settle(() => {
      register(stream);
      this.#options.opened(stream);
      for (const frame of this.#early) stream.receive(frame);
      this.#resolve({
        stream,
        ...defined({ stickinessToken: stickinessToken && copyBytes(stickinessToken) }),
      });
    });
  }

  /** We want it no more, but the router may still be at it: a connection that comes late is closed when it comes. */
  #giveUp(error: TunnelerError): void {
    const { host, connId } = this.#options;
    if (this.#settled) return;
    endCircuit(host, connId, undefined);
    this.#settle(() => this.#reject(error));
  }

  #settle(tell: () => void): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#pending?.[Symbol.dispose]();
    const { host, connId, request } = this.#options;
    request.signal?.removeEventListener('abort', this.#onAbort);
    host.unregister(connId, this);
    tell();
  }
}

/** Tell the router that a connection it made is not wanted. */
export function endCircuit(
  host: Pick<ConnectionHost, 'channel'>,
  connId: number,
  circuitIdUnderSdk: string | undefined,
): void {
  if (circuitIdUnderSdk !== undefined) {
    host.channel.send({ contentType: contentType.xgClose, body: textBytes(circuitIdUnderSdk) });
  }
  const headers = new HeaderList().u32(headerId.connId, connId);
  host.channel.send({ contentType: contentType.stateClosed, headers });
}

function timedOut(timeoutMs: number): TunnelerError {
  return new TunnelerError('ziti.dial.timeout', `the dial was not answered within ${timeoutMs} ms`, {
    details: { timeoutMs },
  });
}
