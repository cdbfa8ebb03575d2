/** Ctrl+K: go anywhere, open anything, by typing a part of its name. */
import { useMemo, useState, type ReactNode } from 'react';
import { Autocomplete, Input, Menu, MenuItem, SearchField } from 'react-aria-components';
import { Dialog } from '../../parts/Dialogs.tsx';
import { Icon, type IconName } from '../../parts/Icon.tsx';
import { serviceKey } from '../../../main/api/state.ts';
import { useEngine, useStores } from '../../store/hooks.tsx';
import { selectAgents, selectIdentities, selectServices } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { useRoute } from '../route.ts';
import { places } from './places.ts';

interface Found {
  readonly id: string;
  readonly icon: IconName;
  readonly text: string;
  readonly kind: string;
  readonly run: () => void;
}

/** As many as fit beneath the field without scrolling. */
const shown = 10;

export function Palette({ onClose }: { onClose: () => void }): ReactNode {
  const t = useText();
  const { go } = useRoute();
  const { preferences } = useStores();
  const services = useEngine(selectServices);
  const identities = useEngine(selectIdentities);
  const agents = useEngine(selectAgents);
  const [typed, setTyped] = useState('');
  const found = useMemo(() => {
    const words = typed.trim().toLowerCase().split(/\s+/);
    const fits = (text: string): boolean => words.every((word) => text.toLowerCase().includes(word));
    const list: Found[] = [];
    const offer = (one: Found): void => {
      if (list.length < shown && fits(`${one.text} ${one.kind}`)) list.push(one);
    };
    for (const [screen, icon] of places)
      offer({ id: screen, icon, text: t(`nav.${screen}`), kind: t('palette.screen'), run: () => go(screen) });
    offer({ id: 'enrol', icon: 'plus', text: t('identities.add'), kind: t('palette.action'), run: () => go('enrol') });
    for (const theme of ['light', 'dark', 'system'] as const)
      offer({
        id: `theme-${theme}`,
        icon: theme === 'dark' ? 'moon' : 'sun',
        text: `${t('settings.theme')}: ${t(`settings.theme.${theme}`)}`,
        kind: t('palette.action'),
        run: () => preferences.set({ theme }),
      });
    for (const { name } of agents ?? [])
      offer({ id: `agent/${name}`, icon: 'agents', text: name, kind: t('nav.agents'), run: () => go('agents', name) });
    for (const { name } of identities ?? [])
      offer({
        id: `identity/${name}`,
        icon: 'identities',
        text: name,
        kind: t('nav.identities'),
        run: () => go('identities', name),
      });
    for (const { name, identity, id } of services ?? []) {
      if (list.length >= shown) break;
      const key = serviceKey(identity, id);
      offer({
        id: `service/${key}`,
        icon: 'services',
        text: name,
        kind: `${t('nav.services')} · ${identity}`,
        run: () => go('services', key),
      });
    }
    return list;
  }, [typed, services, identities, agents, go, preferences, t]);
  return (
    <Dialog title={t('palette.title')} onClose={onClose}>
      <Autocomplete inputValue={typed} onInputChange={setTyped}>
        <SearchField className="search palette-search" aria-label={t('palette.search')} autoFocus>
          <Icon name="search" size={16} />
          <Input className="input" placeholder={t('palette.search')} spellCheck="false" />
        </SearchField>
        <Menu
          className="palette-list"
          aria-label={t('palette.title')}
          items={found}
          renderEmptyState={() => <p className="quiet">{t('common.noMatchTitle')}</p>}
        >
          {(one) => (
            <MenuItem
              className="option"
              textValue={one.text}
              onAction={() => {
                onClose();
                one.run();
              }}
            >
              <Icon name={one.icon} size={16} />
              <span className="clip">{one.text}</span>
              <span className="quiet small push-end">{one.kind}</span>
            </MenuItem>
          )}
        </Menu>
      </Autocomplete>
    </Dialog>
  );
}
