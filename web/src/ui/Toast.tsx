import {
  createContext,
  useCallback,
  useContext,
  useMemo,
  useRef,
  useState,
  type ReactNode,
} from 'react';
import { IconButton } from './Button';
import { Icon } from './Icon';
import './toast.css';

interface Message {
  id: number;
  text: string;
  tone: 'done' | 'error' | 'info';
  action?: { label: string; onPress: () => void };
}

/** Shows a short message; `action` offers e.g. 元に戻す. */
export type ShowToast = (
  text: string,
  options?: { tone?: Message['tone']; action?: Message['action'] },
) => void;

const ToastContext = createContext<ShowToast>(() => undefined);

/** How long a message without an action stays, in ms. Errors stay until they are closed. */
const SHOWN_FOR = 6000;

/** Holds the messages at the bottom of the screen; one role=status region, always present. */
export function ToastProvider({ children }: { children: ReactNode }) {
  const [messages, setMessages] = useState<Message[]>([]);
  const next = useRef(0);
  const close = useCallback((id: number) => {
    setMessages((all) => all.filter((message) => message.id !== id));
  }, []);
  const show = useCallback<ShowToast>(
    (text, options = {}) => {
      const id = next.current++;
      const tone = options.tone ?? 'done';
      setMessages((all) => [
        ...all.slice(-2),
        { id, text, tone, ...(options.action ? { action: options.action } : {}) },
      ]);
      if (tone !== 'error') setTimeout(() => close(id), options.action ? SHOWN_FOR * 2 : SHOWN_FOR);
    },
    [close],
  );
  const value = useMemo(() => show, [show]);
  return (
    <ToastContext value={value}>
      {children}
      <div className="toasts" role="status" aria-live="polite">
        {messages.map((message) => (
          <div key={message.id} className={`toast toast--${message.tone}`}>
            <Icon name={message.tone === 'error' ? 'warning' : 'check'} />
            <span className="toast__text">{message.text}</span>
            {message.action && (
              <button
                type="button"
                className="toast__action"
                onClick={() => {
                  message.action?.onPress();
                  close(message.id);
                }}
              >
                {message.action.label}
              </button>
            )}
            <IconButton icon="close" label="通知を閉じる" onClick={() => close(message.id)} />
          </div>
        ))}
      </div>
    </ToastContext>
  );
}

/** Shows short messages. */
export function useToast(): ShowToast {
  return useContext(ToastContext);
}
