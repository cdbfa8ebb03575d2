/**
 * Templates in service configs (`$tunneler_id.name`, `$dst_port`, …), as OpenZiti's tunnelers render them: a variable nobody can fill stays in
 * the text. Sources: openziti/ziti tunnel/intercept/svcpoll.go, openziti/ziti-tunnel-sdk-c lib/ziti-tunnel-cbs/ziti_tunnel_cbs.c.
 */

/** What is known when a template is rendered; what is absent stays unrendered. */
export interface TemplateFacts {
  readonly tunnelerName: string;
  readonly tunnelerAppData?: Readonly<Record<string, unknown>>;
  readonly dst_protocol?: string | undefined;
  readonly dst_ip?: string | undefined;
  readonly dst_port?: string | undefined;
  readonly dst_hostname?: string | undefined;
  readonly src_ip?: string | undefined;
  readonly src_port?: string | undefined;
}

type FlowVariable = 'dst_protocol' | 'dst_ip' | 'dst_port' | 'dst_hostname' | 'src_ip' | 'src_port';

const variable =
  /\$(?:tunneler_id\.(name)|tunneler_id\.appData\[([^\]]*)\]|(dst_protocol|dst_ip|dst_port|dst_hostname|src_ip|src_port))/g;

/** `template` with every variable replaced that `facts` can fill. */
export function renderTemplate(template: string, facts: TemplateFacts): string {
  if (!template.includes('$')) return template;
  return template.replace(variable, (whole, name?: string, key?: string, flow?: FlowVariable) => {
    if (name !== undefined) return facts.tunnelerName;
    if (key !== undefined) return scalar(facts.tunnelerAppData, unquoted(key)) ?? whole;
    return flow === undefined ? whole : (facts[flow] ?? whole);
  });
}

function unquoted(key: string): string {
  return key.replace(/^(['"])(.*)\1$/, '$2');
}

function scalar(data: Readonly<Record<string, unknown>> | undefined, key: string): string | undefined {
  if (data === undefined || !Object.hasOwn(data, key)) return undefined;
  const value = data[key];
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : undefined;
}
