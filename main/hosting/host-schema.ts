/** The schemas of the host configs. Source: openziti/ziti tunnel/entities/{host.v1,host.v2,ziti-tunneler-server.v1}.json. */
import * as v from 'valibot';

const port = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65535));
const text = v.pipe(v.string(), v.minLength(1));
const protocol = v.picklist(['tcp', 'udp']);
const duration = v.pipe(v.string(), v.regex(/^\d{1,9}(?:h|m|s|ms)$/, 'expected a duration such as 5s'));
const count = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65535));
/** The Go client leaves out empty fields, others send null. */
const maybe = <S extends v.GenericSchema>(schema: S) => v.optional(v.nullable(schema));

const action = v.object({
  trigger: v.picklist(['fail', 'pass', 'change']),
  consecutiveEvents: maybe(count),
  duration: maybe(duration),
  action: v.pipe(
    v.string(),
    v.regex(
      /^(?:mark (?:un)?healthy|(?:increase|decrease) cost [1-9]\d{0,4}|send event)$/,
      'expected "mark healthy", "mark unhealthy", "increase cost N", "decrease cost N" or "send event"',
    ),
  ),
});
/** An action as configs write it. */
export type RawCheckAction = v.InferOutput<typeof action>;

const timing = { interval: duration, timeout: duration, actions: maybe(v.pipe(v.array(action), v.maxLength(20))) };
const portChecks = maybe(v.array(v.object({ ...timing, address: text })));
const httpChecks = maybe(
  v.array(
    v.object({
      ...timing,
      url: text,
      method: maybe(v.picklist(['GET', 'POST', 'PUT', 'PATCH'])),
      body: maybe(v.string()),
      expectStatus: maybe(v.pipe(v.number(), v.integer(), v.minValue(100), v.maxValue(599))),
      expectInBody: maybe(v.string()),
    }),
  ),
);

const listenOptions = v.object({
  bindUsingEdgeIdentity: maybe(v.boolean()),
  identity: maybe(v.string()),
  cost: maybe(port),
  precedence: maybe(v.picklist(['default', 'required', 'failed'])),
  maxConnections: maybe(count),
  connectTimeout: maybe(duration),
  connectTimeoutSeconds: maybe(v.pipe(v.number(), v.integer(), v.minValue(0))),
});

/** `host.v1`, which is also one terminator of `host.v2`. */
export const hostV1 = v.object({
  protocol: maybe(protocol),
  forwardProtocol: maybe(v.boolean()),
  allowedProtocols: maybe(v.array(protocol)),
  address: maybe(v.string()),
  forwardAddress: maybe(v.boolean()),
  allowedAddresses: maybe(v.array(v.string())),
  forwardAddressTranslations: maybe(
    v.array(
      v.object({ from: text, to: text, prefixLength: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(128)) }),
    ),
  ),
  port: maybe(port),
  forwardPort: maybe(v.boolean()),
  allowedPortRanges: maybe(v.array(v.object({ low: port, high: port }))),
  allowedSourceAddresses: maybe(v.array(v.string())),
  listenOptions: maybe(listenOptions),
  portChecks,
  httpChecks,
  proxy: maybe(v.object({ type: v.literal('http'), address: text })),
});
/** A parsed {@link hostV1}. */
export type HostV1 = v.InferOutput<typeof hostV1>;

/** `host.v2`: one terminator or more. */
export const hostV2 = v.object({ terminators: v.pipe(v.array(hostV1), v.minLength(1)) });

/** `ziti-tunneler-server.v1`. */
export const serverV1 = v.object({ hostname: text, port, protocol: maybe(protocol), portChecks, httpChecks });

const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** `10s`, `500ms`, `2m`, `1h`; undefined where it is none. */
export function parseDurationMs(text: string | undefined): number | undefined {
  const match = /^(\d{1,9})(h|m|s|ms)$/.exec(text ?? '');
  const unit = unitMs[match?.[2] ?? ''];
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit;
}
