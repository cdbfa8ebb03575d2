/** Buttons: one look, four weights; an icon-only button must bring its name. */
import {
  Button as AriaButton,
  Tooltip,
  TooltipTrigger,
  type ButtonProps as AriaButtonProps,
} from 'react-aria-components';
import type { ReactNode } from 'react';
import { Icon, type IconName } from './Icon.tsx';

/** What a button with words on it is given. */
export interface ButtonProps extends Omit<AriaButtonProps, 'children' | 'className' | 'style'> {
  readonly kind?: 'default' | 'primary' | 'danger' | 'quiet-danger' | 'plain';
  readonly size?: 'normal' | 'small';
  readonly icon?: IconName;
  readonly children: ReactNode;
}

/** While pending it keeps its focus and does nothing. */
export function Button(props: ButtonProps): ReactNode {
  const { kind = 'default', size = 'normal', icon, children, isPending = false, onPress, type, ...rest } = props;
  const shown = isPending ? 'spinner' : icon;
  return (
    <AriaButton
      {...rest}
      type={isPending ? 'button' : (type ?? 'button')}
      {...(isPending || onPress === undefined ? {} : { onPress })}
      className="button"
      data-kind={kind}
      data-size={size}
      {...(isPending ? { 'aria-busy': true, 'data-pending': '' } : {})}
    >
      {shown === undefined ? null : <Icon name={shown} size={16} />}
      {children}
    </AriaButton>
  );
}

/** What a button with a picture alone is given. */
export interface IconButtonProps extends Omit<AriaButtonProps, 'children' | 'className' | 'style' | 'aria-label'> {
  readonly icon: IconName;
  /** Its name, shown as a tooltip too. */
  readonly label: string;
  readonly kind?: 'default' | 'danger' | 'plain';
  readonly size?: 'normal' | 'small';
}

/** A button with a picture alone; its name is its tooltip and what a screen reader says. */
export function IconButton({ icon, label, kind = 'plain', size = 'normal', ...rest }: IconButtonProps): ReactNode {
  return (
    <TooltipTrigger delay={500} closeDelay={0}>
      <AriaButton {...rest} aria-label={label} className="button" data-kind={kind} data-size={size} data-icon="">
        <Icon name={icon} size={16} />
      </AriaButton>
      <Tooltip className="tooltip" offset={6}>
        {label}
      </Tooltip>
    </TooltipTrigger>
  );
}
