/** What clients see of hosted machines: what they are, and recordings of their sessions. */

/** What a machine behind a hosted service says of itself. */
export interface InventoryView {
  readonly service: string;
  /** `10.20.0.7:502` */
  readonly target: string;
  readonly protocol: 'modbus' | 's7' | 'enip' | 'opcua';
  readonly state: 'answered' | 'silent';
  /** Why nothing is known of it. */
  readonly reason?: string;
  readonly askedAt: string;
  readonly vendor?: string;
  readonly product?: string;
  readonly revision?: string;
  readonly serial?: string;
  readonly name?: string;
}

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

/** What was done in a recorded session. */
export interface RecordingCallsView {
  readonly session: string;
  /** Guard calls, with arguments. */
  readonly calls: readonly Readonly<Record<string, unknown>>[];
}
