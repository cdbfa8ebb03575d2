/** Command-line agents as their registries have them, and how each is asked one question without a person: no account, no call to anybody. */
import { knownAgents } from '../../../main/apps/known-agents.ts';

/** What a run is given. */
export interface AgentRun {
  readonly model: string;
  readonly prompt: string;
  readonly home: string;
  /** What `culvert env` says. */
  readonly variables: Readonly<Record<string, string>>;
}

/** One of them. */
export interface RealAgent {
  /** As Culvert knows it. */
  readonly name: string;
  readonly npm?: string;
  readonly pip?: string;
  /** Its program, in `node_modules/.bin` or the environment's `bin`. */
  readonly bin: string;
  /** Its name for `culvert mcp config`; absent: it speaks no MCP. */
  readonly client?: string;
  /** What it shows of a refused model, where those are its own words. */
  readonly refusal?: RegExp;
  /** Why it cannot ask a model here. */
  readonly noModel?: string;
  readonly args: (run: AgentRun) => readonly string[];
  /** Settings of its own that `culvert env` does not make unnecessary, by their place in its home. */
  readonly files?: (run: AgentRun) => Readonly<Record<string, string>>;
  /** Beside what `culvert env` says. */
  readonly env?: (run: AgentRun) => Readonly<Record<string, string>>;
}

/** For all of them: nothing is asked of their makers. */
export const quiet: Readonly<Record<string, string>> = {
  DO_NOT_TRACK: '1',
  CI: '1',
  NO_COLOR: '1',
  TERM: 'dumb',
  DISABLE_TELEMETRY: '1',
  DISABLE_ERROR_REPORTING: '1',
  DISABLE_AUTOUPDATER: '1',
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  GEMINI_TELEMETRY_ENABLED: 'false',
  GEMINI_CLI_TRUST_WORKSPACE: 'true',
  QWEN_TELEMETRY_ENABLED: 'false',
  OPENCODE_DISABLE_AUTOUPDATE: '1',
  OPENCODE_DISABLE_MODELS_FETCH: '1',
  OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
  COPILOT_OFFLINE: 'true',
  AMP_SKIP_UPDATE_CHECK: '1',
  PI_OFFLINE: '1',
  PI_TELEMETRY: '0',
  AIDER_ANALYTICS: 'false',
  AIDER_CHECK_UPDATE: 'false',
  LITELLM_LOCAL_MODEL_COST_MAP: 'True',
};

