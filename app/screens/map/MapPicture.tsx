/** The boxes of the map in their columns, and the ways between them, as wide as what flows there. */
import { memo, useMemo, useSyncExternalStore, type ReactNode } from 'react';
import { Icon, type IconName } from '../../parts/Icon.tsx';
import { useStores } from '../../store/hooks.tsx';
import { useText, type Text } from '../../text/text.ts';
import { routeTo } from '../route.ts';
import { mapColumns, type MapColumn, type MapEdge, type MapModel, type MapNode } from './map-model.ts';

const widthPx = 980;
const boxPx = { width: 176, height: 34, gap: 8, top: 30 } as const;
const icons: Readonly<Record<MapColumn, IconName>> = {
  program: 'file',
  identity: 'identities',
  service: 'services',
  router: 'refresh',
};

interface Place {
  readonly x: number;
  readonly y: number;
}

/** @param over the box that is pointed at: what it is joined to stays, the rest steps back. Bytes that flow draw no box anew. */
export const MapPicture = memo(function MapPicture({
  model,
  over,
  onOver,
}: {
  model: MapModel;
  over: string | undefined;
  onOver: (id: string | undefined) => void;
}): ReactNode {
  const t = useText();
  const { places, heightPx } = useMemo(() => layOut(model), [model]);
  const lit = over === undefined ? undefined : model.lit.get(over);
  const isLit = (id: string): boolean => over === undefined || id === over || lit?.has(id) === true;
  return (
    <div className="map" style={{ width: widthPx, height: heightPx }}>
      <Ways
        model={model}
        places={places}
        heightPx={heightPx}
        isLit={(edge) =>
          over === undefined || edge.from === over || edge.to === over || (isLit(edge.from) && isLit(edge.to))
        }
      />
      {mapColumns.map((column) => (
        <p key={column} className="map-title quiet small" style={{ left: columnX(column), width: boxPx.width }}>
          {t(`map.column.${column}`)}
        </p>
      ))}
      <ul aria-label={t('map.title')}>
        {model.nodes.map((node) => {
          const place = places.get(node.id);
          if (place === undefined) return null;
          return (
            <li
              key={node.id}
              className="map-node"
              style={{ left: place.x, top: place.y, width: boxPx.width, height: boxPx.height }}
            >
              <a
                href={routeTo(node.leads.screen, node.leads.item, node.leads.query)}
                className="map-box"
                aria-label={nodeLabel(node, t)}
                data-dim={isLit(node.id) ? undefined : ''}
                data-tone={
                  node.isCutOff || (node.refused > 0 && node.open === 0) ? 'bad' : node.open > 0 ? 'live' : undefined
                }
                data-grouped={node.grouped === undefined ? undefined : ''}
                onPointerEnter={() => onOver(node.id)}
                onPointerLeave={() => onOver(undefined)}
                onFocus={() => onOver(node.id)}
                onBlur={() => onOver(undefined)}
              >
                <Icon name={node.isAgent ? 'agents' : icons[node.column]} size={14} />
                <span className="clip">{labelOf(node, t)}</span>
                {node.grouped !== undefined ? (
                  <span className="quiet small push-end">{t.format.number(node.grouped)}</span>
                ) : node.open > 0 ? (
                  <span className="quiet small push-end">{t.format.number(node.open)}</span>
                ) : null}
              </a>
            </li>
          );
        })}
      </ul>
    </div>
  );
});

/** Drawn anew each second, for that is how often rates are known; the boxes are not. */
function Ways({
  model,
  places,
  heightPx,
  isLit,
}: {
  model: MapModel;
  places: ReadonlyMap<string, Place>;
  heightPx: number;
  isLit: (edge: MapEdge) => boolean;
}): ReactNode {
  const { traffic } = useStores();
  useSyncExternalStore(traffic.subscribe, traffic.history);
  return (
    <svg className="map-ways" width={widthPx} height={heightPx} aria-hidden="true">
      {model.edges.map((edge) => {
        const [from, to] = [places.get(edge.from), places.get(edge.to)];
        if (from === undefined || to === undefined) return null;
        const rate = edge.sessions.reduce((sum, id) => {
          const { sent, received } = traffic.rate(id);
          return sum + sent + received;
        }, 0);
        const path = wayOf(from, to);
        const dim = isLit(edge) ? undefined : '';
        return (
          <g key={`${edge.from}/${edge.to}`}>
            {edge.sessions.length === 0 ? null : (
              <path d={path} className="map-way" data-dim={dim} strokeWidth={wayPx(rate)} />
            )}
            {edge.refused === 0 ? null : <path d={path} className="map-way" data-refused="" data-dim={dim} />}
          </g>
        );
      })}
    </svg>
  );
}

/** From 1.5 px for silence to 11 px for a hundred megabytes a second: a step for each factor of four. */
function wayPx(bytesPerSecond: number): number {
  return 1.5 + Math.min(9.5, Math.max(0, Math.log2(1 + bytesPerSecond / 1000) * 0.58));
}

function wayOf(from: Place, to: Place): string {
  const [x1, y1] = [from.x + boxPx.width, from.y + boxPx.height / 2];
  const [x2, y2] = [to.x, to.y + boxPx.height / 2];
  const bend = (x2 - x1) / 2;
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}

function columnX(column: MapColumn): number {
  return (mapColumns.indexOf(column) * (widthPx - boxPx.width)) / (mapColumns.length - 1);
}

/** Each column from the top; the shorter ones in the middle of the longest, so that ways stay level. */
function layOut({ nodes }: MapModel): { readonly places: ReadonlyMap<string, Place>; readonly heightPx: number } {
  const columns = mapColumns.map((column) => nodes.filter((node) => node.column === column));
  const step = boxPx.height + boxPx.gap;
  const longest = Math.max(...columns.map(({ length }) => length));
  const places = new Map<string, Place>();
  columns.forEach((column, index) => {
    const top = boxPx.top + ((longest - column.length) * step) / 2;
    const x = columnX(mapColumns[index] ?? 'program');
    column.forEach((node, row) => places.set(node.id, { x, y: top + row * step }));
  });
  return { places, heightPx: boxPx.top + longest * step };
}

function labelOf({ label, column, grouped }: MapNode, t: Text): string {
  if (label !== '…') return label;
  return column === 'service' && grouped !== undefined ? t('map.otherServices') : t('map.others');
}

function nodeLabel(node: MapNode, t: Text): string {
  const name = labelOf(node, t);
  const facts =
    node.grouped === undefined
      ? t('map.facts', { name, open: node.open, refused: node.refused })
      : t('map.group', { name, services: node.grouped });
  return node.isCutOff ? `${facts} ${t('service.status.quarantined')}` : facts;
}
