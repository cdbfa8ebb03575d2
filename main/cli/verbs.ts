/** The verbs of the command line, with the group each stands in. One is loaded alone: loading all of them takes as long as starting Node. */
import type { Command } from 'commander';
import type { Cli } from './cli.ts';

/** Adds a verb, with what stands below it, to the program. */
export type AddVerb = (program: Command, cli: Cli) => void;

/** A verb: its name, the heading it stands under in the help, and how to load it. */
export type Verb = readonly [name: string, group: string, load: () => Promise<AddVerb>];

/** In the order of the help. */
export const verbs: readonly Verb[] = [
  ['demo', 'Start', async () => (await import('./verb/demo.ts')).addDemo],
  ['overlay', 'Start', async () => (await import('./verb/overlay.ts')).addOverlay],
  ['run', 'Start', async () => (await import('./verb/run.ts')).addRun],
  ['service', 'Start', async () => (await import('./verb/service.ts')).addService],
  ['enroll', 'Identities', async () => (await import('./verb/enroll.ts')).addEnroll],
  ['identity', 'Identities', async () => (await import('./verb/identity.ts')).addIdentity],
  ['secret', 'Identities', async () => (await import('./verb/secret.ts')).addSecret],
  ['status', 'Look', async () => (await import('./verb/status.ts')).addStatus],
  ['services', 'Look', async () => (await import('./verb/services.ts')).addServices],
  ['sessions', 'Look', async () => (await import('./verb/sessions.ts')).addSessions],
  ['apps', 'Look', async () => (await import('./verb/apps.ts')).addApps],
  ['why', 'Look', async () => (await import('./verb/why.ts')).addWhy],
  ['audit', 'Look', async () => (await import('./verb/audit.ts')).addAudit],
  ['record', 'Look', async () => (await import('./verb/record.ts')).addRecord],
  ['inventory', 'Look', async () => (await import('./verb/inventory.ts')).addInventory],
  ['console', 'Look', async () => (await import('./verb/console.ts')).addConsole],
  ['session', 'Act', async () => (await import('./verb/sessions.ts')).addSession],
  ['agora', 'Act', async () => (await import('./verb/agora.ts')).addAgora],
  ['approvals', 'Act', async () => (await import('./verb/approvals.ts')).addApprovals],
  ['quarantine', 'Act', async () => (await import('./verb/quarantine.ts')).addQuarantine],
  ['policy', 'Act', async () => (await import('./verb/policy.ts')).addPolicy],
  ['agent', 'Agents', async () => (await import('./verb/agent.ts')).addAgent],
  ['env', 'Agents', async () => (await import('./verb/agent.ts')).addEnv],
  ['mcp', 'Agents', async () => (await import('./verb/mcp.ts')).addMcp],
  ['llm', 'Agents', async () => (await import('./verb/llm.ts')).addLlm],
  ['collect', 'Fleet', async () => (await import('./verb/collect.ts')).addCollect],
  ['fleet', 'Fleet', async () => (await import('./verb/fleet.ts')).addFleet],
  ['assess', 'Fleet', async () => (await import('./verb/assess.ts')).addAssess],
  ['doctor', 'Mend', async () => (await import('./verb/doctor.ts')).addDoctor],
  ['dns', 'Mend', async () => (await import('./verb/dns.ts')).addDns],
  ['repair', 'Mend', async () => (await import('./verb/repair.ts')).addRepair],
  ['bundle', 'Mend', async () => (await import('./verb/bundle.ts')).addBundle],
  ['config', 'Settings', async () => (await import('./verb/config.ts')).addConfig],
  ['completion', 'Settings', async () => (await import('./verb/completion.ts')).addCompletion],
  ['version', 'Settings', async () => (await import('./verb/version.ts')).addVersion],
  ['manual', 'Settings', async () => (await import('./verb/manual.ts')).addManual],
];
