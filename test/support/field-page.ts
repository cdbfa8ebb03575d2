/** Pages of `resources/docs/field`: what was seen, with its day, in sections that are written anew each time. */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** Put `text` under `## title` of a page; everything else of it stays. */
export async function writeSection(page: string, title: string, text: string): Promise<void> {
  const file = fileURLToPath(new URL(`../../resources/docs/field/${page}.md`, import.meta.url));
  const [head = '', ...sections] = (await readFile(file, 'utf8')).split(/^(?=## )/m);
  const others = sections.filter((section) => !section.startsWith(`## ${title}\n`)).map((section) => section.trimEnd());
  await writeFile(file, `${[head.trimEnd(), ...others, `## ${title}\n\n${text.trimEnd()}`].join('\n\n')}\n`);
}

/** A table in Markdown. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
