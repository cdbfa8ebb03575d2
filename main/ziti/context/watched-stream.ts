/** A dialled stream whose end is looked at: revocation reaches a client as the end of its streams. */
import { TunnelerError, type ErrorCode } from '../../base/errors.ts';
import type { ByteSink, StreamKind } from '../../base/stream.ts';
import type { ZitiStream } from '../model.ts';

/** Ends that a revoked access may look like: routers do not always say which it was. */
const doubtful: readonly ErrorCode[] = ['ziti.stream.reset', 'ziti.channel.closed', 'ziti.channel.rejected'];

/** Whom a watched stream tells of its end. */
export interface StreamWatcher {
  /** It is over, or nobody listens to it any more. Once. */
  streamOver(serviceId: string): void;
  /** A router took access away: the list of services has to follow. */
  invalidateServices(): void;
  /** Asks the controller, briefly: may this identity still dial the service? */
  accessKept(serviceId: string): Promise<boolean>;
}

export class WatchedStream implements ZitiStream {
  readonly #stream: ZitiStream;
  readonly #serviceId: string;
  readonly #watcher: StreamWatcher;
  #started = false;
  #over = false;

  constructor(stream: ZitiStream, serviceId: string, watcher: StreamWatcher) {
    this.#stream = stream;
    this.#serviceId = serviceId;
    this.#watcher = watcher;
  }

  get kind(): StreamKind {
    return this.#stream.kind;
  }

  get circuitId(): string | undefined {
    return this.#stream.circuitId;
  }

  get routerName(): string {
    return this.#stream.routerName;
  }

  get encrypted(): boolean {
    return this.#stream.encrypted;
  }

  start(sink: ByteSink): void {
    this.#started = true;
    this.#stream.start(new WatchedSink(sink, this));
  }

  write(chunk: Uint8Array): boolean {
    return this.#stream.write(chunk);
  }

  end(): void {
    this.#stream.end();
  }

  reset(error?: TunnelerError): void {
    // Nobody is told of the end of a stream that nobody listens to.
    if (!this.#started) this.#tellOver();
    this.#stream.reset(error);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** It ended as `error` says; `tell` is called with what is true of it, later where the controller must be asked. */
  closed(error: TunnelerError | undefined, tell: (error?: TunnelerError) => void): void {
    this.#tellOver();
    if (error !== undefined && doubtful.includes(error.code)) {
      void this.#watcher.accessKept(this.#serviceId).then((kept) => tell(kept ? error : accessLost(error)));
      return;
    }
    if (error?.code === 'ziti.dial.access_denied') this.#watcher.invalidateServices();
    tell(error);
  }

  #tellOver(): void {
    if (!this.#over) this.#watcher.streamOver(this.#serviceId);
    this.#over = true;
  }
}

/** Hands everything on, but for the end, which its stream judges first. */
class WatchedSink implements ByteSink {
  readonly #sink: ByteSink;
  readonly #stream: WatchedStream;

  constructor(sink: ByteSink, stream: WatchedStream) {
    this.#sink = sink;
    this.#stream = stream;
  }

  data(chunk: Uint8Array): void {
    this.#sink.data(chunk);
  }

  end(): void {
    this.#sink.end();
  }

  drain(): void {
    this.#sink.drain();
  }

  closed(error?: TunnelerError): void {
    this.#stream.closed(error, (known) => this.#sink.closed(known));
  }
}

function accessLost(cause: TunnelerError): TunnelerError {
  return new TunnelerError('ziti.dial.access_denied', 'access to the service was revoked while the stream was open', {
    cause,
    details: { ...cause.details, reason: 'access lost' },
  });
}
