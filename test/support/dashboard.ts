/** The queries of the ready dashboard, as Grafana would send them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Dashboard {
  readonly panels: readonly { readonly targets: readonly { readonly expr: string }[] }[];
}

/** For every device. */
export function dashboardQueries(): readonly string[] {
  const { panels } = JSON.parse(readFileSync(join(process.cwd(), 'resources/siem/grafana.json'), 'utf8')) as Dashboard;
  return panels.flatMap(({ targets }) => targets.map(({ expr }) => expr.replaceAll('$instance', '.*')));
}
