/** What a dial tells the hosting side of its flow, in the keys and forms of OpenZiti's tunnelers: all values are strings. */
import { defined, whenDefined } from '../base/defined.ts';
import type { FlowRequest } from '../base/flow.ts';
import { renderTemplate } from '../base/tunneler-template.ts';
import type { TemplateFacts } from '../base/tunneler-template.ts';
import type { InterceptConfig } from './intercept-config.ts';

/** A destination as the app data names it. */
export interface DialDestination {
  readonly hostname: string | undefined;
  readonly address: string | undefined;
  readonly port: number;
}

/** This identity, as templates of a config name it. */
export interface Tunneler {
  readonly name: string;
  readonly appData: Readonly<Record<string, unknown>>;
}

/** The variables a template may name for this flow. */
export function templateFacts(flow: FlowRequest, destination: DialDestination, tunneler: Tunneler): TemplateFacts {
  return {
    tunnelerName: tunneler.name,
    tunnelerAppData: tunneler.appData,
    dst_protocol: flow.protocol,
    dst_ip: destination.address,
    dst_port: String(destination.port),
    dst_hostname: destination.hostname,
    src_ip: flow.source.address,
    src_port: String(flow.source.port),
  };
}

/** Keys as in openziti/ziti tunnel/tunnel.go and openziti/ziti-tunnel-sdk-c lib/ziti-tunnel/ziti_tunnel_priv.h. */
export function appDataOf(
  flow: FlowRequest,
  destination: DialDestination,
  config: InterceptConfig | undefined,
  facts: TemplateFacts,
): Readonly<Record<string, string>> {
  return {
    dst_protocol: flow.protocol,
    ...defined({ dst_hostname: destination.hostname, dst_ip: destination.address }),
    dst_port: String(destination.port),
    src_protocol: flow.protocol,
    src_ip: flow.source.address,
    src_port: String(flow.source.port),
    ...defined({ source_addr: whenDefined(config?.sourceTemplate, (template) => renderTemplate(template, facts)) }),
  };
}

/**
 * What a service named outright is dialled for: the address and port its own claim names, where that leaves no choice, so that hosts
 * which forward address and port know where to go; else what the loopback port itself was asked for.
 */
export function destinationOfService(flow: FlowRequest, config: InterceptConfig | undefined): DialDestination {
  const asked = flow.destination;
  const only = config?.addresses.length === 1 ? config.addresses[0] : undefined;
  const range = config?.portRanges.length === 1 ? config.portRanges[0] : undefined;
  const port = range !== undefined && range.low === range.high ? range.low : asked.port;
  if (only?.kind === 'name') return { hostname: only.name, address: undefined, port };
  if (only?.kind === 'prefix') {
    const [address, length] = only.prefix.text.split('/');
    const whole = length === (only.prefix.family === 4 ? '32' : '128');
    if (whole) return { hostname: undefined, address, port };
  }
  return { hostname: undefined, address: asked.address, port };
}
