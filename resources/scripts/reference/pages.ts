/** All pages of the reference, and their index. */
import { cedarPage } from './cedar.ts';
import { codesPage } from './codes.ts';
import { commandsPage } from './commands.ts';
import { contractPage } from './contract.ts';
import { written } from './page.ts';
import { recordsPage } from './records.ts';
import { agentsPage, settingsPage } from './settings.ts';

/** Text of each file below `resources/docs/reference/`, by name. */
export async function referencePages(): Promise<ReadonlyMap<string, string>> {
  const pages = [
    await commandsPage(),
    settingsPage(),
    agentsPage(),
    contractPage(),
    cedarPage(),
    recordsPage(),
    codesPage(),
  ];
  const index = pages.map(({ file, title, about }) => `- [${title}](${file}): ${about}`).join('\n');
  return new Map([
    [
      'README.md',
      `# Reference\n\nMade from the sources by \`npm run docs:reference\`; a test fails where a page is not what its source says.\n\n${index}\n`,
    ],
    ...pages.map((page) => [page.file, written(page)] as const),
  ]);
}
