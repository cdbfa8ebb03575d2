/** All that the services of one client offer, under the names they are offered by, and the way back from those. */
import type { Fields } from './anything.ts';
import type { Backend, Kind } from './backend.ts';
import type { Backends } from './backends.ts';
import { offeredName, readablePrefix } from './names.ts';

/** A thing as its service has it. */
export interface Place {
  readonly backend: Backend;
  /** Its name, URI or URI template there. */
  readonly name: string;
}

/** What a name speaks of: a service and a name there; the service is there, or it is not and why. */
export type Meant = { readonly service: string; readonly name: string } & (
  { readonly backend: Backend } | { readonly reason: string }
);

interface Offered extends Place {
  readonly item: Fields;
}

/** What was offered of a kind, as of a revision of the services. */
interface Known {
  readonly revision: number;
  readonly offered: ReadonlyMap<string, Offered>;
}

/** What says where an offered thing is from. */
const [serviceKey, nameKey] = ['culvert/service', 'culvert/name'] as const;
/** URIs that services named in answers, remembered so that they can be read. */
const maxSeenUris = 10_000;

/** What all services offer, under names that are unique among them. */
export class Catalogue {
  readonly #backends: Backends;
  readonly #digest: (text: string) => string;
  readonly #seen = new Map<string, string>();
  /** A call is not to wait until the offers of all services are put together anew. */
  readonly #known = new Map<Kind, Known>();

  constructor(backends: Backends, digest: (text: string) => string) {
    this.#backends = backends;
    this.#digest = digest;
  }

  /** As they are offered, in the order of services and then theirs. */
  async items(kind: Kind): Promise<readonly Fields[]> {
    return [...(await this.#offered(kind)).values()].map(({ item }) => item);
  }

  /** A tool or prompt by the name it is offered under. What was found before is found at once, until something changes. */
  async named(kind: 'tools' | 'prompts', name: string): Promise<Place | undefined> {
    return this.#asKnown(kind)?.get(name) ?? (await this.#offered(kind)).get(name);
  }

  /** The service that a name speaks of, whether it offers anything of that name or not. */
  meant(name: string): Meant | undefined {
    const present = this.#backends.open().map((backend) => ({ service: backend.service, backend }));
    const [found] = [...present, ...this.#backends.absent()]
      .filter(({ service }) => name.startsWith(readablePrefix(service)))
      .sort((one, other) => other.service.length - one.service.length);
    return found === undefined ? undefined : { ...found, name: name.slice(readablePrefix(found.service).length) };
  }

  /** The service that has a resource of this URI: listed, like a template, or named in an answer before. */
  async resource(uri: string): Promise<Place | undefined> {
    const listed = (await this.#offered('resources')).get(uri);
    if (listed !== undefined) return listed;
    const templates = await this.#offered('resourceTemplates');
    for (const [template, place] of templates) if (templatePattern(template).test(uri)) return { ...place, name: uri };
    const service = this.#seen.get(uri);
    const backend = this.#backends.open().find((one) => one.service === service);
    return backend === undefined ? undefined : { backend, name: uri };
  }

  /** What a service's resource is offered as. */
  async offeredUri(service: string, uri: string): Promise<string> {
    for (const [as, { backend, name }] of await this.#offered('resources'))
      if (backend.service === service && name === uri) return as;
    return uri;
  }

  async template(uriTemplate: string): Promise<Place | undefined> {
    return (await this.#offered('resourceTemplates')).get(uriTemplate);
  }

  /** Remember the resources that an answer points to. */
  note(backend: Backend, result: Fields): void {
    const content = [result['content'], result['contents']].flat() as readonly unknown[];
    for (const part of content) {
      const uri =
        (part as Fields | undefined)?.['uri'] ??
        ((part as Fields | undefined)?.['resource'] as Fields | undefined)?.['uri'];
      if (typeof uri !== 'string') continue;
      this.#seen.set(uri, backend.service);
      const [oldest] = this.#seen.keys();
      if (this.#seen.size > maxSeenUris && oldest !== undefined) this.#seen.delete(oldest);
    }
  }

  #asKnown(kind: Kind): ReadonlyMap<string, Offered> | undefined {
    const known = this.#known.get(kind);
    return known?.revision === this.#backends.revision ? known.offered : undefined;
  }

  async #offered(kind: Kind): Promise<ReadonlyMap<string, Offered>> {
    const backends = await this.#backends.ready();
    const known = this.#asKnown(kind);
    if (known !== undefined) return known;
    // Whatever changes while the services are asked makes what they say here out of date.
    const { revision } = this.#backends;
    const lists = await Promise.all(backends.map((backend) => this.#backends.list(backend, kind)));
    const offered = new Map<string, Offered>();
    for (const [index, backend] of backends.entries()) {
      for (const item of lists[index] ?? []) {
        const key = { tools: 'name', prompts: 'name', resources: 'uri', resourceTemplates: 'uriTemplate' }[kind];
        const name = item[key];
        if (typeof name !== 'string') continue;
        const as = this.#nameOf(kind, backend.service, name, offered);
        offered.set(as, {
          backend,
          name,
          item: {
            ...item,
            [key]: as,
            _meta: { ...(item['_meta'] as Fields), [serviceKey]: backend.service, [nameKey]: name },
          },
        });
      }
    }
    this.#known.set(kind, { revision, offered });
    return offered;
  }

  /** Tools and prompts are told apart by their service; a URI stays what it is, unless another service has the same. */
  #nameOf(kind: Kind, service: string, name: string, taken: ReadonlyMap<string, unknown>): string {
    if (kind === 'tools' || kind === 'prompts') return offeredName(service, name, this.#digest);
    return taken.has(name) ? `culvert://${encodeURIComponent(service)}/${encodeURIComponent(name)}` : name;
  }
}

/** Whether a URI could come from a template: each expression stands for anything. Source: RFC 6570, all its operators alike. */
function templatePattern(template: string): RegExp {
  const parts = template.split(/\{[^{}]*\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^]*?')}$`);
}
