/** A dialled stream whose end is looked at: revocation reaches a client as the end of its streams. */
import type { ErrorCode, TunnelerError } from '../../base/errors.ts';
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
  /** Asks, briefly, whether this identity may still dial the service; an error says that it may not, and why. */
  accessLost(serviceId: string): Promise<TunnelerError | undefined>;
  /** A router says that access is gone: is it that the identity itself may not work any more? */
  identityLost(): Promise<TunnelerError | undefined>;
}

/** As the stream beneath, but an end that may be revocation is first asked about: then `cut` comes at once, and `closed` says why. */
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

  /** It ended as `error` says, and `sink` is told what is true of it: that it is cut at once, why when that is known. */
  closed(error: TunnelerError | undefined, sink: ByteSink): void {
    this.#tellOver();
    const question = error === undefined ? undefined : this.#questionAbout(error);
    if (question === undefined) {
      sink.closed(error);
      return;
    }
    sink.cut?.();
    void question.then((reason) => sink.closed(reason ?? error));
  }

  #questionAbout(error: TunnelerError): Promise<TunnelerError | undefined> | undefined {
    if (doubtful.includes(error.code)) return this.#watcher.accessLost(this.#serviceId);
    if (error.code !== 'ziti.dial.access_denied' || error.details['revoked'] === true) return undefined;
    this.#watcher.invalidateServices();
    return this.#watcher.identityLost();
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
    this.#stream.closed(error, this.#sink);
  }
}
