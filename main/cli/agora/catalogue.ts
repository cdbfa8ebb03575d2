/**
 * The agents a caller may ask: each dark service that it may dial, and whose contract speaks of A2A, is asked for its card, as the program that
 * looks. What does not answer as an offered agent is not there.
 */
import type { CheckedCardView, ServiceView } from '../../api/views.ts';
import type { Engine } from '../backends.ts';

const patienceMs = 10_000;
const maxCardBytes = 1024 * 1024;

/** By service, in order. */
export async function readCatalogue(engine: Engine, signal: AbortSignal): Promise<readonly CheckedCardView[]> {
  const services = (await engine.service.list()).filter(speaksA2a).map(({ name }) => name);
  const cards = await Promise.all(
    [...new Set(services)].sort().map(async (service) => {
      const card = await cardOf(engine, service, signal);
      return card === undefined ? undefined : await checked(engine, service, card);
    }),
  );
  return cards.filter((card) => card !== undefined);
}

function speaksA2a({ permissions, contract }: ServiceView): boolean {
  return permissions.includes('Dial') && contract?.terms['a2a'] !== undefined;
}

async function cardOf(engine: Engine, service: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const { url } = await engine.mcp.endpoint({ service });
    const asked = await fetch(new URL('/.well-known/agent-card.json', url), {
      signal: AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]),
    });
    const text = await asked.text();
    return asked.ok && text.length <= maxCardBytes ? text : undefined;
  } catch {
    // Refused, gone, or silent: to whoever looks it is as if there were none.
    return undefined;
  }
}

async function checked(engine: Engine, service: string, card: string): Promise<CheckedCardView | undefined> {
  try {
    const view = await engine.agora.check({ service, card });
    return view.signature === 'none' ? undefined : view;
  } catch {
    // What answers is no card.
    return undefined;
  }
}
