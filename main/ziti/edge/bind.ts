/** One service hosted over one router: Bind, the dials that come, updates, and how it ends. */
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { Precedence } from '../model.ts';
import { contentType } from '../wire/content-type.ts';
import { edgeErrorCode, readEdgeFault, type EdgeFault } from '../wire/edge-error.ts';
import type { Frame } from '../wire/frame.ts';
import { HeaderList } from '../wire/header-block.ts';
import { connType, headerId, precedenceByte } from '../wire/header-id.ts';
import { bytesText } from '../wire/little-endian.ts';
import type { Connection, ConnectionHost } from './connection.ts';
import type { EdgeBinding, EdgeBindRequest } from './edge-router.ts';
import type { EdgeStream } from './edge-stream.ts';
import { accessLost, isAccessLoss } from './fault.ts';
import { ReceivedDial } from './incoming-dial.ts';
import { sessionTokenBody } from './session-token.ts';
import { StreamGroups } from './stream-groups.ts';

/** As the Go host waits (openziti/sdk-golang: ziti/edge/network/hosting_conn.go). */
const replyTimeoutMs = 5_000;
const establishTimeoutMs = 60_000;

/** The request, the id it goes out under, and the table its children are put in. */
export interface BindOptions {
  readonly host: ConnectionHost;
  readonly connId: number;
  readonly request: EdgeBindRequest;
  register(connId: number, connection: Connection): void;
}

/** Bind. Resolves when the router took it; the request's callbacks come after that. */
export function bind(options: BindOptions): Promise<EdgeBinding> {
  return new Promise((resolve, reject) => {
    const binding = new RouterBinding(options);
    binding.begin(() => resolve(binding), reject);
  });
}

type Then = 'retry' | 'start-over' | 'stop';

class RouterBinding implements EdgeBinding, Connection {
  readonly connType = connType.bind;
  readonly #options: BindOptions;
  readonly #token: Uint8Array;
  readonly #children = new StreamGroups();
  #state: 'binding' | 'bound' | 'over' = 'binding';
  #established = false;
  #timer: Disposable | undefined;
  #rejectBinding: ((error: TunnelerError) => void) | undefined;

  constructor(options: BindOptions) {
    this.#options = options;
    this.#token = sessionTokenBody(options.request.sessionToken);
    if (options.request.encryptionRequired && options.request.keys === undefined) {
      throw new TunnelerError('ziti.bind.failed', 'an encrypted service is hosted with keys');
    }
  }