/** All that can be had from a registry. */
export const realAgents: readonly RealAgent[] = [
  {
    name: 'claude-code',
    npm: '@anthropic-ai/claude-code',
    bin: 'claude',
    client: 'claude-code',
    args: ({ model, prompt }) => ['-p', prompt, '--model', model, '--allowedTools', 'mcp__culvert__docs__search'],
    // It begins without waiting for servers, and shows tools to a model by a search, unless it is told otherwise.
    env: ({ model }) => ({
      ANTHROPIC_DEFAULT_HAIKU_MODEL: model,
      ANTHROPIC_SMALL_FAST_MODEL: model,
      MCP_CONNECTION_NONBLOCKING: '0',
      ENABLE_TOOL_SEARCH: 'false',
    }),
    refusal: /issue with the selected model \(secret-1\)/,
  },
  {
    name: 'codex',
    npm: '@openai/codex',
    bin: 'codex',
    client: 'codex',
    args: ({ model, prompt }) => [
      'exec',
      '--skip-git-repo-check',
      '--dangerously-bypass-approvals-and-sandbox',
      '-m',
      model,
      prompt,
    ],
    // It does not read OPENAI_BASE_URL.
    files: ({ variables }) => ({
      '.codex/config.toml': [
        'model_provider = "culvert"',
        'check_for_update_on_startup = false',
        '[analytics]',
        'enabled = false',
        '[model_providers.culvert]',
        'name = "Culvert"',
        `base_url = "${variables['OPENAI_BASE_URL'] ?? ''}"`,
        'env_key = "OPENAI_API_KEY"',
        'wire_api = "responses"',
        '',
      ].join('\n'),
    }),
  },
  {
    name: 'gemini-cli',
    npm: '@google/gemini-cli',
    bin: 'gemini',
    client: 'gemini-cli',
    args: ({ model, prompt }) => ['-p', prompt, '-m', model, '--approval-mode', 'yolo'],
    files: () => ({
      '.gemini/settings.json': JSON.stringify({
        privacy: { usageStatisticsEnabled: false },
        general: { disableAutoUpdate: true },
        security: { auth: { selectedType: 'gemini-api-key' } },
      }),
    }),
  },
  {
    name: 'qwen-code',
    npm: '@qwen-code/qwen-code',
    bin: 'qwen',
    client: 'qwen-code',
    args: ({ model, prompt }) => ['-p', prompt, '-m', model, '--auth-type', 'openai', '--approval-mode', 'yolo'],
    files: () => ({
      '.qwen/settings.json': JSON.stringify({
        privacy: { usageStatisticsEnabled: false },
        // Else a model finds tools by a search of its own.
        tools: { toolSearch: { enabled: false } },
      }),
    }),
    env: ({ model }) => ({ OPENAI_MODEL: model, QWEN_CODE_LEGACY_MCP_BLOCKING: '1' }),
  },
  {
    name: 'opencode',
    npm: 'opencode-ai',
    bin: 'opencode',
    client: 'opencode',
    args: ({ model, prompt }) => ['run', '-m', `culvert/${model}`, prompt],
    files: ({ model, variables }) => ({
      '.config/opencode/opencode.json': JSON.stringify({
        autoupdate: false,
        share: 'disabled',
        provider: {
          culvert: {
            npm: '@ai-sdk/openai-compatible',
            name: 'Culvert',
            options: { baseURL: variables['OPENAI_BASE_URL'], apiKey: '{env:OPENAI_API_KEY}' },
            models: { [model]: { name: model }, 'secret-1': { name: 'secret-1' } },
          },
        },
      }),
    }),
  },
  {
    name: 'copilot-cli',
    npm: '@github/copilot',
    bin: 'copilot',
    client: 'copilot-cli',
    args: ({ prompt }) => ['-p', prompt, '--allow-all-tools', '--no-color'],
    env: ({ model, variables }) => ({
      COPILOT_PROVIDER_TYPE: 'openai',
      COPILOT_PROVIDER_BASE_URL: variables['OPENAI_BASE_URL'] ?? '',
      COPILOT_PROVIDER_API_KEY: variables['OPENAI_API_KEY'] ?? '',
      COPILOT_MODEL: model,
    }),
    refusal: /Model 'secret-1' not found on provider/,
  },
  {
    name: 'amp',
    npm: '@ampcode/cli',
    bin: 'amp',
    client: 'amp',
    noModel: 'it asks its maker’s service alone, with an account there',
    args: () => ['mcp', 'doctor'],
  },
  {
    name: 'pi',
    npm: '@mariozechner/pi-coding-agent',
    bin: 'pi',
    args: ({ model, prompt }) => ['-p', prompt, '--provider', 'culvert', '--model', model, '--no-session'],
    files: ({ model, variables }) => ({
      '.pi/agent/models.json': JSON.stringify({
        providers: {
          culvert: {
            baseUrl: variables['OPENAI_BASE_URL'],
            api: 'openai-completions',
            apiKey: 'OPENAI_API_KEY',
            models: [{ id: model }],
          },
        },
      }),
    }),
  },
  {
    name: 'aider',
    pip: 'aider-chat',
    bin: 'aider',
    args: ({ model, prompt }) => [
      '--model',
      `openai/${model}`,
      '--message',
      prompt,
      '--yes-always',
      '--no-git',
      '--no-check-update',
      '--analytics-disable',
      '--no-show-model-warnings',
      '--no-pretty',
      '--no-stream',
    ],
    env: ({ variables }) => ({ OPENAI_API_BASE: variables['OPENAI_BASE_URL'] ?? '' }),
  },
];

/** Where its programs are, as Culvert knows it. */
export function pathsOf({ name }: RealAgent): readonly string[] {
  return knownAgents.find((one) => one.name === name)?.paths ?? [];
}

/** What is looked at of it. */
export function checksOf({ name, client, noModel }: RealAgent): readonly string[] {
  return [
    ...(client === undefined ? [] : [`${name} is configured`, `${name} lists the tools of a dark service`]),
    ...(noModel === undefined
      ? [`${name} is answered, and what it used is booked`, `${name} says why a model is refused`]
      : []),
  ];
}
