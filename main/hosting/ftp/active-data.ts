/**
 * Active FTP behind a hosted service (RFC 959 section 3.2): the server opens the data connection, so it is told of an address of this host in
 * place of the client's, and what comes there is taken by the next dial of the same caller that has the word of its control connection.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { TunnelerError } from '../../base/errors.ts';
import { canonicalAddress } from '../../base/ip.ts';
import type { ByteStream } from '../../base/stream.ts';
import { tcpStream } from '../../sockets/tcp-stream.ts';
import { activeCommand, readCommand } from './control-lines.ts';
import { ControlStream, type CommandFate, type ControlWatch } from './control-stream.ts';

/** A server that has been told an address uses it within this time, or is told anew. */
const announcedMs = 60_000;
/** From a command that asks for data to the dial that takes it. */
const takenMs = 10_000;

/** What a client is told whose dialler takes no data connections. */
const refusal: CommandFate = {
  answer: '500 No data connection can be opened to you from here: use passive mode (EPSV, PASV)',
};
const unreadable: CommandFate = { answer: '501 That address cannot be read' };
const notListening: CommandFate = { answer: '425 No port could be opened for the data connection' };

/** Whose a control connection is. */
export interface ControlOwner {
  readonly serviceId: string;
  /** As far as the router says; undefined: it does not. */
  readonly caller: string | undefined;
}

/** The control connections of all hosted services. */
export class ActiveData {
  readonly #clock: Clock;
  readonly #controls = new Map<string, FtpControl>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** One more. Let go of with the stream that it is put over, or by disposing it. */
  control(owner: ControlOwner, diallerTakesData: boolean): FtpControl {
    const word = diallerTakesData ? randomBytes(16).toString('hex') : undefined;
    const control = new FtpControl(owner, word, this.#clock, () => {
      if (word !== undefined) this.#controls.delete(word);
    });
    if (word !== undefined) this.#controls.set(word, control);
    return control;
  }

  /**
   * The data connection that `claim` names, as soon as the server has opened it: `WORD/PORT`, with the port that the client announced. Each is
   * given once. Throws `hosting.refused` where there is none for this caller, and where the server opens none.
   */
  async take(claim: string, owner: ControlOwner, signal: AbortSignal): Promise<ByteStream> {
    return this.#claimed(claim, owner).take(portOf(claim), signal);
  }

  /** Whoever was to take it may not: the server's connection is reset. */
  refuse(claim: string, owner: ControlOwner): void {
    const control = this.#controls.get(wordOf(claim));
    if (control?.isOf(owner) === true) control.drop();
  }

  #claimed(claim: string, owner: ControlOwner): FtpControl {
    const control = this.#controls.get(wordOf(claim));
    if (control?.isOf(owner) !== true) throw refused('this dial belongs to no FTP session');
    return control;
  }
}

const wordOf = (claim: string): string => claim.slice(0, claim.indexOf('/'));
const portOf = (claim: string): number => Number(claim.slice(claim.indexOf('/') + 1));

function refused(sentence: string): TunnelerError {
  return new TunnelerError('hosting.refused', sentence);
}

/** What the server was told last. */
interface Announced {
  /** The client's own. */
  readonly port: number;
  readonly listener: Server;
  timer: Disposable;
  /** Opened by the server, taken by nobody yet. */
  data: Socket | undefined;
  taker: { readonly give: (socket: Socket) => void; readonly fail: (error: TunnelerError) => void } | undefined;
}

/** One control connection, from before its server is reached to its end. */
export class FtpControl implements ControlWatch, Disposable {
  /** By which data connections are asked for; undefined: the dialler takes none. */
  readonly word: string | undefined;
  readonly #owner: ControlOwner;
  readonly #clock: Clock;
  readonly #over: () => void;
  #own = '';
  #server = '';
  #announced: Announced | undefined;
  #closed = false;

  constructor(owner: ControlOwner, word: string | undefined, clock: Clock, over: () => void) {
    this.#owner = owner;
    this.word = word;
    this.#clock = clock;
    this.#over = over;
  }

