/** Which script an interpreter runs, by its command line. Pure. A process may lie about its arguments: this names, it does not prove. */

/** How an interpreter takes its arguments, by the base name of its executable. */
interface Interpreter {
  readonly name: RegExp;
  /** Options whose next argument is a value. */
  readonly valued: readonly string[];
  /** Options that bring the code themselves, so that no script follows. */
  readonly inline: readonly string[];
  /** The option that names a module instead of a file. */
  readonly module?: string;
  /** Words before the script, such as `run`. */
  readonly verbs?: readonly string[];
}

const interpreters: readonly Interpreter[] = [
  {
    name: /^(?:node|nodejs)(?:\d+)?$/,
    valued: [
      '-r',
      '--require',
      '--import',
      '--loader',
      '--experimental-loader',
      '-C',
      '--conditions',
      '--env-file',
      '--title',
    ],
    inline: ['-e', '--eval', '-p', '--print', '-i', '--interactive'],
  },
  { name: /^(?:python|pypy)[\d.]*$/, valued: ['-W', '-X', '--check-hash-based-pycs'], inline: ['-c'], module: '-m' },
  { name: /^(?:ba|da|z|k|fi)?sh$/, valued: ['-o', '+o', '-O', '--rcfile', '--init-file'], inline: ['-c', '-s', '-i'] },
  { name: /^(?:ruby|jruby)[\d.]*$/, valued: ['-I', '-r', '-C', '-E'], inline: ['-e'] },
  { name: /^perl[\d.]*$/, valued: ['-I', '-M', '-m'], inline: ['-e', '-E'] },
  { name: /^php[\d.]*$/, valued: ['-c', '-d', '-z'], inline: ['-r', '-B', '-R'] },
  {
    name: /^deno$/,
    valued: ['-c', '--config', '--import-map', '--lock'],
    inline: ['eval', 'repl'],
    verbs: ['run', 'serve'],
  },
  {
    name: /^bun$/,
    valued: ['-r', '--preload', '-c', '--config', '--cwd'],
    inline: ['-e', '--eval', 'repl'],
    verbs: ['run', 'x'],
  },
  { name: /^java$/, valued: ['-cp', '-classpath', '--class-path', '-p', '--module-path'], inline: [], module: '-jar' },
];

/**
 * The script as the command line names it (relative to the process's own directory), `module:NAME` for one that is named as a module, or
 * undefined where `path` is no interpreter or runs no script.
 */
export function interpreterScript(path: string, argv: readonly string[]): string | undefined {
  const base = (/[^/\\]+$/.exec(path)?.[0] ?? '').replace(/\.exe$/i, '');
  const interpreter = interpreters.find(({ name }) => name.test(base));
  if (interpreter === undefined) return undefined;
  let verbs = interpreter.verbs ?? [];
  for (let at = 1; at < argv.length; at += 1) {
    const argument = argv[at] ?? '';
    const next = argv[at + 1];
    if (interpreter.inline.includes(argument)) return undefined;
    if (argument === interpreter.module) {
      if (next === undefined || next === '') return undefined;
      return argument === '-jar' ? next : `module:${next}`;
    }
    if (argument === '--') return next === '' ? undefined : next;
    if (interpreter.valued.includes(argument)) at += 1;
    else if (argument === '' || argument === '-') return undefined;
    else if (verbs.includes(argument)) verbs = [];
    else if (!argument.startsWith('-') && !argument.startsWith('+')) return argument;
  }
  return undefined;
}
