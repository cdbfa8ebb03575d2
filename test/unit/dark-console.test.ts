import { describe, expect, it } from 'vitest';
import type { ServiceView } from '../../main/api/views.ts';
import { darkConsoleHosts } from '../../main/engine/calls/dark-console.ts';
import { sceneState } from '../support/window/scene.ts';

const [some] = Object.values(sceneState(0).services);

function hosted(target: string, over: Partial<ServiceView> = {}): ServiceView {
  if (some === undefined) throw new Error('the scene has no service');
  const own = { addresses: ['console.box'], ports: ['80'], hosted: { terminators: 1, target, health: 'unchecked' } };
  return { ...some, ...own, ...over } as ServiceView;
}

describe('the names of a console that is a dark service', () => {
  it('are those of services hosted here on its port, with the port a browser says', () => {
    expect(darkConsoleHosts(8441, [hosted('tcp 127.0.0.1:8441')])).toEqual(['console.box']);
    expect(darkConsoleHosts(8441, [hosted('tcp [::1]:8441', { ports: ['443', '8000-9000'] })])).toEqual([
      'console.box:443',
    ]);
    expect(darkConsoleHosts(8441, [hosted('tcp 10.0.0.1:1, tcp localhost:8441')])).toEqual(['console.box']);
  });

  it('are none of another port, another host, a forwarded target, a wildcard or a service that is only dialled', () => {
    const { hosted: _, ...dialled } = hosted('tcp 127.0.0.1:8441');
    const services = [
      hosted('tcp 127.0.0.1:84411'),
      hosted('tcp 127.0.0.1:*'),
      hosted('udp 127.0.0.1:8441'),
      hosted('tcp 10.127.0.0.1:8441'),
      hosted('forwarded'),
      hosted('tcp 127.0.0.1:8441', { addresses: ['*.box', '10.0.0.0/8'] }),
      dialled,
    ];
    expect(darkConsoleHosts(8441, services)).toEqual([]);
  });

  it('are few, and each once', () => {
    const names = Array.from({ length: 50 }, (_, index) => `console-${index % 20}.box`);
    expect(darkConsoleHosts(1, [hosted('tcp 127.0.0.1:1', { addresses: names })])).toHaveLength(8);
  });
});
