/** Things a person types into or chooses from, each with its label, hint and error in the same places. */
import {
  Button as AriaButton,
  FieldError,
  Input,
  Label,
  ListBox,
  ListBoxItem,
  Menu,
  MenuItem,
  MenuTrigger,
  Popover,
  SearchField,
  Select,
  SelectValue,
  Switch as AriaSwitch,
  Text as AriaText,
  TextArea,
  TextField,
} from 'react-aria-components';
import type { ReactNode } from 'react';
import { defined } from '../../main/base/defined.ts';
import { useText } from '../text/text.ts';
import { Icon } from './Icon.tsx';

/** What a field is given; `error` is shown with the hint and makes the field invalid. */
export interface FieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly hint?: string | undefined;
  readonly error?: string | undefined;
  readonly placeholder?: string;
  readonly type?: 'text' | 'password' | 'url';
  readonly lines?: boolean;
  readonly autoFocus?: boolean;
  readonly mono?: boolean;
  readonly autoComplete?: string;
  /** Values to pick from; any other may be typed. */
  readonly suggestions?: readonly string[];
}

/** One line, or several, of text. */
export function Field(props: FieldProps): ReactNode {
  const { label, value, onChange, hint, error, placeholder, type = 'text', lines = false, autoFocus = false } = props;
  const inputProps = {
    className: props.mono === true ? 'input mono' : 'input',
    ...defined({ placeholder }),
  };
  return (
    <TextField
      className="field"
      value={value}
      onChange={onChange}
      type={type}
      isInvalid={error !== undefined}
      // said, not enforced: an answer that was wrong must be correctable by sending another
      validationBehavior="aria"
      autoFocus={autoFocus}
      autoComplete={props.autoComplete ?? 'off'}
    >
      <Label className="field-label">{label}</Label>
      <span className="field-line">
        {lines ? <TextArea {...inputProps} spellCheck="false" /> : <Input {...inputProps} spellCheck="false" />}
        {props.suggestions === undefined || props.suggestions.length === 0 ? null : (
          <Known label={label} values={props.suggestions} onPicked={onChange} />
        )}
      </span>
      {hint === undefined ? null : (
        <AriaText slot="description" className="field-hint">
          {hint}
        </AriaText>
      )}
      <FieldError className="field-error">{error}</FieldError>
    </TextField>
  );
}

/** What may be picked instead of typed. */
function Known({
  label,
  values,
  onPicked,
}: {
  label: string;
  values: readonly string[];
  onPicked: (value: string) => void;
}): ReactNode {
  const t = useText();
  return (
    <MenuTrigger>
      <AriaButton className="button" data-kind="plain" data-icon="" aria-label={t('common.pick', { what: label })}>
        <Icon name="down" size={14} />
      </AriaButton>
      <Popover className="popover" placement="bottom end" offset={4}>
        <Menu aria-label={t('common.pick', { what: label })} items={values.map((value) => ({ id: value }))}>
          {({ id }) => (
            <MenuItem className="option mono" textValue={id} onAction={() => onPicked(id)}>
              {id}
            </MenuItem>
          )}
        </Menu>
      </Popover>
    </MenuTrigger>
  );
}

/** A filter as you type. */
export function Search({
  label,
  value,
  onChange,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
}): ReactNode {
  const t = useText();
  return (
    <SearchField className="search" aria-label={label} value={value} onChange={onChange}>
      <Icon name="search" size={16} />
      <Input className="input" placeholder={label} spellCheck="false" />
      <AriaButton className="search-clear" aria-label={t('common.clear')}>
        <Icon name="close" size={14} />
      </AriaButton>
    </SearchField>
  );
}

/** One of the values to choose from. */
export interface Option<V extends string> {
  readonly value: V;
  readonly text: string;
}

/** One of a list of values. */
export function Choice<V extends string>({
  label,
  value,
  options,
  onChange,
  hideLabel = false,
  hint,
}: {
  label: string;
  value: V;
  options: readonly Option<V>[];
  onChange: (value: V) => void;
  hideLabel?: boolean;
  hint?: string;
}): ReactNode {
  return (
    <Select
      className="field"
      value={value}
      onChange={(key) => {
        if (key !== null) onChange(key as V);
      }}
      {...(hideLabel ? { 'aria-label': label } : {})}
    >
      {hideLabel ? null : <Label className="field-label">{label}</Label>}
      <AriaButton className="button select-button">
        <SelectValue />
        <Icon name="down" size={14} />
      </AriaButton>
      {hint === undefined ? null : (
        <AriaText slot="description" className="field-hint">
          {hint}
        </AriaText>
      )}
      <Popover className="popover" offset={4}>
        <ListBox items={options.map((option) => ({ id: option.value, text: option.text }))}>
          {(item) => (
            <ListBoxItem className="option" id={item.id} textValue={item.text}>
              {item.text}
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </Select>
  );
}

/** On or off, in force at once. */
export function Switch({
  label,
  hideLabel = false,
  selected,
  onChange,
  disabled = false,
}: {
  label: string;
  hideLabel?: boolean;
  selected: boolean;
  onChange: (selected: boolean) => void;
  disabled?: boolean;
}): ReactNode {
  return (
    <AriaSwitch
      className="switch"
      isSelected={selected}
      onChange={onChange}
      isDisabled={disabled}
      {...(hideLabel ? { 'aria-label': label } : {})}
    >
      <span className="switch-track" />
      {hideLabel ? null : label}
    </AriaSwitch>
  );
}
