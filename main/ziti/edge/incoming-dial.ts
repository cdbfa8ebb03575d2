/** A dial that reached a service hosted here, until it is answered. */
import { TunnelerError } from '../../base/errors.ts';
import type { StreamKind } from '../../base/stream.ts';
import type { IncomingDial, ZitiStream } from '../model.ts';
import { contentType } from '../wire/content-type.ts';
import type { Frame } from '../wire/frame.ts';
import { HeaderBlock, HeaderList } from '../wire/header-block.ts';
import { headerId } from '../wire/header-id.ts';
import { copyBytes, noBytes, textBytes, u32Bytes } from '../wire/little-endian.ts';
import type { Connection, ConnectionHost } from './connection.ts';
import type { ListenerKeys } from './edge-router.ts';
import { EdgeStream } from './edge-stream.ts';
import { deriveSessionKeys, newListenerKeys, type SessionKeys } from './end-to-end.ts';
import { RouterFlowControl } from './router-flow-control.ts';
import { XgressFlowControl } from './xgress-flow-control.ts';

/** Routers wait 5 s for the answer (openziti/ziti: router/xgress_edge/dialer.go). */
const answerWithinMs = 4_500;

/** The Dial and the listener it reached. */
export interface IncomingDialOptions {
  readonly host: ConnectionHost;
  /** The Dial, borrowed. */
  readonly frame: Frame;
  readonly bindConnId: number;
  /** Present: the service is encrypted, and so must this connection be. */
  readonly keys: ListenerKeys | undefined;
  /** Not the listener's pair but one of the connection's own, which the answer tells. */
  readonly keyPerConnection: boolean;
  register(connId: number, connection: Connection): void;
  /** It was accepted. */
  opened(stream: EdgeStream): void;
}

/** Answers once; unanswered, it is refused before the router gives up waiting. */
export class ReceivedDial implements IncomingDial {
  readonly circuitId: string | undefined;
  readonly appData: Uint8Array | undefined;
  readonly caller: IncomingDial['caller'];
  readonly routerName: string;
  readonly #options: IncomingDialOptions;
  /** What a reply needs of the request. */
  readonly #request: Frame;
  readonly #timer: Disposable;
  #answered = false;

  constructor(options: IncomingDialOptions) {
    const { frame, host } = options;
    this.#options = options;
    const headers = HeaderBlock.parse(copyBytes(frame.headers.encoded));
    this.#request = { contentType: frame.contentType, sequence: frame.sequence, headers, body: noBytes };
    this.circuitId = headers.string(headerId.circuitId);
    this.appData = headers.bytes(headerId.appData);
    this.routerName = host.routerName;
    const assertedName = headers.string(headerId.dialerIdentityName);
    this.caller = {
      name: assertedName ?? headers.string(headerId.callerId),
      id: headers.string(headerId.dialerIdentityId),
      asserted: assertedName !== undefined,
    };
    this.#timer = host.clock.after(answerWithinMs, () => this.reject('the host did not answer in time'));
  }

  /** Throws `ziti.dial.encryption_missing` (and has rejected) where a key is missing or unusable, `base.closed` where it was answered. */
  accept(kind: StreamKind = 'stream'): ZitiStream {
    if (this.#answered) throw new TunnelerError('base.closed', 'this dial was answered already, or its time was up');
    const { host, register, bindConnId } = this.#options;
    const connId = this.#request.headers.u32(headerId.routerProvidedConnId);
    if (connId === undefined) {
      this.reject('the router gave no connection id');
      throw new TunnelerError('ziti.bind.failed', 'the router gave no connection id for a dial');
    }
    const own = this.#ownKeys();
    const keys = own === undefined ? undefined : this.#sessionKeys(own);
    this.#settle();
    const { circuitId } = this;
    // Answered first: what the stream sends at once must come after it.
    host.channel.reply(this.#request, {
      contentType: contentType.dialSuccess,
      headers: this.#successHeaders(bindConnId, own),
      body: u32Bytes(connId),
    });
    const bySdk = this.#request.headers.bool(headerId.useXgressToSdk) && circuitId !== undefined;
    const stream = new EdgeStream({
      host,
      connId,
      kind,
      circuitId,
      keys,
      carrier: (owner) =>
        bySdk
          ? new XgressFlowControl({ host, connId, circuitId, originator: 'terminator', owner })
          : new RouterFlowControl({ host, connId, owner }),
    });
    register(connId, stream);
    this.#options.opened(stream);
    return stream;
  }

  reject(reason: string): void {
    if (this.#answered) return;
    this.#settle();
    this.#options.host.channel.reply(this.#request, {
      contentType: contentType.dialFailed,
      headers: new HeaderList().u32(headerId.connId, this.#options.bindConnId),
      body: textBytes(reason),
    });
  }

  #ownKeys(): ListenerKeys | undefined {
    const { keys, keyPerConnection } = this.#options;
    return keys !== undefined && keyPerConnection ? newListenerKeys() : keys;
  }

  #successHeaders(bindConnId: number, own: ListenerKeys | undefined): HeaderList {
    const headers = new HeaderList().u32(headerId.connId, bindConnId);
    return own === undefined || own === this.#options.keys ? headers : headers.bytes(headerId.publicKey, own.publicKey);
  }

  #sessionKeys(own: ListenerKeys): SessionKeys {
    const peerKey = this.#request.headers.bytes(headerId.publicKey);
    try {
      if (peerKey === undefined) {
        throw new TunnelerError('ziti.dial.encryption_missing', 'the dialler offered no key for an encrypted service');
      }
      return deriveSessionKeys('host', own, copyBytes(peerKey));
    } catch (error) {
      this.reject('end-to-end encryption is required');
      throw error;
    }
  }

  #settle(): void {
    this.#answered = true;
    this.#timer[Symbol.dispose]();
  }
}
