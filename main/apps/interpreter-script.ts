/**
 * Which script an interpreter runs, by its command line, and what else of its arguments and environment brings code. Pure. A process may
 * change its arguments later: they name the program only where they were read as it started.
 */
import { defined } from '../base/defined.ts';

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
  /** Options that load code beside the script, or let another program into the process. */
  readonly loading: RegExp;
  /** Variables that name directories or files whose code is loaded. */
  readonly variables: readonly string[];
  /** Variables that hold further options. */
  readonly options?: readonly string[];
}

const nothing = /$^/;

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
    loading: /^(?:-r|--require|--import|--loader|--experimental-loader|--inspect(?:-[a-z-]+)?)(?:=|$)/,
    variables: [],
    options: ['NODE_OPTIONS'],
  },
  {
    name: /^(?:python|pypy)[\d.]*$/,
    valued: ['-W', '-X', '--check-hash-based-pycs'],
    inline: ['-c'],
    module: '-m',
    loading: nothing,
    variables: ['PYTHONPATH', 'PYTHONHOME', 'PYTHONUSERBASE', 'PYTHONPYCACHEPREFIX'],
  },
  {
    name: /^(?:ba|da|z|k|fi)?sh$/,
    valued: ['-o', '+o', '-O', '--rcfile', '--init-file'],
    inline: ['-c', '-s', '-i'],
    loading: /^--(?:rcfile|init-file)(?:=|$)/,
    variables: ['BASH_ENV', 'ENV'],
  },
  {
    name: /^(?:ruby|jruby)[\d.]*$/,
    valued: ['-I', '-r', '-C', '-E'],
    inline: ['-e'],
    loading: /^-[Ir]/,
    variables: ['RUBYLIB'],
    options: ['RUBYOPT'],
  },
  {
    name: /^perl[\d.]*$/,
    valued: ['-I', '-M', '-m'],
    inline: ['-e', '-E'],
    loading: /^-[IMmd]/,
    variables: ['PERL5LIB', 'PERLLIB', 'PERL5DB'],
    options: ['PERL5OPT'],
  },
  {
    name: /^php[\d.]*$/,
    valued: ['-c', '-d', '-z'],
    inline: ['-r', '-B', '-R'],
    loading: /^-[cdz]/,
    variables: ['PHPRC', 'PHP_INI_SCAN_DIR'],
  },
  {
    name: /^deno$/,
    valued: ['-c', '--config', '--import-map', '--lock'],
    inline: ['eval', 'repl'],
    verbs: ['run', 'serve'],
    loading: /^--(?:preload|import-map|inspect(?:-[a-z]+)?)(?:=|$)/,
    variables: [],
  },
  {
    name: /^bun$/,
    valued: ['-r', '--preload', '-c', '--config', '--cwd'],
    inline: ['-e', '--eval', 'repl'],
    verbs: ['run', 'x'],
    loading: /^(?:-r|--preload|--require|--import|--inspect(?:-[a-z]+)?)(?:=|$)/,
    variables: [],
    options: ['BUN_OPTIONS'],
  },
  {
    name: /^java$/,
    valued: ['-cp', '-classpath', '--class-path', '-p', '--module-path'],
    inline: [],
    module: '-jar',
    loading: /^-(?:javaagent:|agentpath:|agentlib:|Xbootclasspath)/,
    variables: ['CLASSPATH'],
    options: ['JAVA_TOOL_OPTIONS', '_JAVA_OPTIONS', 'JDK_JAVA_OPTIONS'],
  },
];

/** Variables of the dynamic loader, ld.so(8): they bring code into any program. */
const loaderVariables = ['LD_PRELOAD', 'LD_AUDIT', 'LD_LIBRARY_PATH', 'DYLD_INSERT_LIBRARIES', 'DYLD_LIBRARY_PATH'];

/** Every variable by which code may be brought into a program: what a reader of processes has to look at. */
export const codeVariables: readonly string[] = [
  ...loaderVariables,
  ...interpreters.flatMap(({ variables, options = [] }) => [...variables, ...options]),
];

/** Only root writes there, so what is loaded from there is nobody's trick. */
const systemPlace = /^\/(?:usr\/(?:lib|lib64|libexec|share)|lib|lib64)(?:\/|$)/;

/** What a program was started to run. */
export interface Started {
  /** An interpreter runs a file or module (`script`), or nothing but what it is told; anything else runs itself. */
  readonly runs: 'itself' | 'script' | 'nothing';
  /** As the command line names it, relative to the process's own directory; `module:NAME` for one that is named as a module. */
  readonly script?: string;
  /** The argument or variable by which code of somebody else's choosing may have been brought in. */
  readonly injected?: string;
}

/** Read a program's start: its executable, arguments, and the `NAME=VALUE` of {@link codeVariables} that it had. */
export function readStart(path: string, argv: readonly string[], environment: readonly string[]): Started {
  const interpreter = interpreterAt(path);
  const injected = injectedBy(interpreter, argv, environment);
  const more = defined({ injected });
  if (interpreter === undefined) return { runs: 'itself', ...more };
  const script = scriptOf(interpreter, argv);
  return script === undefined ? { runs: 'nothing', ...more } : { runs: 'script', script, ...more };
}

/** The script alone; undefined where `path` is no interpreter or runs none. */
export function interpreterScript(path: string, argv: readonly string[]): string | undefined {
  const interpreter = interpreterAt(path);
  return interpreter === undefined ? undefined : scriptOf(interpreter, argv);
}

function interpreterAt(path: string): Interpreter | undefined {
  const base = (/[^/\\]+$/.exec(path)?.[0] ?? '').replace(/\.exe$/i, '');
  return interpreters.find(({ name }) => name.test(base));
}

function injectedBy(
  interpreter: Interpreter | undefined,
  argv: readonly string[],
  environment: readonly string[],
): string | undefined {
  const paths = [...loaderVariables, ...(interpreter?.variables ?? [])];
  for (const entry of environment) {
    const name = entry.slice(0, entry.indexOf('='));
    const value = entry.slice(name.length + 1);
    if (paths.includes(name) && !isSystemOnly(value)) return name;
    if (interpreter?.options?.includes(name) === true && bringsCode(interpreter, value.split(/\s+/))) return name;
  }
  if (interpreter === undefined) return undefined;
  const before = optionsOf(interpreter, argv);
  return before.find((argument) => interpreter.loading.test(argument));
}

function isSystemOnly(value: string): boolean {
  return value.split(/[:\s]+/).every((one) => one === '' || (systemPlace.test(one) && !one.includes('/../')));
}

function bringsCode(interpreter: Interpreter, options: readonly string[]): boolean {
  return options.some((option) => interpreter.loading.test(option));
}

/** The interpreter's own arguments: those before its script, or before the code it is given. */
function optionsOf(interpreter: Interpreter, argv: readonly string[]): readonly string[] {
  const script = scriptOf(interpreter, argv)?.replace(/^module:/, '');
  const end = script === undefined ? -1 : argv.indexOf(script, 1);
  return argv.slice(1, end < 0 ? undefined : end);
}

function scriptOf(interpreter: Interpreter, argv: readonly string[]): string | undefined {
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
