import { createContext, useContext, useId, type ReactNode } from 'react';
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from 'react-aria-components';
import { Button, IconButton } from './Button';
import './dialog.css';

/** Whether the app is out of sight (signed out): dialogs hang on the body, outside of what is hidden. */
export const Covered = createContext(false);

/**
 * A modal dialog: focus stays inside, Esc closes it, focus returns to what opened it.
 * `footer` is the row of buttons; put the safe choice first and give it `autoFocus`.
 */
export function Dialog({
  title,
  isOpen,
  onClose,
  children,
  footer,
  width = 'm',
  dismissable = true,
  role = 'dialog',
}: {
  title: ReactNode;
  isOpen: boolean;
  onClose: () => void;
  children: ReactNode;
  footer?: ReactNode;
  width?: 's' | 'm' | 'l';
  /** false: neither Esc nor a press outside closes it. */
  dismissable?: boolean;
  role?: 'dialog' | 'alertdialog';
}) {
  const covered = useContext(Covered);
  return (
    <ModalOverlay
      className="dialog-scrim"
      isOpen={isOpen && !covered}
      onOpenChange={(open) => {
        if (!open) onClose();
      }}
      isDismissable={false}
      isKeyboardDismissDisabled={!dismissable}
    >
      <Modal className={`dialog dialog--${width}`}>
        <AriaDialog className="dialog__body" role={role}>
          <header className="dialog__head">
            <Heading slot="title" level={2}>
              {title}
            </Heading>
            {dismissable && <IconButton icon="close" label="閉じる" onClick={onClose} />}
          </header>
          <div className="dialog__content">{children}</div>
          {footer && <footer className="dialog__foot">{footer}</footer>}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}

/** A question with two answers. The first focus is on やめる, and Esc means やめる. */
export function ConfirmDialog({
  title,
  isOpen,
  onCancel,
  onConfirm,
  confirmLabel,
  danger = false,
  busy = false,
  children,
}: {
  title: ReactNode;
  isOpen: boolean;
  onCancel: () => void;
  onConfirm: () => void;
  confirmLabel: string;
  danger?: boolean;
  busy?: boolean;
  children: ReactNode;
}) {
  const id = useId();
  return (
    <Dialog
      title={title}
      isOpen={isOpen}
      onClose={onCancel}
      role="alertdialog"
      width="s"
      footer={
        <>
          <Button autoFocus variant="quiet" onClick={onCancel} aria-describedby={id}>
            やめる
          </Button>
          <Button variant={danger ? 'danger' : 'primary'} busy={busy} onClick={onConfirm}>
            {confirmLabel}
          </Button>
        </>
      }
    >
      <div id={id}>{children}</div>
    </Dialog>
  );
}
