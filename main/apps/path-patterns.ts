/** Globs over paths, asked again and again about the few programs that a host runs. */
import { compileGlob, type Glob } from '../base/glob.ts';

/** Answers kept; a host has fewer programs that open connections. */
const keptAnswers = 512;

export class PathPatterns {
  readonly #globs: readonly Glob[];
  readonly #answers = new Map<string, boolean>();

  constructor(patterns: readonly string[]) {
    this.#globs = patterns.map((pattern) => compileGlob(pattern, 'path'));
  }

  /** True where one matches the path as written, or in the one form in which paths of Windows and macOS compare. */
  match(path: string): boolean {
    const known = this.#answers.get(path);
    if (known !== undefined) return known;
    const folded = path.replaceAll('\\', '/').toLowerCase();
    const answer = this.#globs.some((glob) => glob.matches(path) || glob.matches(folded));
    if (this.#answers.size >= keptAnswers) this.#answers.clear();
    this.#answers.set(path, answer);
    return answer;
  }
}
