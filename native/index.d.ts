/** The native floor: TUN devices that rewrite known flows by themselves, and who owns a socket. */

/** The addon, or why there is none. Looked for once; never throws. */
export function loadNative(): NativeResult;

export type NativeResult =
  | { readonly ok: true; readonly native: Native }
  | { readonly ok: false; readonly reason: string };

export interface Native {
  /**
   * Create a TUN interface and start the thread that serves it. Throws an Error whose message starts with `EPERM`,
   * `ENOENT`, `EBUSY`, `EINVAL` or `EIO`.
   * @param notify called with '' when packets wait to be taken and none did before; with other text when the device has
   *   failed, once. Never keeps the process alive.
   */
  openTun(options: TunOptions, notify: (failure: string) => void): NativeTun;
  /**
   * Who connected to this Unix socket, as the kernel noted it then. `fd` stays the caller's. Throws where the platform or
   * the descriptor cannot say. `pid` is absent where it lies in a namespace we cannot see.
   */
  peerCredentials(fd: number): { readonly pid?: number; readonly uid: number; readonly gid: number };
  /**
   * The socket with exactly this pair of ends, its own first, in this network namespace; null where there is none.
   * `inode` is what `/proc/PID/fd` names (Linux; 0 elsewhere), `pid` is present where the platform names it outright.
   */
  socketOwner(
    protocol: 'tcp' | 'udp',
    localAddress: string,
    localPort: number,
    remoteAddress: string,
    remotePort: number,
  ): { readonly inode: number; readonly uid: number; readonly pid?: number } | null;
  /** No core dump of this process, and no debugger of the same user on it (Linux; throws elsewhere). */
  sealProcess(): void;
  /**
   * A TCP listener on any port of `address` that takes only what comes in by the interface `device` (Linux; throws elsewhere). The descriptor
   * is the caller's.
   */
  listenOnDevice(address: string, device: string, backlog: number): number;
  /** Make an EC key pair on a PKCS#11 token, never extractable. Rejects with `CODE: text`, as all token calls: UNAVAILABLE, REMOVED, PIN, LOCKED, NOKEY, EIO. */
  tokenGenerate(place: TokenPlace, curve: 'P-256' | 'P-384', id: Uint8Array, label: string): Promise<TokenKey>;
  /** The public half of the key that `place` selects. */
  tokenFind(place: TokenPlace): Promise<TokenKey>;
  /** ECDSA over a finished digest; `point` of the answer is `r || s`. */
  tokenSign(place: TokenPlace, digest: Uint8Array): Promise<TokenKey>;
  /** Remove both halves; what is not there counts as removed. */
  tokenDestroy(place: TokenPlace): Promise<null>;
  /**
   * One HTTPS exchange with a client certificate whose key only signs. `wanted` is called for the handshake's signature and must lead to
   * `provideSignature`. Rejects with `CODE: text`: UNREACHABLE (nothing was sent), CERTIFICATE, KEY, BROKEN.
   */
  httpsExchange(options: ExchangeOptions, wanted: (ask: { readonly ticket: number; readonly message: Uint8Array }) => void): Promise<ExchangeAnswer>;
  /** The DER signature over a ticket's message; null where the key refused. Late answers are ignored. */
  provideSignature(ticket: number, signature: Uint8Array | null): void;
  /**
   * Inode, pid, inode, pid, …: every process that holds one of these sockets and may be looked into. Linux; empty elsewhere. One walk over
   * all descriptors of the host, off the JavaScript thread, whatever the number of sockets.
   */
  socketHolders(inodes: readonly number[]): Promise<Float64Array>;
  /**
   * Be told of processes that start, execute and end, by the kernel's process connector (Linux). `environment` names the variables that are
   * told with each program. Throws where the kernel tells nothing: another platform, a namespace of its own, or Linux before 6.6 without
   * CAP_NET_ADMIN.
   */
  watchProcesses(environment: readonly string[]): NativeProcessWatch;
  /**
   * The process and its parents, nearest first, as far as they live and let themselves be seen (Windows, macOS; throws elsewhere). What one lets
   * nobody read is absent; macOS tells of each its file, its parent and, of our own user's, its start.
   */
  processChain(pid: number): readonly NativeProcess[];
  /** Files of all programs that run, as far as they let themselves be looked at (Windows, macOS; throws elsewhere). */
  runningPrograms(): readonly string[];
  /**
   * Which process serves a named pipe, by a connection of our own that says nothing; null where nobody does (Windows; throws elsewhere, and where
   * that cannot be told: a pipe that stays busy for a second, or one that we may not open).
   */
  pipeServer(path: string): number | null;
  /**
   * Connect to a named pipe; null where nobody serves it (Windows; throws elsewhere, and as {@link pipeServer}). `pid` is the process that serves
   * this very connection, on which nothing has been said; its server may not act as us.
   */
  connectPipe(path: string): NativePipeEnd | null;
  /**
   * Serve a named pipe for these accounts alone, to this machine alone (Windows; throws elsewhere, and where somebody serves it). `notify` is
   * called when clients wait to be taken. Keeps the process alive until it is closed.
   */
  listenPipe(path: string, sids: readonly string[], notify: () => void): NativePipeListener;
  /** Where the system's own programs are, System32 (Windows; throws elsewhere). */
  systemDirectory(): string;
  /** Who owns a file or directory, and which accounts may do what with it (Windows; throws elsewhere). */
  fileRights(path: string): NativeFileRights;
  /** Full access for these accounts and for nobody else, handed down to what lies in it (Windows; throws elsewhere). */
  restrictFile(path: string, sids: readonly string[]): void;
}

