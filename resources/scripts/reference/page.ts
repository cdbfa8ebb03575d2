/** Pieces of a page in Markdown. */
import type { Row } from './schema-rows.ts';

/** A page of the reference: its file, its title, and one line for the index. */
export interface Page {
  readonly file: string;
  readonly title: string;
  readonly about: string;
  /** Where its facts come from, as paths from the root of the repository. */
  readonly sources: readonly string[];
  readonly body: string;
}

/** The whole file. */
export function written({ title, sources, body }: Page): string {
  const from = sources.map((source) => `[\`${source}\`](../../../${source})`).join(', ');
  return `# ${title}\n\n_Made from ${from} by \`npm run docs:reference\`; changes here are lost._\n\n${body.trim()}\n`;
}

/** A table; cells may hold Markdown, but no line feed. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Fields of a schema as a table. Throws where the source says nothing of one. */
export function fields(rows: readonly Row[]): string {
  const silent = rows.filter(({ says }) => says === '').map(({ path }) => path);
  if (silent.length > 0) throw new Error(`say in the schema's source what these are for: ${silent.join(', ')}`);
  return table(
    ['field', 'takes', 'meaning'],
    rows.map(({ path, takes, required, says }) => [`\`${path}\`${required ? ' (required)' : ''}`, takes, says]),
  );
}

/** A fenced block. */
export function fenced(language: string, text: string): string {
  return `\`\`\`${language}\n${text.trim()}\n\`\`\``;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
