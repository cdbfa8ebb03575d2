/** How a service's status is put in words, and which next step belongs to it. */
import type { ServiceStatus, ServiceView } from '../../../main/api/views.ts';
import type { Tone } from '../../parts/Pieces.tsx';
import type { Details } from '../../text/reasons.ts';

const tones: Readonly<Record<ServiceStatus, Tone>> = {
  available: 'ok',
  hosting: 'ok',
  'posture-failed': 'warn',
  'mfa-required': 'warn',
  'no-terminator': 'off',
  'no-router': 'bad',
  'identity-unavailable': 'off',
  'contract-invalid': 'bad',
  'config-invalid': 'bad',
  quarantined: 'bad',
  'hosting-failed': 'bad',
};

/** How good or bad a service's status is. */
export function serviceTone(service: ServiceView): Tone {
  return tones[service.status];
}

/** True where a person could do something about it. A service that is merely not up is no task. */
export function needsAttention(service: ServiceView): boolean {
  const tone = tones[service.status];
  return tone === 'warn' || tone === 'bad';
}

/** What a reason beside this service is about. */
export function aboutService(service: ServiceView): Details {
  return { service: service.name, identity: service.identity, subject: service.name };
}

/** Where it is reached: first name and port, and how many more. */
export function addressLine(service: ServiceView): string {
  const [first] = service.addresses;
  if (first === undefined) return service.hosted?.target ?? '';
  const ports = service.ports.length === 0 ? '' : `:${service.ports.join(',')}`;
  const more = service.addresses.length > 1 ? ` +${service.addresses.length - 1}` : '';
  return `${first}${ports}${more}`;
}

/** What to ask `why` about for this service: its first plain name, with its first port. */
export function whyDestination(service: ServiceView): string {
  const name =
    service.addresses.find((address) => !address.includes('*') && !address.includes('/')) ?? service.addresses[0];
  if (name === undefined) return service.name;
  const host = name.startsWith('*.') ? name.slice(2) : name;
  const port = service.ports[0]?.split('-')[0];
  return port === undefined ? host : `${host}:${port}`;
}

/** What a search over services looks into, in lower case. */
export function searchableService(service: ServiceView): string {
  return [service.name, service.identity, ...service.addresses, ...service.workgroups].join('\n').toLowerCase();
}
