/**
 * The vocabulary of local rules, in Cedar's schema language: `culvert policy check` holds every rule to it, so that a misspelt
 * attribute is named and never silently false.
 */

/** Every action a rule can name. */
export const localActions = ['dial', 'host', 'callTool', 'readResource', 'writeRegister'] as const;

const asker = `{
  name: String, agent: String, path: String, script: String, hash: String, user: String, uid: Long,
  container: String, cgroup: String, attribution: String, identity: String
}`;
const asked = '{ name: String, service: String, kind: String, workgroups: Set<String> }';

/** The vocabulary as Cedar reads it. */
export const localSchema = `
type AuthorizationContext = {
  nowSeconds: Long, hour: Long, minute: Long, minuteOfDay: Long, weekday: String,
  posture: String, mfaVerified: Bool, mfaAgeSeconds: Long,
  sessions: Long, dialsLastMinute: Long, callsLastMinute: Long,
  protocol: String, hostname: String, port: Long, entry: String, caller: String,
  unit: Long, table: String, from: Long, to: Long
};

entity Identity;
entity Workgroup;
entity Device in [Identity] = ${asker};
entity User in [Device, Identity] = ${asker};
entity Program in [User, Device, Identity] = ${asker};
entity Agent in [Program, User, Device, Identity] = ${asker};
entity Service in [Workgroup] = ${asked};
entity Tool in [Service, Workgroup] = ${asked};

action dial appliesTo { principal: [Agent, Program, User, Device], resource: [Service], context: AuthorizationContext };
action host appliesTo { principal: [Device], resource: [Service], context: AuthorizationContext };
action callTool, readResource, writeRegister appliesTo {
  principal: [Agent, Program, User, Device], resource: [Tool, Service], context: AuthorizationContext
};
`;
