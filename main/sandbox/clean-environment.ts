/** The environment of an agent: what any program needs, what it is given by name, and its way through Culvert. Pure. */

const usual =
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|TERM|COLORTERM|TERM_PROGRAM|COLUMNS|LINES|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|PWD|EDITOR|VISUAL|PAGER|NO_COLOR|FORCE_COLOR)$/;

/**
 * `named`: `NAME` taken from `env`, or `NAME=VALUE`. What brings code into a program (`LD_PRELOAD`, `NODE_OPTIONS`, …) and what leads to the
 * keychain, the display or another agent is left out unless it is named.
 */
export function cleanEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  named: readonly string[],
  variables: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const kept = Object.entries(env).filter(([name, value]) => value !== undefined && usual.test(name));
  const given = named.flatMap((entry): readonly [string, string][] => {
    const at = entry.indexOf('=');
    const name = at < 0 ? entry : entry.slice(0, at);
    const value = at < 0 ? env[name] : entry.slice(at + 1);
    return value === undefined ? [] : [[name, value]];
  });
  return Object.fromEntries([...kept, ...given, ...Object.entries(variables)]) as Record<string, string>;
}
