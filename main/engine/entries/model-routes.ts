/** Which service a model is asked of. Pure. */
import { compileGlob } from '../../base/glob.ts';

/** A service that answers for models. */
export interface ModelService {
  readonly service: string;
  /** Globs over the models its contract lets through; undefined: any. */
  readonly models: readonly string[] | undefined;
}

/**
 * The services that may have this model, in the order they are asked: those that name it, then those that match it by the longest text, then
 * those that let any model through; equals by name. Without a model: the one service there is, or none.
 */
export function routesFor(model: string | undefined, services: readonly ModelService[]): readonly ModelService[] {
  if (model === undefined) return services.length === 1 ? services : [];
  return services
    .map((service) => ({ service, rank: rankOf(model, service.models) }))
    .filter(({ rank }) => rank >= 0)
    .sort((left, right) => right.rank - left.rank || (left.service.service < right.service.service ? -1 : 1))
    .map(({ service }) => service);
}

/** -1: not at all. */
function rankOf(model: string, globs: readonly string[] | undefined): number {
  if (globs === undefined) return 0;
  const ranks = globs
    .filter((glob) => compileGlob(glob).matches(model))
    .map((glob) => (glob === model ? Infinity : 1 + glob.replaceAll(/[*?]/g, '').length));
  return Math.max(-1, ...ranks);
}
