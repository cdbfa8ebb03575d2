/** Environment variables by which a program finds its way through Culvert. Pure. */
import type { ServiceView } from '../../api/views.ts';
import { asksModels } from '../../base/engagement.ts';

/** What is on this very host is never asked of a proxy. */
const direct = 'localhost,127.0.0.1,::1';

/** Programs that insist on a key look for it here. Sources: the libraries of OpenAI, Anthropic, Google and Cohere. */
const keyNames = ['OPENAI_API_KEY', 'ANTHROPIC_API_KEY', 'GEMINI_API_KEY', 'CO_API_KEY'] as const;

/**
 * Proxy variables where there is a proxy, and base URLs of the endpoint for models where the program may ask any (both `host:port`): libraries of
 * providers read them. Both letter cases, for programs disagree on which they read. `modelKey`: asked where there is such an endpoint; undefined:
 * there is none.
 */
export async function agentVariables(
  proxy: string | undefined,
  models: string | undefined,
  modelKey: () => Promise<string | undefined>,
): Promise<Readonly<Record<string, string>>> {
  const ways = proxy === undefined ? {} : proxyVariables(proxy);
  if (models === undefined) return ways;
  const base = `http://${models}`;
  const key = await modelKey();
  return {
    ...ways,
    OPENAI_BASE_URL: `${base}/v1`,
    ANTHROPIC_BASE_URL: base,
    GOOGLE_GEMINI_BASE_URL: base,
    OLLAMA_HOST: base,
    ...(key === undefined ? {} : Object.fromEntries(keyNames.map((name) => [name, key]))),
  };
}

function proxyVariables(proxy: string): Readonly<Record<string, string>> {
  const upper = {
    HTTP_PROXY: `http://${proxy}`,
    HTTPS_PROXY: `http://${proxy}`,
    // The same port takes SOCKS, but httpx, and with it most Python clients, will not start on that word without a library more.
    ALL_PROXY: `http://${proxy}`,
    NO_PROXY: direct,
  };
  const lower = Object.fromEntries(Object.entries(upper).map(([name, value]) => [name.toLowerCase(), value]));
  // Node's own fetch reads them only where it is told to.
  return { ...upper, ...lower, NODE_USE_ENV_PROXY: '1' };
}

/** May it be dialled, and is it of a model? A contract that speaks of models, of tokens or of their price is. */
export function isModelService({ permissions, contract }: ServiceView): boolean {
  const http = contract?.terms['http'];
  const isModel = typeof http === 'object' && http !== null && asksModels(http);
  return permissions.includes('Dial') && isModel;
}
