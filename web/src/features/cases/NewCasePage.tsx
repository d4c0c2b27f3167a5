import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState, type ComponentProps } from 'react';
import { useLocation } from 'wouter';
import { ApiError, api } from '../../api/client';
import { useSession } from '../../app/session';
import { problemText } from '../../i18n/problems';
import {
  Button,
  Card,
  DateInput,
  ErrorSummary,
  IconButton,
  LinkButton,
  Notice,
  PageHead,
  RadioGroup,
  Select,
  TextInput,
  UnreadContext,
  submitOnCtrlEnter,
  useToast,
  useUnread,
} from '../../ui';
import type { CaseDetail } from './api';
import { localDate } from './dates';
import { PersonFields } from './PersonFields';
import {
  emptyPerson,
  receptionBody,
  receptionProblems,
  type PersonDraft,
  type ReceptionDraft,
} from './reception';
import { ROUTES, URGENCY_CODES, urgencyLong } from './vocabulary';
import './cases.css';

/** 「新しい相談を受け付ける」: one page; the sheet itself opens right after. */
export default function NewCasePage() {
  const { session } = useSession();
  const [, navigate] = useLocation();
  const client = useQueryClient();
  const toast = useToast();
  const today = localDate(new Date(), session.municipality.zone);
  const nextKey = useRef(1);
  const [draft, setDraft] = useState<ReceptionDraft>(() => ({
    receivedOn: today,
    urgency: '',
    route: '',
    title: '',
    clients: [emptyPerson('0')],
  }));
  const [attempt, setAttempt] = useState(0);
  const [refused, setRefused] = useState<string | null>(null);
  const unread = useUnread();
  const problems = attempt > 0 ? receptionProblems(draft, today) : [];
  const errorAt = (target: string): string | undefined =>
    problems.find((problem) => problem.target === target)?.message;

  const dirty =
    draft.clients.some((person) => person.name || person.kana || person.known) ||
    draft.title !== '';
  const saved = useRef(false);
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent): void => {
      if (dirty && !saved.current) event.preventDefault();
    };
    window.addEventListener('beforeunload', warn);
    return () => window.removeEventListener('beforeunload', warn);
  }, [dirty]);

  const create = useMutation({
    mutationFn: () => api.post<CaseDetail>('cases', receptionBody(draft)),
    onSuccess: (created) => {
      saved.current = true;
      void client.invalidateQueries({ queryKey: ['cases'] });
      toast(`事案 ${created.case_no} を受け付けました。続けて相談内容を書けます。`);
      // Straight into the sheet: how the call came in is its first box that is still empty.
      navigate(`/cases/${created.id}/intake#contact_method`);
    },
    onError: (error) => {
      setRefused(
        error instanceof ApiError && error.code === 'personal_number'
          ? '12桁の個人番号（マイナンバー）らしい数字が入っています。このシステムでは扱わないため、消してから受け付けてください。'
          : problemText(error),
      );
    },
  });

  const submit = (): void => {
    setAttempt((count) => count + 1);
    setRefused(null);
    const found = [...receptionProblems(draft, today), ...unread.problems()];
    if (found.length === 0 && !create.isPending) create.mutate();
  };
  const change = (part: Partial<ReceptionDraft>): void => setDraft((old) => ({ ...old, ...part }));
  const changePerson = (key: string, part: Partial<PersonDraft>): void =>
    setDraft((old) => ({
      ...old,
      clients: old.clients.map((person) => (person.key === key ? { ...person, ...part } : person)),
    }));

  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
      onKeyDown={submitOnCtrlEnter}
    >
      <PageHead
        title="新しい相談を受け付ける"
        lead="分かるところだけで受け付けられます。くわしい内容は、受け付けたあと受付票に書きます。"
      />
      <UnreadContext value={unread}>
        <div className="case-main">
          <ErrorSummary items={problems} attempt={attempt} />
          {refused && (
            <Notice tone="error" live title="受け付けられませんでした">
              {refused}入力した内容は残っています。
            </Notice>
          )}
          <Card
            title="対象者"
            icon="person"
            aside={
              <Button
                size="s"
                icon="plus"
                onClick={() => {
                  change({ clients: [...draft.clients, emptyPerson(String(nextKey.current++))] });
                }}
              >
                対象者を増やす
              </Button>
            }
          >
            {draft.clients.map((person, index) => (
              <PersonBlock
                key={person.key}
                person={person}
                index={index}
                count={draft.clients.length}
                today={today}
                chosen={draft.clients.flatMap((other) => (other.known ? [other.known.id] : []))}
                onChange={(part) => changePerson(person.key, part)}
                onRemove={() =>
                  change({ clients: draft.clients.filter((other) => other.key !== person.key) })
                }
                errorAt={errorAt}
              />
            ))}
          </Card>
          <Card title="受付と緊急性" icon="clock">
            <div className="stack--wide">
              <div className="two">
                <DateInput
                  id="received-on"
                  label="受付日"
                  required
                  value={draft.receivedOn}
                  onChange={(receivedOn) => change({ receivedOn })}
                  limits={{ notAfter: today }}
                  yearless={{ today }}
                  error={errorAt('received-on')}
                />
                <Select
                  label="相談の経路"
                  value={draft.route}
                  options={ROUTES}
                  empty="あとで選ぶ"
                  onChange={(route) => change({ route })}
                />
              </div>
              <RadioGroup
                id="urgency"
                label="緊急性"
                required
                options={URGENCY_CODES.map((code) => ({ code, label: urgencyLong(code) }))}
                value={draft.urgency}
                onChange={(urgency) => change({ urgency })}
                error={errorAt('urgency')}
              />
              {draft.urgency === 's' && (
                <Notice
                  tone="warning"
                  live
                  title="生命・身体の危険があるときは、先に通報・救急・虐待対応部署へ連絡してください"
                >
                  受付はあとからでも続けられます。
                </Notice>
              )}
              <TextInput
                label="事案名"
                support="一覧で見分けるための短いことば。氏名は書かないでください（例：8050・母入院中）。"
                value={draft.title}
                maxLength={60}
                onChange={(title) => change({ title })}
              />
            </div>
          </Card>
          <div className="row">
            <Button type="submit" variant="primary" size="l" icon="check" busy={create.isPending}>
              受け付けて、受付票を開く
            </Button>
            <LinkButton href="/cases" variant="quiet" size="l">
              やめる
            </LinkButton>
            <span className="soft">Ctrl+Enter でも受け付けられます</span>
          </div>
        </div>
      </UnreadContext>
    </form>
  );
}

function PersonBlock({
  index,
  count,
  onRemove,
  ...fields
}: ComponentProps<typeof PersonFields> & {
  index: number;
  count: number;
  onRemove: () => void;
}) {
  return (
    <fieldset className="person-block stack">
      <legend className="visually-hidden">
        {count > 1 ? `${index + 1}人目の対象者` : '対象者'}
      </legend>
      {count > 1 && (
        <div className="row row--between">
          <strong>{index + 1}人目</strong>
          <IconButton icon="trash" label={`${index + 1}人目を除く`} onClick={onRemove} />
        </div>
      )}
      <PersonFields {...fields} autoFocus={index === 0} />
    </fieldset>
  );
}
