/**
 * Config types of services that carry Ethernet frames. Source: openziti/ziti 2.0.3 controller/db/migration_initialize.go. They are known so that
 * such a service is called what it is.
 */
export const frameConfigs = { intercept: 'l2.intercept.v1', host: 'l2.host.v1' } as const;

/** True for the configs of a service that carries Ethernet frames. */
export function carriesFrames(configs: Readonly<Record<string, unknown>>): boolean {
  return Object.values(frameConfigs).some((type) => Object.hasOwn(configs, type));
}
