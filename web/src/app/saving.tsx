import { useCallback } from 'react';
import { saveFile } from '../api/download';
import { problemText } from '../i18n/problems';
import { LinkButton, useToast } from '../ui';

/** Saves a file of the server; says in words why not when it is refused. */
export function useSave(): (href: string, name: string) => void {
  const toast = useToast();
  return useCallback(
    (href, name) => {
      saveFile(href, name).catch((error: unknown) => toast(problemText(error), { tone: 'error' }));
    },
    [toast],
  );
}

/** A link to a file that the server makes; an ordinary link, should the script fail. */
export function SaveLink({
  href,
  name,
  ...look
}: Pick<Parameters<typeof LinkButton>[0], 'variant' | 'size' | 'icon' | 'children'> & {
  href: string;
  name: string;
}) {
  const save = useSave();
  return (
    <LinkButton
      {...look}
      href={href}
      download={name}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        save(href, name);
      }}
    />
  );
}
