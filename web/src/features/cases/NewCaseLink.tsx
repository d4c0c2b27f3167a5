import { useEffect } from 'react';
import { useLocation } from 'wouter';
import { isTyping, useSingleKeys } from '../../app/keys';
import { LinkButton } from '../../ui';

/** 「新しい相談を受け付ける」, also by the key n. */
export function NewCaseLink() {
  const [keys] = useSingleKeys();
  const [, navigate] = useLocation();
  useEffect(() => {
    if (!keys) return;
    const open = (event: KeyboardEvent): void => {
      if (event.key !== 'n' || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.isComposing || isTyping(event.target)) return;
      event.preventDefault();
      navigate('/cases/new');
    };
    document.addEventListener('keydown', open);
    return () => document.removeEventListener('keydown', open);
  }, [keys, navigate]);
  return (
    <LinkButton href="/cases/new" variant="primary" icon="plus">
      新しい相談を受け付ける
      {keys && (
        <kbd className="key" aria-hidden="true" title="「n」キーでも始められます">
          n
        </kbd>
      )}
    </LinkButton>
  );
}
