import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { Link } from 'wouter';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { useSession } from '../../app/session';
import { problemText } from '../../i18n/problems';
import {
  Button,
  Card,
  DateInput,
  Dialog,
  Empty,
  ErrorSummary,
  Icon,
  LinkButton,
  Notice,
  Select,
  Tag,
  TextArea,
  TextInput,
  UnreadContext,
  submitOnCtrlEnter,
  useToast,
  useUnread,
  type SummaryItem,
} from '../../ui';
import { MaskedText, Withheld } from '../sheet';
import {
  caseKeys,
  personName,
  type CaseDetail,
  type ProgressRecord,
  type SectionInfo,
} from './api';
import { dateTime, localDate, monthDay } from './dates';
import { useKept } from './kept';
import { QueryState } from './parts';
import { levelOf, METHODS, METHODS_FIRST, METHODS_SHORT, VISIBILITIES } from './vocabulary';

/** 「支援経過」: the fast entry first, then the entries, newest first. */
export function ProgressTab({
  detail,
  section,
  item,
}: {
  detail: CaseDetail;
  section: SectionInfo | undefined;
  item: string | undefined;
}) {
  const writable = detail.permissions.includes('write_progress');
  return (
    <>
      {writable && <ProgressEntry detail={detail} />}
      <ProgressList detail={detail} section={section} item={item} />
    </>
  );
}

/** Entries of a case; `item` is pointed out (a deep link to one record). */
export function ProgressList({
  detail,
  section,
  item,
  limit,
}: {
  detail: CaseDetail;
  section: SectionInfo | undefined;
  item?: string | undefined;
  limit?: number;
}) {
  const { session } = useSession();
  const query = useQuery({
    queryKey: caseKeys.part(detail.id, 'progress'),
    queryFn: ({ signal }) =>
      api.get<Schema<'ProgressList'>>(`cases/${detail.id}/progress-records`, undefined, signal),
    refetchInterval: 20_000,
  });
  const [amending, setAmending] = useState<ProgressRecord | null>(null);
  const all = query.data?.items ?? [];
  const records = limit ? all.slice(0, limit) : all;
  const today = localDate(new Date(), session.municipality.zone);
  const found = useRef(false);
  useEffect(() => {
    if (!item || found.current || !query.data) return;
    const element = document.getElementById(`record-${item}`);
    if (!element) return;
    found.current = true;
    element.scrollIntoView({ block: 'center' });
    element.focus({ preventScroll: true });
  }, [item, query.data]);
  const masked = levelOf(section?.level) === 'masked';
  return (
    <Card
      flush
      icon="list"
      title="支援経過"
      {...(masked ? { tone: 'purple' as const } : {})}
      aside={
        limit && all.length > limit ? (
          <Link href={`/cases/${detail.id}/progress`}>すべて（{all.length}）</Link>
        ) : (
          query.data && (
            <span className="row">
              <span className="soft">{all.length}件　新しい順</span>
              {!limit && all.length > 0 && (
                <LinkButton href={`/print/cases/${detail.id}/progress`} size="s" icon="print">
                  一覧を印刷
                </LinkButton>
              )}
            </span>
          )
        )
      }
    >
      {!query.data && (
        <div className="card__body">
          <QueryState query={query} what="支援経過" />
        </div>
      )}
      {query.data && records.length === 0 && (
        <Empty icon="list" title="支援経過はまだありません">
          電話や訪問のたびに、短くてもかまわないので記録を残してください。
        </Empty>
      )}
      {records.map((record) => {
        const level = levelOf(record.level ?? section?.level);
        const own = record.agency?.id === session.membership.agency.id;
        return (
          <article
            key={record.id}
            id={`record-${record.id}`}
            tabIndex={-1}
            className={record.id === item ? 'record record--target' : 'record'}
            aria-labelledby={`record-${record.id}-title`}
          >
            <div className="record__head">
              <h3 id={`record-${record.id}-title`}>
                <Link href={`/cases/${detail.id}/progress/${record.id}`}>
                  {monthDay(
                    record.performed_on ??
                      localDate(new Date(record.performed_at ?? ''), session.municipality.zone),
                    today,
                  )}{' '}
                  {METHODS[record.method] ?? record.method}
                </Link>
              </h3>
              <span className="soft">
                {[record.agency.name, record.staff.name].filter(Boolean).join('・')}
                {record.persons &&
                  record.persons.length > 0 &&
                  `　対象 ${record.persons.map(personName).join('、')}`}
              </span>
              {level === 'masked' && (
                <Tag tone="purple" icon="mask" small>
                  マスク済み
                </Tag>
              )}
              {own && <Tag small>自機関の記録</Tag>}
              {typeof record.visibility === 'string' && record.visibility !== 'case_members' && (
                <Tag icon="lock" small>
                  {VISIBILITIES[record.visibility]?.label ?? record.visibility}
                </Tag>
              )}
              {(record.amendments?.length ?? 0) > 0 && (
                <Tag tone="yellow" small>
                  訂正あり
                </Tag>
              )}
            </div>
            {record.title && <p className="record__text">{record.title}</p>}
            {record.content && (
              <p className="record__text">
                <MaskedText text={record.content} />
              </p>
            )}
            {record.withheld && <Withheld />}
            {record.amendments?.map((amendment, index) => (
              <details key={index} className="record__old">
                <summary>
                  {dateTime(amendment.at, session.municipality.zone)} {amendment.by.name}が訂正
                  {amendment.reason && `（理由：${amendment.reason}）`}
                </summary>
                {amendment.content && <p>{amendment.content}</p>}
              </details>
            ))}
            {record.may_amend && !limit && (
              <Button size="xs" variant="text" icon="pencil" onClick={() => setAmending(record)}>
                訂正する
              </Button>
            )}
          </article>
        );
      })}
      {amending && (
        <AmendDialog detail={detail} record={amending} onClose={() => setAmending(null)} />
      )}
    </Card>
  );
}

