/** Modal dialogs: opened by state, closed by Escape, by the veil, or by their own buttons. */
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from 'react-aria-components';
import { useState, type ReactNode } from 'react';
import { useText } from '../text/text.ts';
import { Button } from './Button.tsx';

/** A modal dialog; its focus stays inside until it is closed. */
export function Dialog({
  title,
  onClose,
  wide = false,
  children,
}: {
  title: string;
  onClose: () => void;
  wide?: boolean;
  children: ReactNode;
}): ReactNode {
  return (
    <ModalOverlay
      className="veil"
      isOpen
      isDismissable
      onOpenChange={(open) => {
        if (!open) onClose();
      }}
    >
      <Modal className="modal" {...(wide ? { 'data-wide': '' } : {})}>
        <AriaDialog className="dialog">
          <Heading slot="title" className="dialog-title">
            {title}
          </Heading>
          {children}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}

/** Ask before something that cannot be taken back. `act` may take a while; the dialog closes when it is done. */
export function Confirm({
  title,
  text,
  action,
  danger = false,
  act,
  onClose,
}: {
  title: string;
  text: string;
  action: string;
  danger?: boolean;
  act: () => Promise<unknown>;
  onClose: () => void;
}): ReactNode {
  const t = useText();
  const [pending, setPending] = useState(false);
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{text}</p>
      <div className="dialog-actions">
        <Button kind="plain" onPress={onClose}>
          {t('common.cancel')}
        </Button>
        <Button
          kind={danger ? 'danger' : 'primary'}
          autoFocus
          isPending={pending}
          onPress={() => {
            setPending(true);
            void act().finally(onClose);
          }}
        >
          {action}
        </Button>
      </div>
    </Dialog>
  );
}