  /** The stream to a server that was reached; the socket is its own from here on. */
  over(socket: Socket): ByteStream {
    this.#own = canonicalAddress(socket.localAddress ?? '') ?? '';
    this.#server = canonicalAddress(socket.remoteAddress ?? '') ?? '';
    return new ControlStream(tcpStream(socket), this);
  }

  isOf({ serviceId, caller }: ControlOwner): boolean {
    return serviceId === this.#owner.serviceId && caller === this.#owner.caller;
  }

  command(line: string): CommandFate | Promise<CommandFate> {
    const command = readCommand(line);
    if (command.kind === 'active' || command.kind === 'unreadable') {
      if (this.word === undefined) return refusal;
      return command.kind === 'unreadable' ? unreadable : this.#announce(command.at.port);
    }
    if (command.kind === 'passive') this.drop();
    if (command.kind === 'transfer') this.#wanted();
    return 'pass';
  }

  /** A transfer that fails has no data connection, unless it is there. */
  replied(code: number): void {
    if (code >= 400) this.#announced?.taker?.fail(refused('the FTP server opened no data connection'));
  }

  closed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.drop();
    this.#over();
  }

  [Symbol.dispose](): void {
    this.closed();
  }

  /** See {@link ActiveData.take}. */
  take(port: number, signal: AbortSignal): Promise<ByteStream> {
    const announced = this.#announced;
    if (announced?.port !== port || announced.taker !== undefined) throw refused('no such data connection is awaited');
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        announced.taker = undefined;
        signal.removeEventListener('abort', given);
        timer[Symbol.dispose]();
      };
      const fail = (error: TunnelerError): void => {
        settle();
        reject(error);
      };
      const give = (socket: Socket): void => {
        settle();
        announced.data = undefined;
        if (this.#announced === announced) this.#announced = undefined;
        announced.timer[Symbol.dispose]();
        announced.listener.close();
        resolve(tcpStream(socket));
      };
      const given = (): void => fail(refused('given up'));
      const timer = this.#clock.after(takenMs, () => fail(refused('the FTP server opened no data connection in time')));
      signal.addEventListener('abort', given, { once: true });
      announced.taker = { give, fail };
      if (announced.data !== undefined) give(announced.data);
    });
  }

  /** Forget what was announced; what the server has opened is reset. */
  drop(): void {
    const announced = this.#announced;
    if (announced === undefined) return;
    this.#announced = undefined;
    announced.timer[Symbol.dispose]();
    announced.listener.close();
    announced.data?.resetAndDestroy();
    announced.taker?.fail(refused('the data connection is awaited no more'));
  }

  /** A port of this host's own in place of the client's: for one connection, of that server's. */
  async #announce(port: number): Promise<CommandFate> {
    this.drop();
    const listener = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true });
    const listens = await new Promise<boolean>((resolve) => {
      listener.on('error', () => resolve(false));
      listener.listen({ host: this.#own, port: 0, exclusive: true }, () => resolve(true));
    });
    const at = listener.address();
    if (!listens || at === null || typeof at === 'string' || this.#closed) {
      listener.close();
      return notListening;
    }
    const timer = this.#clock.after(announcedMs, () => this.drop());
    const announced: Announced = { port, listener, timer, data: undefined, taker: undefined };
    this.#announced = announced;
    listener.on('connection', (socket) => this.#connected(announced, socket));
    return { send: activeCommand({ address: this.#own, port: at.port }) };
  }

  #connected(announced: Announced, socket: Socket): void {
    socket.on('error', () => undefined);
    const from = canonicalAddress(socket.remoteAddress ?? '');
    if (this.#announced !== announced || announced.data !== undefined || from !== this.#server) {
      socket.resetAndDestroy();
      return;
    }
    announced.data = socket;
    announced.listener.close();
    announced.taker?.give(socket);
  }

  /** From here on somebody takes it soon, or nobody will. */
  #wanted(): void {
    const announced = this.#announced;
    if (announced === undefined) return;
    announced.timer[Symbol.dispose]();
    announced.timer = this.#clock.after(takenMs, () => this.drop());
  }
}