interface EntryDraft {
  day: string;
  person: string;
  method: string;
  content: string;
  title: string;
  visibility: string;
}

function isWritten(form: EntryDraft): boolean {
  return form.content.trim() !== '' || form.title.trim() !== '';
}

/** One minute from here to a saved record: day, person and visibility are filled in. */
export function ProgressEntry({ detail, short = false }: { detail: CaseDetail; short?: boolean }) {
  const { session } = useSession();
  const client = useQueryClient();
  const toast = useToast();
  const today = localDate(new Date(), session.municipality.zone);
  const first = detail.clients[0]?.person_id ?? '';
  const blank = (): EntryDraft => ({
    day: today,
    person: first,
    method: '',
    content: '',
    title: '',
    visibility: 'case_members',
  });
  const [form, setForm] = useKept(`${session.account.id}/${detail.id}/progress`, blank, isWritten);
  const unread = useUnread();
  const [errors, setErrors] = useState<SummaryItem[]>([]);
  const [attempt, setAttempt] = useState(0);
  const set = (name: keyof EntryDraft) => (value: string) =>
    setForm((old) => ({ ...old, [name]: value }));
  const errorAt = (target: string): string | undefined =>
    errors.find((entry) => entry.target === target)?.message;
  const save = useMutation({
    mutationFn: () =>
      api.post<ProgressRecord>(`cases/${detail.id}/progress-records`, {
        performed_on: form.day,
        method: form.method,
        content: form.content.trim(),
        ...(form.title.trim() ? { title: form.title.trim() } : {}),
        persons: form.person === '' ? [] : [form.person],
        visibility: form.visibility,
      }),
    onSuccess: () => {
      setForm((old) => ({ ...blank(), person: old.person }));
      setErrors([]);
      toast('記録を確定しました。');
      void client.invalidateQueries({ queryKey: ['case', detail.id] });
    },
  });
  const submit = (): void => {
    const found: SummaryItem[] = [];
    if (form.day === '')
      found.push({ target: 'progress-day', message: '支援実施日を入力してください。' });
    else if (form.day > today)
      found.push({ target: 'progress-day', message: '支援実施日が先の日付です。' });
    if (form.method === '')
      found.push({ target: 'progress-method', message: '方法を選んでください。' });
    if (form.content.trim() === '')
      found.push({ target: 'progress-content', message: '記録内容を入力してください。' });
    setErrors(found);
    setAttempt((count) => count + 1);
    if (found.length === 0 && unread.problems().length === 0 && !save.isPending) save.mutate();
  };
  const more = Object.entries(METHODS).filter(
    ([code]) => !(METHODS_FIRST as readonly string[]).includes(code),
  );
  const other = form.method !== '' && !(METHODS_FIRST as readonly string[]).includes(form.method);
  return (
    <Card title="支援経過を書く" icon="pencil" tone="blue">
      <form
        noValidate
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
        onKeyDown={submitOnCtrlEnter}
      >
        <UnreadContext value={unread}>
          <ErrorSummary items={errors} attempt={attempt} />
          {save.isError && (
            <Notice tone="error" live title="記録を確定できませんでした">
              {problemText(save.error)}書いた内容は残っています。
            </Notice>
          )}
          <div className="two">
            <DateInput
              id="progress-day"
              label="支援実施日"
              required
              value={form.day}
              onChange={set('day')}
              error={errorAt('progress-day')}
              limits={{ notAfter: today }}
              yearless={{ today }}
            />
            <Select
              label="支援対象者"
              value={form.person}
              empty={detail.clients.length > 1 ? '世帯全体' : null}
              options={detail.clients.map((client) => ({
                code: client.person_id,
                label: client.display,
              }))}
              onChange={set('person')}
            />
          </div>
          <fieldset
            id="progress-method"
            className={errorAt('progress-method') ? 'field field--error' : 'field'}
          >
            <legend className="field__legend">
              方法 <span className="field__required">※必須</span>
            </legend>
            <div className="pills">
              {METHODS_FIRST.map((code) => (
                <label key={code} className="pill">
                  <input
                    type="radio"
                    name="progress-method"
                    checked={form.method === code}
                    onChange={() => set('method')(code)}
                  />
                  <span>{METHODS_SHORT[code]}</span>
                </label>
              ))}
              <span className="select">
                <select
                  className="input input--select"
                  aria-label="ほかの方法"
                  value={other ? form.method : ''}
                  onChange={(event) => set('method')(event.target.value)}
                >
                  <option value="">ほかの方法</option>
                  {more.map(([code, label]) => (
                    <option key={code} value={code}>
                      {label}
                    </option>
                  ))}
                </select>
                <Icon name="down" size="s" />
              </span>
            </div>
            {errorAt('progress-method') && (
              <p className="field__error">{errorAt('progress-method')}</p>
            )}
          </fieldset>
          {!short && (
            <TextInput
              label="件名・要旨"
              value={form.title}
              onChange={set('title')}
              maxLength={100}
            />
          )}
          <TextArea
            id="progress-content"
            label="記録内容"
            required
            rows={short ? 6 : 4}
            value={form.content}
            onChange={set('content')}
            error={errorAt('progress-content')}
          />
          <Select
            label="見られる機関"
            value={form.visibility}
            empty={null}
            support={VISIBILITIES[form.visibility]?.note}
            options={Object.entries(VISIBILITIES).map(([code, entry]) => ({
              code,
              label: entry.label,
            }))}
            onChange={set('visibility')}
          />
          <div className="row row--between">
            <span className="soft">Ctrl+Enter でも確定できます。確定後は訂正として残ります。</span>
            <Button type="submit" variant="primary" busy={save.isPending}>
              記録を確定する
            </Button>
          </div>
        </UnreadContext>
      </form>
    </Card>
  );
}

