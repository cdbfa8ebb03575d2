/** Standard input and output as a verb sees them, so that tests hand in their own. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly outIsTty: boolean;
  readonly inIsTty: boolean;
  readonly columns: number;
  out(text: string): void;
  err(text: string): void;
  /** Lines of standard input until it ends or the signal fires. Lines over 16 MiB throw `engine.protocol`. */
  inputLines(signal: AbortSignal): AsyncIterable<string>;
  /** Everything on standard input. */
  readInput(): Promise<string>;
  /** Ask on the terminal without echo. */
  askSecret(question: string): Promise<string>;
}

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;
export type Tint = keyof typeof codes;
export type Paint = (tint: Tint, text: string) => string;

/** Colours where the output is a terminal and NO_COLOR is not set (no-color.org). */
export function painter(terminal: Terminal): Paint {
  const noColor = terminal.env['NO_COLOR'];
  const on = terminal.outIsTty && (noColor === undefined || noColor === '') && terminal.env['TERM'] !== 'dumb';
  return (tint, text) => (on ? `\u001b[${codes[tint]}m${text}\u001b[0m` : text);
}
