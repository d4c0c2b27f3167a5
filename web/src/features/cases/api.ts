/** Shapes of the case answers, and the hooks that read and change them. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef } from 'react';
import { api, apiUrl } from '../../api/client';
import type { Level, Projection, SeenBy } from '../../api/types';

export interface Named {
  id?: string;
  name: string;
}

export interface ClientSummary {
  person_id: string;
  /** Name, or ［氏名1］ for a masked reader. */
  display: string;
  age: number | null;
  age_band?: string | null;
  gender: string | null;
  /** With it `age` is the age at death, where the day of death is known. */
  deceased?: boolean | null;
}

export interface ConsentState {
  person_id: string;
  status: string;
}

export interface CaseSummary {
  id: string;
  case_no: string;
  title: string;
  clients: ClientSummary[];
  stage: string;
  urgency: string | null;
  received_on: string;
  owner: Named | null;
  lead_agency: Named | null;
  level: Level;
  consent: ConsentState[];
  flags: string[];
  last_progress_on: string | null;
  updated_at: string;
}

export interface CasePerson extends ClientSummary {
  name?: string;
  kana?: string | null;
  role: string;
  kinship?: string | null;
  birth_date?: string | null;
  risk_flags?: string[];
  address_confidential?: boolean;
  consent?: string | null;
}

export interface Member {
  agency: Named & { id: string };
  role: string;
  from: string;
  to: string | null;
  /** Today lies within the period. */
  active?: boolean;
}

export interface SectionInfo {
  section: string;
  document_id?: string | null;
  level: string;
  comment?: boolean;
  seen_by: SeenBy[];
}

export interface Consent {
  id: string;
  person_id: string;
  display?: string | null;
  status: string;
  obtained_on?: string | null;
  method?: string | null;
  obtained_by?: string | Named | null;
  expires_on?: string | null;
  withdrawn_on?: string | null;
  allowed_agencies?: string[] | null;
  allowed_sections?: string[] | null;
  purpose?: string | null;
}

export interface CaseDetail extends CaseSummary {
  persons: CasePerson[];
  members: Member[];
  sections: SectionInfo[];
  consents: Consent[];
  permissions: string[];
  /** Stages the case may go to from here; absent when the server leaves it to its own check. */
  next_stages?: string[];
  outcome?: string | null;
  version?: number;
}

export interface CasePage {
  items: CaseSummary[];
  next_cursor: string | null;
  total: number;
}

export interface ProgressRecord {
  id: string;
  performed_at?: string | null;
  performed_on?: string | null;
  method: string;
  title?: string | null;
  content: string | null;
  withheld?: boolean;
  may_amend?: boolean;
  persons?: { person_id: string; display: string }[];
  staff?: Named | null;
  agency?: Named | null;
  visibility?: unknown;
  level?: string;
  version?: number;
  amendments?: {
    at?: string;
    by?: Named | null;
    reason?: string | null;
    content?: string | null;
  }[];
}

export interface Person {
  id: string;
  name: string;
  kana?: string | null;
  display?: string | null;
  birth_date?: string | null;
  gender?: string | null;
  age?: number | null;
  address?: string | null;
  cases?: { id: string; case_no: string }[];
}

/** Lists come bare or as a page; both read the same here. */
export type Many<T> = readonly T[] | { items: readonly T[]; next_cursor?: string | null };

export function itemsOf<T>(answer: Many<T> | undefined): readonly T[] {
  if (!answer) return [];
  return 'items' in answer ? answer.items : answer;
}

export function nextOf<T>(answer: Many<T> | undefined): string | null {
  return answer && 'items' in answer ? (answer.next_cursor ?? null) : null;
}

export const caseKeys = {
  list: ['cases'] as const,
  detail: (id: string) => ['case', id] as const,
  part: (id: string, part: string) => ['case', id, part] as const,
  projection: (document: string) => ['documents', document, 'projection'] as const,
};

export function useCase(id: string) {
  return useQuery({
    queryKey: caseKeys.detail(id),
    queryFn: ({ signal }) => api.get<CaseDetail>(`cases/${id}`, undefined, signal),
    enabled: id !== '',
  });
}

export function useProjection(document: string | null | undefined) {
  return useQuery({
    queryKey: caseKeys.projection(document ?? ''),
    queryFn: ({ signal }) =>
      api.get<Projection>(`documents/${document}/projection`, undefined, signal),
    enabled: Boolean(document),
    refetchInterval: 20_000,
  });
}

/** Names a person by what the reader may see. */
export function personName(person: { display?: string | null; name?: string | null }): string {
  return person.display ?? person.name ?? '（氏名なし）';
}

export function nameOf(value: string | Named | null | undefined): string {
  if (!value) return '';
  return typeof value === 'string' ? value : value.name;
}

/** How long a burst of events is collected before asking again, in ms. */
const COLLECT = 300;
/** How long to wait before a stream that the server ended is opened again, in ms. */
const REOPEN = 15_000;

/**
 * Keeps a case fresh: the server's events carry ids only, so each one makes us ask again for what
 * we may see. When the stream cannot be opened (a gateway cuts it), the screens' own slow polling
 * remains. EventSource reconnects by itself after a cut line, and never after a refusal (right taken
 * away, session over, too many): then we ask at once what may still be seen, and knock again later.
 */
export function useCaseEvents(id: string): void {
  const client = useQueryClient();
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const refresh = useCallback(() => {
    timer.current ??= setTimeout(() => {
      timer.current = null;
      void client.invalidateQueries({ queryKey: ['case', id] });
      void client.invalidateQueries({ queryKey: ['documents'] });
    }, COLLECT);
  }, [client, id]);
  useEffect(() => {
    if (typeof EventSource === 'undefined') return;
    let source: EventSource;
    let again: ReturnType<typeof setTimeout> | undefined;
    const names = [
      'message',
      'projection',
      'masks',
      'case',
      'progress',
      'transcripts',
      'refetch',
      'lagged',
    ];
    const open = () => {
      source = new EventSource(apiUrl(`cases/${id}/events`));
      for (const name of names) source.addEventListener(name, refresh);
      source.addEventListener('error', () => {
        if (source.readyState !== EventSource.CLOSED) return;
        refresh();
        again = setTimeout(open, REOPEN);
      });
    };
    open();
    return () => {
      source.close();
      clearTimeout(again);
      if (timer.current) clearTimeout(timer.current);
      timer.current = null;
    };
  }, [id, refresh]);
}
