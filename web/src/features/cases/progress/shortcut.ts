import { useEffect } from 'react';

let wanted: string | null = null;
const listeners = new Set<() => void>();

/** Asks the form for a new entry of this case to take the focus, as soon as it is there. */
export function askToWrite(caseId: string): void {
  wanted = caseId;
  for (const listener of listeners) listener();
}

/** Calls back when somebody wants to write an entry of this case. */
export function useAskedToWrite(caseId: string, focus: () => void): void {
  useEffect(() => {
    const look = (): void => {
      if (wanted !== caseId) return;
      wanted = null;
      focus();
    };
    look();
    listeners.add(look);
    return () => {
      listeners.delete(look);
    };
  }, [caseId, focus]);
}