/** A process of Windows or macOS. */
export interface NativeProcess {
  readonly pid: number;
  readonly parent: number;
  /** Grows with the time: units of 100 ns since 1601 (Windows), microseconds since 1970 (macOS). */
  readonly start?: string;
  readonly path?: string;
  /** Its command line, which it may have changed since. */
  readonly command?: string;
  /** Account that its token names, as SID. */
  readonly sid?: string;
  /** The account's name, without its domain. */
  readonly user?: string;
}

/** One end of a named pipe. The descriptor is the caller's to close; `pid`, the process at the other end, is absent where the system does not say. */
export interface NativePipeEnd {
  readonly descriptor: number;
  readonly pid?: number;
}

export interface NativePipeListener {
  /** Who connected since the last call, in order. */
  take(): readonly NativePipeEnd[];
  /** Idempotent. Who was taken stays connected. */
  close(): void;
}

/** Rights on a file of Windows. */
export interface NativeFileRights {
  /** SID. */
  readonly owner: string;
  /** What is only handed down to what lies in it is left out; `mask` is an access mask of winnt.h. */
  readonly grants: readonly { readonly sid: string; readonly mask: number }[];
}

export interface NativeProcessWatch {
  /** Everything since the last call, in order, up to this moment. */
  take(): NativeProcessEvent[];
  /** Idempotent; nothing is told afterwards. */
  close(): void;
}

/** As the kernel told it; an `exec` with what was read of the program at that moment. `lost`: there was more than could be kept. */
export interface NativeProcessEvent {
  readonly kind: 'fork' | 'exec' | 'exit' | 'lost';
  readonly pid: number;
  /** Of a fork. */
  readonly parent?: number;
  /** Start time in clock ticks since boot (field 22 of `/proc/PID/stat`). */
  readonly start?: string;
  readonly path?: string;
  readonly arguments?: readonly string[];
  readonly directory?: string;
  /** `NAME=VALUE`. */
  readonly environment?: readonly string[];
}

export interface TunOptions {
  /** Wanted interface name; the platform may choose another (`name` of the result tells). At most 15 bytes on Linux. */
  readonly name: string;
  readonly mtu: number;
  /** Bytes of packets that may wait to be taken; what does not fit is dropped and counted as `droppedQueue`. */
  readonly queueBytes: number;
}

/** 4 or 16 address bytes, and a port. */
export interface FlowEnd {
  readonly address: Uint8Array;
  readonly port: number;
}

export interface FlowEnds {
  readonly source: FlowEnd;
  readonly destination: FlowEnd;
}

export interface NativeTun {
  readonly name: string;
  /** True where a packet may be larger than the MTU, segmented by the kernel. */
  readonly offloads: boolean;
  /** All packets that wait, each behind its length (4 bytes, little-endian). The buffer is the caller's. */
  take(): Uint8Array;
  /** Hand whole IP packets with finished checksums to the kernel; how many it took. The memory stays the caller's. */
  write(packets: readonly Uint8Array[]): number;
  /**
   * Rewrite this TCP flow from now on: `application` is how its packets leave the application, `listener` how they are to
   * arrive at our listener. Only the SYN with sequence number `isn` passes; another one is raised. False where the id or
   * either pair of ends is taken.
   */
  addFlow(id: number, application: FlowEnds, listener: FlowEnds, isn: number): boolean;
  /** The flow's socket is closed: let the kernel finish its handshake, then forget the flow. Unknown ids are ignored. */
  retireFlow(id: number): void;
  /** Forget the flow now and reset both its sides. Unknown ids are ignored. */
  resetFlow(id: number): void;
  /** Ids of retired flows that ended since the last call. */
  sweep(): Uint32Array;
  flowCount(): number;
  /** Counters since the device was opened, by name. */
  stats(): { readonly name: string; readonly value: number }[];
  /** Reset every flow on both sides, stop, remove the interface. Idempotent; afterwards the other methods do nothing. */
  close(): void;
}

/** A PKCS#11 token, and which key on it (any, where neither id nor label is given). */
export interface TokenPlace {
  readonly module: string;
  readonly token?: string;
  readonly slot?: number;
  readonly pin?: string;
  readonly id?: Uint8Array;
  readonly label?: string;
}

export interface TokenKey {
  readonly curve: 'P-256' | 'P-384';
  /** `04 || x || y`. */
  readonly point: Uint8Array;
  readonly id: Uint8Array;
}

export interface ExchangeOptions {
  readonly host: string;
  readonly port: number;
  readonly trustPem: string;
  /** Client chain, leaf first. */
  readonly chainPem: string;
  readonly algorithm: 'ES256' | 'ES384';
  /** A whole HTTP/1.1 request that asks for `Connection: close`. */
  readonly request: Uint8Array;
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
}

export interface ExchangeAnswer {
  readonly status: number;
  /** Name (lower case), value, name, value. */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
}
