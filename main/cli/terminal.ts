/** Standard input and output as a verb sees them, so that tests hand in their own. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly outIsTty: boolean;
  readonly errIsTty: boolean;
  readonly inIsTty: boolean;
  /** Cells of a line; 0 where nobody knows. */
  readonly columns: number;
  out(text: string): void;
  err(text: string): void;
  /** Somebody else's protocol on standard output, in order; resolves once it is taken, rejects where nobody reads any more. */
  payload(text: string): Promise<void>;
  /** Lines of standard input until it ends or the signal fires. One over 64 MiB, or not UTF-8, is passed over and told on standard error. */
  inputLines(signal: AbortSignal): AsyncIterable<string>;
  /** Everything on standard input. */
  readInput(): Promise<string>;
  /** Ask on the terminal; what was typed, or undefined where there is none to ask on. */
  ask(question: string): Promise<string | undefined>;
  /** Ask on the terminal without echo. */
  askSecret(question: string): Promise<string>;
}

/** Colours by their SGR parameter (ECMA-48, 8.3.117). */
const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;
/** A colour by name. */
export type Tint = keyof typeof codes;
/** A text in a colour, or as it is where there are no colours. */
export type Paint = (tint: Tint, text: string) => string;

/** Colours where they are `wanted`, the output is a terminal and NO_COLOR is not set (no-color.org). */
export function painter(terminal: Terminal, wanted: boolean): Paint {
  const noColor = terminal.env['NO_COLOR'];
  const on =
    wanted && terminal.outIsTty && (noColor === undefined || noColor === '') && terminal.env['TERM'] !== 'dumb';
  return (tint, text) => (on ? `\u001b[${codes[tint]}m${text}\u001b[0m` : text);
}
