/** The man page (`culvert.1`), made from the verbs as they are. Macros as in man(7). */
import { everyVerb, type VerbNode, type VerbOption } from './verb-tree.ts';

/** The page in roff, for `man -l` or a package. */
export function manualPage(program: VerbNode, version: string): string {
  const groups = [...new Set(program.verbs.map(({ group }) => group))];
  const common = program.verbs[0]?.options.filter((option) => option.common) ?? [];
  return [
    `.TH CULVERT 1 "" "culvert ${escape(version)}" "User Commands"`,
    section('NAME', `culvert \\- ${escape(program.description)}`),
    section('SYNOPSIS', '.B culvert\n.I verb\n[options]'),
    section('DESCRIPTION', described.map((paragraph) => `.PP\n${escape(paragraph)}`).join('\n')),
    ...groups.map((group) =>
      section(
        group.toUpperCase(),
        program.verbs
          .filter((verb) => verb.group === group)
          .flatMap(everyVerb)
          .filter(({ verbs }) => verbs.length === 0)
          .map(verbEntry)
          .join('\n'),
      ),
    ),
    section('OPTIONS OF EVERY VERB', common.map(optionEntry).join('\n')),
    section('EXIT STATUS', listed(exitStatus)),
    section('ENVIRONMENT', listed(environment)),
    section('FILES', listed(files)),
    section('SEE ALSO', escape('/usr/share/doc/culvert/README.md.gz, and the reference beside it in docs/reference/.')),
  ].join('\n');
}

const described = [
  'Culvert carries the traffic of applications to dark services: services with no inbound port, no public name and no address, that exist only for the identities a policy names. It is a tunneler for OpenZiti networks.',
  'The engine does the work (culvert run, or the service that culvert service install makes). Every other verb talks to it over its socket; those that look at a state directory alone work without it too.',
];

const exitStatus: readonly (readonly [string, string])[] = [
  ['0', 'done'],
  ['1', 'refused or failed; standard error has "culvert: CODE: sentence", and the next step below it'],
  ['2', 'wrong usage'],
];

const environment: readonly (readonly [string, string])[] = [
  ['CULVERT_STATE', 'the state directory where --state does not name one'],
  ['NO_COLOR', 'set to anything, nothing is coloured'],
  ['COLUMNS', 'cells of a line, where the output is no terminal'],
  ['CULVERT_NO_WINDOW', 'set to anything, the demo opens no window by itself'],
  ['CREDENTIALS_DIRECTORY', 'where systemd puts the credential culvert-passphrase, which opens identities in files'],
];

const files: readonly (readonly [string, string])[] = [
  ['/etc/culvert/culvert.yaml', 'settings of the machine’s service'],
  ['/var/lib/culvert', 'its state: identities, journal, socket'],
  ['~/.local/state/culvert', 'the state of an engine that a user runs, with its culvert.yaml and policy.d'],
];

function section(title: string, body: string): string {
  return `.SH ${title}\n${body}`;
}

function listed(entries: readonly (readonly [string, string])[]): string {
  return entries.map(([name, text]) => `.TP\n.B ${escape(name)}\n${escape(text)}`).join('\n');
}

function verbEntry(verb: VerbNode): string {
  const options = verb.options.filter(({ common }) => !common);
  const example = verb.example === undefined ? [] : ['.PP', 'Example:', `.B ${escape(verb.example)}`];
  return [
    `.TP\n.B ${escape(verb.usage.replace(' [options]', options.length === 0 ? '' : ' [options]'))}`,
    escape(verb.description),
    '.RS',
    ...options.map(optionEntry),
    ...example,
    '.RE',
  ].join('\n');
}

function optionEntry({ flags, description, choices }: VerbOption): string {
  const values = choices.length === 0 ? '' : ` (${choices.join(', ')})`;
  return `.TP\n.B ${escape(flags)}\n${escape(description + values)}`;
}

/** Hyphens as such, so that they can be copied; no line of text is taken for a macro. */
function escape(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/^([.'])/gm, '\\&$1');
}
