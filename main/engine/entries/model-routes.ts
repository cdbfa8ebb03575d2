/** Which service a model is asked of, and under which name. Pure. */
import { compileGlob } from '../../base/glob.ts';

/** A service that answers for models. */
export interface ModelService {
  readonly service: string;
  /** Globs over the models its contract lets through; undefined: any. */
  readonly models: readonly string[] | undefined;
  /** Its contract lets websockets through. */
  readonly websocket?: true;
}

/** What an alias stands for. */
export interface AliasTarget {
  readonly model: string;
  /** Asked of this service alone. */
  readonly service: string | undefined;
  /** Its share of first questions among the alias's targets; 0: asked only where those before it are not there. */
  readonly weight: number;
}

/** One way to ask. */
export interface ModelRoute {
  readonly service: string;
  /** The name it is asked under; undefined: as it came. */
  readonly model: string | undefined;
}

/** How ways are chosen among. */
export interface Routing {
  readonly aliases: ReadonlyMap<string, readonly AliasTarget[]>;
  /** It failed several times in a row: asked last for a while. */
  readonly isResting: (service: string) => boolean;
  /** In [0, 1). */
  readonly random: () => number;
}

/**
 * The ways to ask for this model, in the order they are tried. An alias's targets come by lot, weighted; of each the services that name it, then
 * those that match it by the longest text, then those that let any model through; equals by name. Services that rest come last. Without a model: the one
 * service there is, or none.
 */
export function routesFor(
  model: string | undefined,
  services: readonly ModelService[],
  { aliases, isResting, random }: Routing,
): readonly ModelRoute[] {
  if (model === undefined) return services.length === 1 ? services.map(({ service }) => ({ service, model })) : [];
  const targets = aliases.get(model);
  const routes =
    targets === undefined
      ? servicesOf(model, services).map((service): ModelRoute => ({ service, model: undefined }))
      : drawn(targets, random).flatMap((target) =>
          servicesOf(target.model, services)
            .filter((service) => target.service === undefined || target.service === service)
            .map((service): ModelRoute => ({ service, model: target.model })),
        );
  return [
    ...routes.filter(({ service }) => !isResting(service)),
    ...routes.filter(({ service }) => isResting(service)),
  ];
}

/** May anything that the alias stands for be asked? */
export function isReachable(targets: readonly AliasTarget[], services: readonly ModelService[]): boolean {
  return targets.some(({ model, service }) =>
    servicesOf(model, services).some((name) => service === undefined || service === name),
  );
}

function servicesOf(model: string, services: readonly ModelService[]): readonly string[] {
  return services
    .map(({ service, models }) => ({ service, rank: rankOf(model, models) }))
    .filter(({ rank }) => rank >= 0)
    .sort((left, right) => right.rank - left.rank || (left.service < right.service ? -1 : 1))
    .map(({ service }) => service);
}

/** One after the other by lot, each as likely as its weight; those without weight last, as they are written. */
function drawn(targets: readonly AliasTarget[], random: () => number): readonly AliasTarget[] {
  const left = targets.filter(({ weight }) => weight > 0);
  const order: AliasTarget[] = [];
  while (left.length > 0) {
    let point = random() * left.reduce((sum, { weight }) => sum + weight, 0);
    const found = left.findIndex(({ weight }) => (point -= weight) < 0);
    order.push(...left.splice(found < 0 ? left.length - 1 : found, 1));
  }
  return [...order, ...targets.filter(({ weight }) => weight === 0)];
}

/** -1: not at all. */
function rankOf(model: string, globs: readonly string[] | undefined): number {
  if (globs === undefined) return 0;
  const ranks = globs
    .filter((glob) => compileGlob(glob).matches(model))
    .map((glob) => (glob === model ? Infinity : 1 + glob.replaceAll(/[*?]/g, '').length));
  return Math.max(-1, ...ranks);
}
