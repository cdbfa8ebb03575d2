/** The record of a fleet, as whoever collects it is asked. */
import * as v from 'valibot';
import { call } from './call.ts';
import { parser } from './parser.ts';
import type {
  FleetAgentView,
  FleetAlertView,
  FleetContainmentView,
  FleetDarkView,
  FleetDeviceView,
  FleetIncidentView,
  FleetOrderView,
  FleetReachView,
  FleetRecordView,
} from './record-views.ts';
import { auditQuery, nothing, text } from './schema-parts.ts';

const { beforeSeq: _beforeSeq, ...fleetFields } = auditQuery.entries;
const fleetQuery = v.strictObject({ ...fleetFields, device: v.optional(text(256)) });
const fleetReach = v.strictObject({
  device: v.optional(text(256)),
  identity: v.optional(text(256)),
  agent: v.optional(text(256)),
});
const { since, until, limit } = auditQuery.entries;
const fleetSpan = v.strictObject({ device: v.optional(text(256)), since, until });
const fleetAgent = v.strictObject({ agent: text(256), since, until });
const fleetOrder = v.strictObject({
  action: v.picklist(['quarantine', 'release']),
  subject: v.pipe(
    v.string(),
    v.maxLength(1024),
    v.regex(/^(app|identity|service):.+$/, 'expected app:…, identity:… or service:…'),
  ),
  cause: v.optional(v.pipe(v.string(), v.maxLength(1024))),
});

/** Calls of group `fleet`: what devices sent, and orders to all of them. */
export const fleetCalls = {
  /** Devices whose record is kept here. */
  devices: call<void, readonly FleetDeviceView[]>({ needs: 'observe', parse: nothing }),
  search: call<v.InferOutput<typeof fleetQuery>, readonly FleetRecordView[]>({
    needs: 'observe',
    parse: (raw) => parser(fleetQuery)(raw),
  }),
  alerts: call<{ limit?: number | undefined }, readonly FleetAlertView[]>({
    needs: 'observe',
    parse: (raw) => parser(v.strictObject({ limit }))(raw ?? {}),
  }),
  /** Who can reach what, from what devices recorded of their identities. */
  reach: call<v.InferOutput<typeof fleetReach>, readonly FleetReachView[]>({
    needs: 'observe',
    parse: (raw) => parser(fleetReach)(raw ?? {}),
  }),
  /** What happened when access was taken, newest first. */
  containment: call<v.InferOutput<typeof fleetSpan>, readonly FleetContainmentView[]>({
    needs: 'observe',
    parse: (raw) => parser(fleetSpan)(raw ?? {}),
  }),
  /** Records that match, the whole of their sessions, on one time line over devices. */
  incident: call<v.InferOutput<typeof fleetQuery>, FleetIncidentView>({
    needs: 'observe',
    parse: (raw) => parser(fleetQuery)(raw),
  }),
  /** What an agent did and could have done. */
  agent: call<v.InferOutput<typeof fleetAgent>, FleetAgentView>({
    needs: 'observe',
    parse: (raw) => parser(fleetAgent)(raw),
  }),
  /** What each device hosts without a port, and what listens on it. */
  dark: call<void, readonly FleetDarkView[]>({ needs: 'observe', parse: nothing }),
  /** Signed, and handed to every device; who is away gets it when it comes back. */
  order: call<v.InferOutput<typeof fleetOrder>, FleetOrderView>({
    needs: 'administer',
    parse: (raw) => parser(fleetOrder)(raw),
  }),
  orders: call<void, readonly FleetOrderView[]>({ needs: 'observe', parse: nothing }),
};
