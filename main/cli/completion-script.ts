/** Completion scripts, made from the verbs as they are: a table of words by what was typed before them. */
import { everyVerb, type VerbNode } from './verb-tree.ts';

/** Shells that a script can be made for. */
export type Shell = 'bash' | 'zsh' | 'fish';

/** The script for a shell, to be read by it (`source <(culvert completion bash)`). */
export function completionScript(shell: Shell, program: VerbNode): string {
  const nodes = everyVerb(program);
  if (shell === 'fish') return fish(nodes);
  return shell === 'zsh' ? zsh(nodes) : bash(nodes);
}

/** The table both Bourne shells read: words that may follow a path of verbs. */
function cases(nodes: readonly VerbNode[]): string {
  return nodes
    .map(({ path, verbs, options }) => {
      const words = [...verbs.map(nameOf), ...options.map(({ long }) => long)].join(' ');
      return `    '${path}') words='${words}' ;;`;
    })
    .join('\n');
}

/** Verbs are taken as they come; options and what belongs to them are passed over. */
const walk = (nodes: readonly VerbNode[], word: string): string => `  case "$path $${word}" in
${nodes
  .filter(({ path }) => path !== '')
  .map(({ path }) => `    '${path.includes(' ') ? path : ` ${path}`}') path='${path}' ;;`)
  .join('\n')}
  esac`;

function bash(nodes: readonly VerbNode[]): string {
  return `# Completion of culvert for bash. Use it with: source <(culvert completion bash)
_culvert() {
  local path='' words='' at word
  for ((at = 1; at < COMP_CWORD; at++)); do
    word="\${COMP_WORDS[at]}"
${walk(nodes, 'word').replaceAll(/^/gm, '  ')}
  done
  case "$path" in
${cases(nodes)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
  if [ \${#COMPREPLY[@]} -eq 0 ]; then COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")); fi
}
complete -F _culvert culvert
`;
}

function zsh(nodes: readonly VerbNode[]): string {
  return `#compdef culvert
# Completion of culvert for zsh. Use it with: source <(culvert completion zsh)
_culvert() {
  local path_='' found='' word
  local -a list
  for word in "\${(@)words[2,CURRENT-1]}"; do
${walk(nodes, 'word').replaceAll('$path', '$path_').replaceAll(' path=', ' path_=').replaceAll(/^/gm, '  ')}
  done
  case "$path_" in
${cases(nodes).replaceAll(' words=', ' found=')}
  esac
  list=(\${=found})
  compadd -a list || _files
}
compdef _culvert culvert
`;
}

function fish(nodes: readonly VerbNode[]): string {
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = nodes.flatMap(({ path, verbs, options }) => {
    const typed = path === '' ? [] : path.split(' ');
    const seen = typed.map((verb) => `__fish_seen_subcommand_from ${verb}`);
    const none = verbs.length === 0 ? [] : [`not __fish_seen_subcommand_from ${verbs.map(nameOf).join(' ')}`];
    const when = [...seen, ...none].join('; and ') || 'true';
    return [
      ...verbs.map(
        (verb) => `complete -c culvert -f -n ${quote(when)} -a ${nameOf(verb)} -d ${quote(verb.description)}`,
      ),
      ...options.map(
        ({ long, description }) => `complete -c culvert -n ${quote(when)} -l ${long.slice(2)} -d ${quote(description)}`,
      ),
    ];
  });
  return `# Completion of culvert for fish. Use it with: culvert completion fish | source\n${lines.join('\n')}\n`;
}

/** The last word of its path. */
function nameOf({ path }: VerbNode): string {
  return path.split(' ').at(-1) ?? '';
}
