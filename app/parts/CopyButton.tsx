/** A small button that puts a text on the clipboard, and says for a moment that it did. */
import { useEffect, useState, type ReactNode } from 'react';
import { useText } from '../text/text.ts';
import { Button, IconButton } from './Button.tsx';

const saidForMs = 1_600;

/** @param what names the text for those who do not see where the button stands. `words`: with its name beside the picture. */
export function CopyButton({
  text,
  what,
  words = false,
  size = 'small',
}: {
  text: string | (() => string);
  what: string;
  words?: boolean;
  /** As the buttons beside it. */
  size?: 'small' | 'normal';
}): ReactNode {
  const t = useText();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), saidForMs);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = (): void => void copyText(typeof text === 'string' ? text : text()).then(() => setCopied(true));
  const icon = copied ? 'check' : 'copy';
  if (words) {
    return (
      <Button size={size} icon={icon} onPress={copy}>
        {copied ? t('copy.done') : t('copy.what', { what })}
      </Button>
    );
  }
  return (
    <IconButton icon={icon} size={size} label={copied ? t('copy.done') : t('copy.what', { what })} onPress={copy} />
  );
}

/** Where the page may not use the clipboard itself, as in a shell that grants no page anything, a selection is copied as a person would. */
async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const holder = document.createElement('textarea');
    holder.value = text;
    holder.className = 'unseen';
    document.body.append(holder);
    const before = document.activeElement;
    holder.select();
    document.execCommand('copy');
    holder.remove();
    if (before instanceof HTMLElement) before.focus();
  }
}
