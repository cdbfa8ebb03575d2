/** What clients see of hosted machines: recordings of their sessions. */

/** What is kept of one hosted session. Without `endedAt` it goes on, or was cut off with the engine. */
export interface RecordingView {
  readonly session: string;
  readonly service: string;
  readonly identity: string;
  readonly caller: string;
  readonly destination: string;
  readonly startedAt: string;
  readonly endedAt?: string | undefined;
  /** Packets are kept too, not only calls. */
  readonly pcap: boolean;
  readonly bytes?: number | undefined;
  readonly packets?: number | undefined;
  readonly calls?: number | undefined;
  /** It reached its bound; what came later was not kept. */
  readonly truncated?: boolean | undefined;
  /** Of the sealed file; the journal has it too. */
  readonly sha256?: string | undefined;
}

export interface RecordingCallsView {
  readonly session: string;
  /** Guard calls, with arguments. */
  readonly calls: readonly Readonly<Record<string, unknown>>[];
}