  begin(resolve: () => void, reject: (error: TunnelerError) => void): void {
    const { host, connId, register } = this.#options;
    this.#rejectBinding = reject;
    register(connId, this);
    const message = { contentType: contentType.bind, headers: this.#headers(), body: this.#token };
    host.channel.request(message, replyTimeoutMs, 'a bind', (reply) => {
      if (reply instanceof TunnelerError) {
        const error =
          reply.code === 'base.timeout'
            ? new TunnelerError('ziti.bind.failed', 'the router did not answer the bind', { cause: reply })
            : reply;
        this.unbind();
        reject(error);
      } else if (reply.contentType === contentType.stateConnected) {
        this.#bound(resolve);
      } else {
        this.#over();
        reject(refused(bytesText(reply.body), readEdgeFault(reply.headers)));
      }
    });
  }

  update(change: { readonly cost?: number; readonly precedence?: Precedence }): void {
    if (this.#state === 'over') return;
    const headers = new HeaderList().u32(headerId.connId, this.#options.connId);
    if (change.cost !== undefined) headers.u16(headerId.cost, change.cost);
    if (change.precedence !== undefined) headers.u8(headerId.precedence, precedenceByte[change.precedence]);
    this.#options.host.channel.send({ contentType: contentType.updateBind, headers, body: this.#token });
  }

  cut(error: TunnelerError): void {
    this.#children.revoke('', error);
  }

  unbind(): void {
    if (this.#state === 'over') return;
    this.#over();
    // The very token of the Bind: with another the terminator stays.
    const headers = new HeaderList().u32(headerId.connId, this.#options.connId);
    this.#options.host.channel.send({ contentType: contentType.unbind, headers, body: this.#token });
  }

  receive(frame: Frame): void {
    switch (frame.contentType) {
      case contentType.dial:
        this.#dialled(frame);
        return;
      case contentType.bindSuccess:
        this.#establish();
        return;
      case contentType.stateClosed: {
        const reason = bytesText(frame.body);
        const fault = readEdgeFault(frame.headers);
        // Routers of 2.x close the children too; those of 1.7 leave them to us.
        if (isAccessLoss(reason, fault)) this.#children.revoke('', accessLost(reason, fault));
        this.#end(refused(reason, fault), whatThen(reason, fault));
        return;
      }
      default:
    }
  }

  channelLost(error: TunnelerError): void {
    this.#end(error, 'retry');
  }

  failed(error: TunnelerError): void {
    this.#options.host.log.error('ziti.bind.handler_failed', { router: this.#options.host.routerName, error });
  }

  #headers(): HeaderList {
    const { request, connId } = this.#options;
    const headers = new HeaderList()
      .u32(headerId.connId, connId)
      .bool(headerId.supportsInspect, true)
      .bool(headerId.supportsBindSuccess, true)
      .bool(headerId.routerProvidedConnId, true)
      .bool(headerId.useXgressToSdk, true)
      .string(headerId.listenerId, request.listenerId);
    if (request.keys !== undefined && request.encryptionRequired) {
      headers.bytes(headerId.publicKey, request.keys.publicKey).u8(headerId.cryptoMethod, 0);
    }
    if (request.cost > 0) headers.u16(headerId.cost, request.cost);
    if (request.precedence !== 'default') headers.u8(headerId.precedence, precedenceByte[request.precedence]);
    if (request.terminatorIdentity !== undefined) {
      headers.string(headerId.terminatorIdentity, request.terminatorIdentity);
    }
    return headers;
  }

  #bound(resolve: () => void): void {
    if (this.#state !== 'binding') return;
    const { host } = this.#options;
    this.#state = 'bound';
    this.#rejectBinding = undefined;
    resolve();
    if (this.#established) return;
    if (!host.channel.hello.supportsBindSuccess) {
      this.#establish();
      return;
    }
    this.#timer = host.clock.after(establishTimeoutMs, () => {
      const error = new TunnelerError('ziti.bind.failed', 'the controller did not make the terminator in time');
      this.unbind();
      this.#options.request.onClosed({ error, then: 'retry' });
    });
  }

  #establish(): void {
    if (this.#established || this.#state === 'over') return;
    this.#established = true;
    this.#timer?.[Symbol.dispose]();
    // After `bind` has resolved, even where the router told of it in the same breath.
    queueMicrotask(() => {
      if (this.#state !== 'over') this.#options.request.onEstablished();
    });
  }

  #dialled(frame: Frame): void {
    const { host, request, register, connId } = this.#options;
    const keys = request.encryptionRequired ? request.keys : undefined;
    const opened = (stream: EdgeStream): void => this.#children.add('', stream);
    const keyPerConnection = request.keyPerConnection && host.channel.hello.capabilities.known;
    const dial = new ReceivedDial({ host, frame, bindConnId: connId, keys, keyPerConnection, register, opened });
    try {
      request.onDial(dial);
    } catch (error) {
      dial.reject('the host failed');
      throw error;
    }
  }

  #end(error: TunnelerError, then: Then): void {
    if (this.#state === 'over') return;
    const reject = this.#rejectBinding;
    this.#over();
    if (reject !== undefined) reject(error);
    else this.#options.request.onClosed({ error, then });
  }

  #over(): void {
    this.#state = 'over';
    this.#rejectBinding = undefined;
    this.#timer?.[Symbol.dispose]();
    this.#options.host.unregister(this.#options.connId, this);
  }
}

/** `details.then` says what the caller may do next, as for a binding that ends later. */
function refused(reason: string, fault: EdgeFault): TunnelerError {
  return new TunnelerError(
    'ziti.bind.refused',
    `the router ended the hosting: ${reason === '' ? 'no reason given' : reason}`,
    {
      details: {
        reason,
        then: whatThen(reason, fault),
        ...defined({ routerCode: fault.code }),
      },
    },
  );
}

/** What no new session would mend. */
const hopeless: readonly number[] = [
  edgeErrorCode.wrongSessionType,
  edgeErrorCode.invalidService,
  edgeErrorCode.invalidTerminator,
  edgeErrorCode.invalidPrecedence,
  edgeErrorCode.invalidCost,
];

function whatThen(reason: string, fault: EdgeFault): Then {
  if (fault.retryHint === 'start-over') return 'start-over';
  if (fault.retryHint === 'not-retriable') return 'stop';
  if (fault.code !== undefined && hopeless.includes(fault.code)) return 'stop';
  // 1.7 routers send the text alone.
  return isAccessLoss(reason, fault) ? 'start-over' : 'retry';
}
