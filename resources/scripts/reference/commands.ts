/** The command line. */
import type { Backends } from '../../../main/cli/backends.ts';
import { runCommandLine } from '../../../main/cli/command-line.ts';
import { everyVerb, type VerbNode, type VerbOption } from '../../../main/cli/verb-tree.ts';
import { fenced, table, type Page } from './page.ts';

/** Every verb, from the tree that help and man page are made from. */
export async function commandsPage(): Promise<Page> {
  const program = await wholeProgram();
  const groups = [...new Set(program.verbs.map(({ group }) => group))];
  const common = program.verbs[0]?.options.filter((option) => option.common) ?? [];
  const sections = groups.map((group) => {
    const verbs = program.verbs.filter((verb) => verb.group === group).flatMap(everyVerb);
    return `## ${group}\n\n${verbs
      .filter(({ verbs: below }) => below.length === 0)
      .map(section)
      .join('\n\n')}`;
  });
  return {
    file: 'commands.md',
    title: 'Command line',
    about: 'every verb, its options and an example',
    sources: ['main/cli/verbs.ts', 'main/cli/verb', 'main/cli/examples.ts'],
    body: `
Exit codes: 0 done, 1 refused or failed with a reason, 2 wrong usage. A failure is \`culvert: CODE: sentence\` on standard error, with the next step below it; with \`--json\` it is
\`{"error":{"code","message","details"}}\` on both outputs. The [codes](codes.md) are a closed list.

## Every verb has

${options(common)}

${sections.join('\n\n')}
`,
  };
}

function section(verb: VerbNode): string {
  const own = verb.options.filter(({ common }) => !common);
  const usage = verb.usage.replace(' [options]', own.length === 0 ? '' : ' [options]');
  const parts = [`### \`culvert ${verb.path}\``, sentence(verb.description), fenced('', usage)];
  if (own.length > 0) parts.push(options(own));
  if (verb.example !== undefined) parts.push(`Example: \`${verb.example}\``);
  return parts.join('\n\n');
}

function options(all: readonly VerbOption[]): string {
  return table(
    ['option', 'meaning'],
    all.map(({ flags, description, choices }) => [
      `\`${flags}\``,
      choices.length === 0 ? description : `${description}: ${choices.map((one) => `\`${one}\``).join(', ')}`,
    ]),
  );
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** The verbs are asked for as anyone may ask for them. Nothing of what they start is needed for that. */
async function wholeProgram(): Promise<VerbNode> {
  let out = '';
  const nothing = (): never => {
    throw new Error('nothing is asked or read here');
  };
  const code = await runCommandLine(['manual', '--json'], {
    programs: { version: '' } as Backends,
    signal: new AbortController().signal,
    terminal: {
      env: {},
      outIsTty: false,
      errIsTty: false,
      inIsTty: false,
      columns: 80,
      out: (text) => (out += text),
      err: (text) => (out += text),
      payload: nothing,
      inputLines: nothing,
      readInput: nothing,
      ask: nothing,
      askSecret: nothing,
    },
  });
  if (code !== 0) throw new Error(out);
  return JSON.parse(out) as VerbNode;
}
