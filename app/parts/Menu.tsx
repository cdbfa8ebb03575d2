/** A button that opens a short list of actions. */
import { Button as AriaButton, Menu as AriaMenu, MenuItem, MenuTrigger, Popover } from 'react-aria-components';
import type { ReactNode } from 'react';
import { defined } from '../../main/base/defined.ts';
import { Icon } from './Icon.tsx';

/** One entry of a menu. */
export interface MenuAction {
  readonly id: string;
  readonly text: string;
  readonly tone?: 'bad';
  readonly run: () => void;
}

/** The button and its menu. */
export function ActionMenu({
  label,
  actions,
  size = 'normal',
}: {
  label: string;
  actions: readonly MenuAction[];
  size?: 'normal' | 'small';
}): ReactNode {
  return (
    <MenuTrigger>
      <AriaButton className="button" data-kind="plain" data-icon="" data-size={size} aria-label={label}>
        <Icon name="more" size={16} />
      </AriaButton>
      <Popover className="popover" placement="bottom end" offset={4}>
        <AriaMenu aria-label={label}>
          {actions.map((action) => (
            <MenuItem
              key={action.id}
              id={action.id}
              className="option"
              {...defined({ 'data-tone': action.tone })}
              onAction={action.run}
            >
              {action.text}
            </MenuItem>
          ))}
        </AriaMenu>
      </Popover>
    </MenuTrigger>
  );
}
