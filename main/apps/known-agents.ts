/**
 * Programs known to act for a language model, or to serve one: data, not code. Globs are over the path of the executable or script, in lower
 * case and with forward slashes; a user's own `agents:` always come before these.
 *
 * `tree`: what it starts (a shell, curl, git) acts for it as well. An editor's terminal is its user's, so editors have none.
 */
export interface KnownAgent {
  readonly name: string;
  readonly title: string;
  readonly tree: boolean;
  readonly paths: readonly string[];
}

/** The agents recognised without a binding. */
export const knownAgents: readonly KnownAgent[] = [
  {
    name: 'claude-code',
    title: 'Claude Code',
    tree: true,
    paths: ['**/@anthropic-ai/claude-code/**', '**/claude/versions/*', '**/bin/claude', '**/claude-code/**/claude'],
  },
  {
    name: 'codex',
    title: 'Codex CLI',
    tree: true,
    paths: [
      '**/@openai/codex/**',
      '**/@openai/codex-*/**',
      '**/bin/codex',
      '**/bin/codex-*-linux-*',
      '**/bin/codex-*-apple-darwin',
      '**/codex.exe',
    ],
  },
  {
    name: 'gemini-cli',
    title: 'Gemini CLI',
    tree: true,
    paths: ['**/@google/gemini-cli/**', '**/cellar/gemini-cli/**'],
  },
  {
    name: 'copilot-cli',
    title: 'GitHub Copilot CLI',
    tree: true,
    paths: ['**/@github/copilot/**', '**/@github/copilot-*/**', '**/bin/copilot'],
  },
  {
    name: 'copilot',
    title: 'GitHub Copilot',
    tree: false,
    paths: ['**/github.copilot*/**', '**/copilot-language-server*', '**/copilot-agent*'],
  },
  { name: 'cursor-agent', title: 'Cursor Agent', tree: true, paths: ['**/cursor-agent/**', '**/bin/cursor-agent'] },
  {
    name: 'goose',
    title: 'Goose',
    tree: true,
    paths: [
      '**/.local/bin/goose',
      '**/cellar/block-goose-cli/**',
      '**/bin/goosed',
      '**/goose.app/**',
      '**/goose/goosed*',
    ],
  },
  { name: 'aider', title: 'Aider', tree: true, paths: ['**/bin/aider', '**/aider/__main__.py', 'module:aider'] },
  {
    name: 'opencode',
    title: 'opencode',
    tree: true,
    paths: ['**/bin/opencode', '**/opencode-ai/**', '**/.opencode/**'],
  },
  { name: 'qwen-code', title: 'Qwen Code', tree: true, paths: ['**/@qwen-code/qwen-code/**', '**/bin/qwen'] },
  { name: 'amp', title: 'Amp', tree: true, paths: ['**/@sourcegraph/amp/**', '**/@ampcode/cli/**', '**/.amp/**'] },
  { name: 'crush', title: 'Crush', tree: true, paths: ['**/@charmland/crush/**', '**/bin/crush'] },
  {
    name: 'cline',
    title: 'Cline',
    tree: true,
    paths: ['**/node_modules/cline/**', '**/@cline/cli*/**', '**/saoudrizwan.claude-dev*/**', '**/bin/cline'],
  },
  {
    name: 'continue',
    title: 'Continue',
    tree: true,
    paths: ['**/@continuedev/cli/**', '**/continue.continue-*/**'],
  },
  {
    name: 'pi',
    title: 'pi',
    tree: true,
    paths: ['**/@mariozechner/pi-coding-agent/**', '**/@earendil-works/pi-coding-agent/**'],
  },
  { name: 'auggie', title: 'Auggie', tree: true, paths: ['**/@augmentcode/auggie/**'] },
  { name: 'llm', title: 'llm', tree: true, paths: ['module:llm', '**/venvs/llm/bin/llm', '**/pipx/**/bin/llm'] },
  {
    name: 'mini-swe-agent',
    title: 'mini-SWE-agent',
    tree: true,
    paths: ['module:minisweagent*', '**/bin/mini-swe-agent', '**/bin/mini-extra'],
  },
  { name: 'openhands', title: 'OpenHands', tree: true, paths: ['module:openhands*', '**/bin/openhands'] },
  {
    name: 'open-interpreter',
    title: 'Open Interpreter',
    tree: true,
    paths: ['module:interpreter', '**/open-interpreter/bin/interpreter', '**/site-packages/interpreter/**'],
  },
  {
    name: 'amazon-q',
    title: 'Amazon Q Developer CLI',
    tree: true,
    paths: ['**/.local/bin/q', '**/bin/qchat', '**/amazon q.app/**', '**/bin/kiro-cli*', '**/kiro cli.app/**'],
  },
  {
    name: 'claude-desktop',
    title: 'Claude Desktop',
    tree: true,
    paths: ['**/claude.app/**', '**/claude-desktop/**', '**/anthropicclaude/**/claude.exe'],
  },
  { name: 'chatgpt-desktop', title: 'ChatGPT Desktop', tree: true, paths: ['**/chatgpt.app/**', '**/chatgpt.exe'] },
  {
    name: 'cursor',
    title: 'Cursor',
    tree: false,
    paths: ['**/cursor.app/**', '**/cursor/cursor', '**/cursor.exe', '**/.mount_cursor*/**'],
  },
  {
    name: 'windsurf',
    title: 'Windsurf',
    tree: false,
    paths: ['**/windsurf.app/**', '**/windsurf/windsurf', '**/windsurf.exe'],
  },
  { name: 'kiro', title: 'Kiro', tree: false, paths: ['**/kiro.app/**', '**/kiro/kiro', '**/kiro.exe'] },
  {
    name: 'vscode',
    title: 'Visual Studio Code',
    tree: false,
    paths: [
      '**/visual studio code*.app/**',
      '**/code/code',
      '**/code.exe',
      '**/.vscode-server/**',
      '**/vscodium/codium',
    ],
  },
  { name: 'zed', title: 'Zed', tree: false, paths: ['**/zed.app/**', '**/zed-editor', '**/bin/zed', '**/zed.exe'] },
  {
    name: 'ollama',
    title: 'Ollama',
    tree: true,
    paths: ['**/bin/ollama', '**/ollama.app/**', '**/ollama.exe', '**/ollama_llama_server', '**/ollama/runners/**'],
  },
  {
    name: 'lm-studio',
    title: 'LM Studio',
    tree: true,
    paths: ['**/lm studio.app/**', '**/lm studio.exe', '**/lm-studio/**', '**/.lmstudio/**', '**/lm-studio'],
  },
];
