/**
 * The vocabulary of local rules, in Cedar's schema language: `culvert policy check` holds every rule to it, so that a misspelt
 * attribute is named and never silently false. The reference of the vocabulary is made from it and from the `@doc` in it.
 */

/** Every action a rule can name. */
export const localActions = ['dial', 'host', 'callTool', 'readResource', 'writeRegister'] as const;

const asker = `{
  @doc("the most exact name it is known by") name: String,
  @doc("the agent, as agents: names it; empty where it is none") agent: String,
  @doc("path of the executable") path: String,
  @doc("path of the script that an interpreter runs; else empty") script: String,
  @doc("SHA-256 of the executable or script, lower hex") hash: String,
  @doc("whose program it is") user: String,
  @doc("the same as a number, -1 where it is not known") uid: Long,
  @doc("id of the container it runs in; else empty") container: String,
  @doc("its control group (Linux)") cgroup: String,
  @doc("how surely all this is known: exact, inferred or unknown") attribution: String,
  @doc("the identity that dials or hosts") identity: String
}`;
const asked = `{
  @doc("name of the service, or of the tool, resource or register range in it") name: String,
  @doc("name of the service") service: String,
  @doc("service, tool, resource or register") kind: String,
  @doc("role attributes of the service at the controller") workgroups: Set<String>
}`;

const inside = `{
  principal: [Agent, Program, User, Device], resource: [Tool, Service], context: CallContext
}`;

const circumstances = `
  @doc("seconds since 1970, UTC") nowSeconds: Long,
  @doc("hour of this machine's day, 0 to 23") hour: Long,
  @doc("minute of that hour, 0 to 59") minute: Long,
  @doc("minutes since midnight, 0 to 1439") minuteOfDay: Long,
  @doc("mon, tue, wed, thu, fri, sat or sun") weekday: String,
  @doc("passing or failing; unknown to what hosts") posture: String,
  @doc("the second factor was shown in this session with the controller") mfaVerified: Bool,
  @doc("seconds since then; very many where it never was") mfaAgeSeconds: Long,
  @doc("sessions of this service that are open") sessions: Long,
  @doc("dials of this program within a minute") dialsLastMinute: Long,
  @doc("calls of this session within a minute") callsLastMinute: Long,
  @doc("tcp or udp") protocol: String,
  @doc("the name that was asked for, or the address") hostname: String,
  @doc("the port that was asked for") port: Long,
  @doc("the way in: tun, socks5, http-connect, forward or mcp; hosted where it dials in; session inside one") entry: String,
  @doc("action host: who dials in; else empty") caller: String,
  @doc("register range: unit, else -1") unit: Long,
  @doc("register range: coils, discrete, holding or input; else empty") table: String,
  @doc("register range: first address, else -1") from: Long,
  @doc("register range: last address, else -1") to: Long`;

/** The vocabulary as Cedar reads it. */
export const localSchema = `
type AuthorizationContext = {${circumstances}
};
type CallContext = {${circumstances},
  @doc("a person has approved it, or will be asked before it goes on") approved: Bool,
  @doc("0 to 100, of what detectors found of the program in the last minutes") risk: Long,
  @doc("classes of data in its arguments, as the contract's data finds them: email, access-token, …") dataClasses: Set<String>,
  @doc("texts under their paths, as tags: to, cc.0, filter.name") arguments: Arguments,
  @doc("calls this program made before, over all its sessions, until it is silent for an hour") callsBefore: Long,
  @doc("names of the tools, prompts and resources it called then") calledBefore: Set<String>,
  @doc("classes of data it was given then, unchanged") classesRead: Set<String>
};

@doc("an identity enrolled here")
entity Identity;
@doc("a role attribute of services at the controller")
entity Workgroup;
@doc("this machine, by its host name; everything runs on it")
entity Device in [Identity] = ${asker};
@doc("a user of this machine, by name")
entity User in [Device, Identity] = ${asker};
@doc("a program, by the path of its executable or script")
entity Program in [User, Device, Identity] = ${asker};
@doc("an agent, by the name that agents: gives it")
entity Agent in [Program, User, Device, Identity] = ${asker};
@doc("arguments of a call, by path")
entity Arguments tags String;
@doc("a service, by name")
entity Service in [Workgroup] = ${asked};
@doc("a tool, prompt, resource or register range of a service, by name")
entity Tool in [Service, Workgroup] = ${asked};

@doc("may this program open a session of the service?")
action dial appliesTo { principal: [Agent, Program, User, Device], resource: [Service], context: AuthorizationContext };
@doc("may what dials in be served here?")
action host appliesTo { principal: [Device], resource: [Service], context: AuthorizationContext };
@doc("may this tool or prompt of an MCP service be called?")
action callTool appliesTo ${inside};
@doc("may this resource of an MCP service be read?")
action readResource appliesTo ${inside};
@doc("may this range of a Modbus device be written?")
action writeRegister appliesTo ${inside};
`;