function AmendDialog({
  detail,
  record,
  onClose,
}: {
  detail: CaseDetail;
  record: ProgressRecord;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const toast = useToast();
  const [content, setContent] = useState(record.content ?? '');
  const [reason, setReason] = useState('');
  const [errors, setErrors] = useState<SummaryItem[]>([]);
  const [attempt, setAttempt] = useState(0);
  const save = useMutation({
    mutationFn: () =>
      api.post(`cases/${detail.id}/progress-records/${record.id}/amendments`, {
        content: content.trim(),
        reason: reason.trim(),
      }),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ['case', detail.id] });
      toast('訂正しました。前の内容も残っています。');
      onClose();
    },
  });
  const submit = (): void => {
    const found: SummaryItem[] = [];
    if (content.trim() === '')
      found.push({ target: 'amend-content', message: '訂正後の内容を入力してください。' });
    else if (content.trim() === (record.content ?? '').trim())
      found.push({ target: 'amend-content', message: '内容が変わっていません。' });
    if (reason.trim() === '')
      found.push({ target: 'amend-reason', message: '訂正の理由を入力してください。' });
    setErrors(found);
    setAttempt((count) => count + 1);
    if (found.length === 0) save.mutate();
  };
  const errorAt = (target: string): string | undefined =>
    errors.find((entry) => entry.target === target)?.message;
  return (
    <Dialog
      title="記録を訂正する"
      isOpen
      onClose={onClose}
      footer={
        <>
          <Button variant="quiet" onClick={onClose}>
            やめる
          </Button>
          <Button variant="primary" busy={save.isPending} onClick={submit}>
            訂正を確定する
          </Button>
        </>
      }
    >
      <div className="stack">
        <ErrorSummary items={errors} attempt={attempt} />
        {save.isError && (
          <Notice tone="error" live title="訂正できませんでした">
            {problemText(save.error)}
          </Notice>
        )}
        <TextArea
          id="amend-content"
          label="訂正後の内容"
          required
          rows={6}
          value={content}
          onChange={setContent}
          error={errorAt('amend-content')}
        />
        <TextInput
          id="amend-reason"
          label="訂正の理由"
          required
          value={reason}
          onChange={setReason}
          error={errorAt('amend-reason')}
        />
      </div>
    </Dialog>
  );
}
