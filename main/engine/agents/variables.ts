/** Environment variables by which a program finds its way through Culvert. Pure. */
import type { ServiceView } from '../../api/views.ts';
import { asksModels } from '../../base/engagement.ts';

/** What is on this very host is never asked of a proxy. */
const direct = 'localhost,127.0.0.1,::1';

/** Programs that insist on a key look for it here. Sources: the libraries of OpenAI, Anthropic, Google and Cohere. */
const keyNames = ['OPENAI_API_KEY', 'ANTHROPIC_API_KEY', 'GEMINI_API_KEY', 'CO_API_KEY'] as const;

/**
 * Proxy variables where there is a proxy (`host:port`), and base URLs of the first dark model service of `services`: libraries of providers
 * read them. Both letter cases, for programs disagree on which they read. `modelKey`: asked where there is such a service; undefined: there is none.
 */
export async function agentVariables(
  proxy: string | undefined,
  services: readonly ServiceView[],
  modelKey: () => Promise<string | undefined>,
): Promise<Readonly<Record<string, string>>> {
  const base = baseUrlOf(services.filter(isModelService).sort((a, b) => a.name.localeCompare(b.name))[0]);
  const ways = proxy === undefined ? {} : proxyVariables(proxy);
  if (base === undefined) return ways;
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
    ALL_PROXY: `socks5h://${proxy}`,
    NO_PROXY: direct,
  };
  const lower = Object.fromEntries(Object.entries(upper).map(([name, value]) => [name.toLowerCase(), value]));
  // Node's own fetch reads them only where it is told to.
  return { ...upper, ...lower, NODE_USE_ENV_PROXY: '1' };
}

/** A contract that speaks of models, of tokens or of their price is of a model. */
function isModelService({ permissions, contract }: ServiceView): boolean {
  const http = contract?.terms['http'];
  const isModel = typeof http === 'object' && http !== null && asksModels(http);
  return permissions.includes('Dial') && isModel;
}

function baseUrlOf(service: ServiceView | undefined): string | undefined {
  const host = service?.addresses.find((address) => !address.includes('*') && !address.includes('/'));
  const port = service?.ports[0]?.split('-')[0];
  if (host === undefined || port === undefined) return undefined;
  const scheme = port === '443' ? 'https' : 'http';
  return port === '80' || port === '443' ? `${scheme}://${host}` : `${scheme}://${host}:${port}`;
}
