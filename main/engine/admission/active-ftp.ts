/**
 * Active FTP at the dialling side: where a host says that a session is a control connection, the address which the application announces there is
 * kept, and each transfer has a data connection dialled as the same program and joined to that address.
 */
import type { FlowRequest } from '../../base/flow.ts';
import type { ByteStream } from '../../base/stream.ts';
import { ftpPort, readCommand } from '../../hosting/ftp/control-lines.ts';
import { ControlStream, type CommandFate, type ControlWatch } from '../../hosting/ftp/control-stream.ts';

/** Lower ones belong to services of the machine's own. */
const lowestPort = 1024;

const elsewhere: CommandFate = {
  answer: `501 Data connections go to the address of this connection and a port from ${lowestPort} on, or use passive mode (EPSV, PASV)`,
};

/** Whether this may be a control connection whose application can be reached at the address it comes from. */
export function mayBeFtp({ entry, protocol, destination, ftpData }: FlowRequest): boolean {
  // By a proxy, an application's own address is not what we see of it.
  return entry === 'tun' && protocol === 'tcp' && destination.port === ftpPort && ftpData === undefined;
}

/** Dial one data connection and join it to the application's port. Never rejects; resolves when it is joined, or with why it is not. */
export type CarryData = (data: FlowRequest, signal: AbortSignal) => Promise<string | undefined>;

/** One control connection as its dialler sees it. */
export class ActiveFtp implements ControlWatch {
  readonly stream: ByteStream;
  readonly #control: ControlStream;
  readonly #flow: FlowRequest;
  readonly #carry: CarryData;
  /** The host's; undefined until it has said so. */
  #word: string | undefined;
  /** Where the application waits. */
  #port: number | undefined;
  #dialling: AbortController | undefined;

  constructor(remote: ByteStream, flow: FlowRequest, carry: CarryData) {
    this.#control = new ControlStream(remote, this);
    this.stream = this.#control;
    this.#flow = flow;
    this.#carry = carry;
  }

  /** The host says that it is one. */
  begin(word: string): void {
    this.#word = word;
  }

  command(line: string): CommandFate {
    if (this.#word === undefined) return 'pass';
    const command = readCommand(line);
    if (command.kind === 'active') {
      const { address, port } = command.at;
      this.#port = undefined;
      if (address !== this.#flow.source.address || port < lowestPort) return elsewhere;
      this.#port = port;
    }
    if (command.kind === 'passive') this.#port = undefined;
    if (command.kind === 'transfer') void this.#transfer();
    return 'pass';
  }

  /** A transfer that fails needs no connection. */
  replied(code: number): void {
    if (code < 400) return;
    this.#dialling?.abort();
    this.#dialling = undefined;
    this.#control.release();
  }

  closed(): void {
    this.#dialling?.abort();
  }

  /** What the server says of the transfer waits until the application has its connection, for it expects them in this order. */
  async #transfer(): Promise<void> {
    const { source } = this.#flow;
    const [word, port] = [this.#word, this.#port];
    if (word === undefined || port === undefined || this.#dialling !== undefined) return;
    const dialling = new AbortController();
    this.#dialling = dialling;
    this.#control.hold();
    const data = { ...this.#flow, source: { address: source.address, port }, ftpData: `${word}/${port}` };
    const problem = await this.#carry(data, dialling.signal);
    // A failed transfer has used nothing up, and the server has said so.
    if (dialling.signal.aborted) return;
    this.#dialling = undefined;
    this.#port = undefined;
    if (problem === undefined) this.#control.release();
    else this.#control.replace(`425 No data connection: ${problem.replaceAll(/[^ -~]/g, '?')}`);
  }
}
