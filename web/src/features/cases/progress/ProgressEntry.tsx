import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useId, useMemo, useRef, useState, type ReactNode } from 'react';
import { ApiError, api } from '../../../api/client';
import { useSession } from '../../../app/session';
import { problemText } from '../../../i18n/problems';
import {
  Button,
  Card,
  CheckboxGroup,
  DateInput,
  ErrorSummary,
  Icon,
  LevelTag,
  Notice,
  Select,
  TextArea,
  TextInput,
  UnreadContext,
  submitOnCtrlEnter,
  useToast,
  useUnread,
  type SummaryItem,
} from '../../../ui';
import { caseKeys, type CaseDetail, type ProgressRecord } from '../api';
import { dateTime, localDate } from '../dates';
import { useKept } from '../kept';
import {
  levelOf,
  LOG_KINDS,
  LOG_TARGETS,
  METHODS,
  METHODS_FIRST,
  METHODS_SHORT,
  VISIBILITIES,
} from '../vocabulary';
import { AttachmentField } from './Attachments';
import { useServerDraft, type DraftState } from './draft';
import {
  blankForm,
  fromDraft,
  isWritten,
  toRequest,
  withLast,
  withTemplate,
  type Desk,
  type EntryForm,
} from './entry';
import { useAskedToWrite } from './shortcut';
import { SaveTemplateDialog, TemplatePicker } from './templates';

const choices = (labels: Readonly<Record<string, string>>) =>
  Object.entries(labels).map(([code, label]) => ({ code, label }));

const toggled = (list: readonly string[], code: string, on: boolean): string[] =>
  on ? [...list.filter((one) => one !== code), code] : list.filter((one) => one !== code);

/** A new entry: day, person and visibility are there, method and text are written. */
export function ProgressEntry({ detail, short = false }: { detail: CaseDetail; short?: boolean }) {
  const { session } = useSession();
  const client = useQueryClient();
  const toast = useToast();
  const today = localDate(new Date(), session.municipality.zone);
  // Of whoever is masked no entry can be about: the server knows them by the register's id alone.
  const clients = detail.clients.filter((client) =>
    detail.persons.some((one) => one.person_id === client.person_id && one.level !== 'masked'),
  );
  const first = clients[0]?.person_id;
  const blank = useCallback((): EntryForm => blankForm(today, first), [today, first]);
  const key = `${session.account.id}/${detail.id}/progress`;
  const [form, setForm] = useKept(key, blank, isWritten);
  const draft = useServerDraft(key, detail.id, form);
  const desk = useQuery({
    queryKey: ['progress-entry', detail.id],
    queryFn: ({ signal }) => api.get<Desk>(`cases/${detail.id}/progress-entry`, undefined, signal),
    staleTime: Infinity,
    refetchOnMount: 'always',
  });
  const methods = useRef<HTMLFieldSetElement>(null);
  const unread = useUnread();
  const [errors, setErrors] = useState<SummaryItem[]>([]);
  const [attempt, setAttempt] = useState(0);
  const [sending, setSending] = useState(0);
  const [naming, setNaming] = useState(false);
  const ids = useId();
  const put = (part: Partial<EntryForm>): void => setForm((old) => ({ ...old, ...part }));
  const errorAt = (target: string): string | undefined =>
    errors.find((entry) => entry.target === target)?.message;

  const mine = desk.data?.drafts.find((one) => one.mine);
  const opened = useRef<string | null>(null);
  // The own draft is opened where nothing else was written: after a reload, on another computer.
  if (mine && opened.current !== mine.id && !isWritten(form) && draft.version() === 0) {
    opened.current = mine.id;
    const kept = fromDraft(mine.content, blank());
    queueMicrotask(() => {
      setForm(() => kept);
      draft.adopt(mine, kept);
    });
  }

  useAskedToWrite(
    detail.id,
    useCallback(() => {
      const inputs = methods.current?.querySelectorAll<HTMLInputElement>('input[type="radio"]');
      const target = [...(inputs ?? [])].find((input) => input.checked) ?? inputs?.[0];
      target?.focus();
      methods.current?.scrollIntoView({ block: 'center' });
    }, []),
  );

  const clear = (): void => {
    draft.forget();
    setForm((old) => ({ ...blank(), persons: old.persons }));
    setErrors([]);
    client.setQueryData<Desk>(['progress-entry', detail.id], (old) =>
      old ? { ...old, drafts: old.drafts.filter((one) => !one.mine) } : old,
    );
    void client.invalidateQueries({ queryKey: ['progress-entry', detail.id] });
  };
  const save = useMutation({
    mutationFn: async () => {
      const id = await draft.settled();
      return api.post<ProgressRecord>(`cases/${detail.id}/progress-records`, toRequest(form, id));
    },
    onSuccess: () => {
      clear();
      toast('記録を確定しました。');
      void client.invalidateQueries({ queryKey: caseKeys.detail(detail.id) });
    },
    onError: (error) => {
      // What the draft became is seen in the list; the next attempt is a record of its own.
      if (error instanceof ApiError && error.code === 'draft_gone') draft.overwrite(undefined);
    },
  });
  const discard = useMutation({
    mutationFn: async () => {
      const id = await draft.settled();
      if (id) await api.delete(`cases/${detail.id}/progress-drafts/${id}`);
    },
    onSuccess: () => {
      setForm(blank);
      clear();
      toast('下書きを破棄しました。');
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
    if (form.visibility === 'custom' && form.agencies.length === 0)
      found.push({ target: 'progress-agencies', message: '見られる機関を選んでください。' });
    if (!/^\d{0,4}$/.test(form.minutes) || Number(form.minutes) > 1440)
      found.push({
        target: 'progress-minutes',
        message: '所要時間は0から1440までの数字で入力してください。',
      });
    if (sending > 0)
      found.push({
        target: 'progress-files',
        message: '添付の送信が終わってから確定してください。',
      });
    setErrors(found);
    setAttempt((count) => count + 1);
    if (found.length === 0 && unread.problems().length === 0 && !save.isPending) save.mutate();
  };

  const other = form.method !== '' && !(METHODS_FIRST as readonly string[]).includes(form.method);
  const more = Object.entries(METHODS).filter(
    ([code]) => !(METHODS_FIRST as readonly string[]).includes(code),
  );
  const agencies = detail.members
    .filter((member) => member.agency.id !== session.membership.agency.id)
    .map((member) => ({ code: member.agency.id, label: member.agency.name }));
  const last = desk.data?.last;
  const whole = desk.data?.templates.filter((template) => template.whole) ?? [];
  return (
    <Card title="支援経過を書く" icon="pencil" tone="blue">
      <form
        noValidate
        className="stack entry"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
        onKeyDown={submitOnCtrlEnter}
        onCompositionStart={draft.onCompositionStart}
        onCompositionEnd={draft.onCompositionEnd}
      >
        <UnreadContext value={unread}>
          <ErrorSummary items={errors} attempt={attempt} />
          {save.isError && (
            <Notice tone="error" live title="記録を確定できませんでした">
              {problemText(save.error)}書いた内容は残っています。
            </Notice>
          )}
          <Drafts
            detail={detail}
            desk={desk.data}
            state={draft.state}
            onOpen={(found) => {
              const kept = fromDraft(found.content, blank());
              setForm(() => kept);
              draft.adopt(found, kept);
            }}
            onOverwrite={(found) => draft.overwrite(found)}
            refresh={async () => (await desk.refetch()).data}
            written={isWritten(form)}
          />
          {desk.data && (
            <div className="row entry__start">
              {whole.map((template) => (
                <Button
                  key={template.name}
                  size="s"
                  onClick={() => {
                    setForm((old) => withTemplate(old, template));
                    document.getElementById('progress-content')?.focus();
                  }}
                >
                  {template.name}
                </Button>
              ))}
              <TemplatePicker
                desk={desk.data}
                caseId={detail.id}
                onPick={(template) => {
                  setForm((old) => withTemplate(old, template));
                  document.getElementById('progress-content')?.focus();
                }}
                onName={() => setNaming(true)}
                nameable={form.content.trim() !== ''}
              />
              {last && (
                <Button
                  size="s"
                  variant="quiet"
                  icon="copy"
                  onClick={() => setForm((old) => withLast(old, last))}
                >
                  前回と同じ（
                  {[
                    METHODS_SHORT[last.method] ?? METHODS[last.method] ?? last.method,
                    last.minutes == null ? '' : `${last.minutes}分`,
                    ...last.persons.map((person) => person.display),
                    ...last.involved_agencies.map((agency) => agency.name),
                  ]
                    .filter(Boolean)
                    .join('・')}
                  ）
                </Button>
              )}
            </div>
          )}
          <fieldset
            id="progress-method"
            ref={methods}
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
                    name={`${ids}-method`}
                    checked={form.method === code}
                    onChange={() => put({ method: code })}
                  />
                  <span>{METHODS_SHORT[code]}</span>
                </label>
              ))}
              <span className="select">
                <select
                  className="input input--select"
                  aria-label="ほかの方法"
                  value={other ? form.method : ''}
                  onChange={(event) => put({ method: event.target.value })}
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
          <div className="entry__text">
            <TextArea
              id="progress-content"
              label="記録内容"
              required
              rows={short ? 6 : 8}
              value={form.content}
              onChange={(content) => put({ content })}
              error={errorAt('progress-content')}
            />
            <SeenByEntry detail={detail} form={form} />
          </div>
          {!short && (
            <TextInput
              label="件名・要旨"
              value={form.title}
              onChange={(title) => put({ title })}
              maxLength={100}
            />
          )}
          <div className="two">
            <DateInput
              id="progress-day"
              label="支援実施日"
              required
              value={form.day}
              onChange={(day) => put({ day })}
              error={errorAt('progress-day')}
              limits={{ notAfter: today }}
              yearless={{ today }}
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
              onChange={(visibility) => put({ visibility })}
            />
          </div>
          {form.visibility === 'custom' && (
            <CheckboxGroup
              id="progress-agencies"
              label="見られる機関を選ぶ"
              required
              options={agencies}
              values={new Set(form.agencies)}
              onToggle={(code, on) => put({ agencies: toggled(form.agencies, code, on) })}
              error={errorAt('progress-agencies')}
            />
          )}
          {clients.length > 0 && (
            <CheckboxGroup
              label="支援対象者"
              support={
                form.persons.length === 0 ? '選ばないときは世帯全体の記録になります。' : undefined
              }
              options={clients.map((person) => ({
                code: person.person_id,
                label: person.display,
              }))}
              values={new Set(form.persons)}
              onToggle={(code, on) => put({ persons: toggled(form.persons, code, on) })}
            />
          )}
          <AttachmentField
            id="progress-files"
            caseId={detail.id}
            desk={desk.data}
            attachments={form.attachments}
            error={errorAt('progress-files')}
            onAdd={(added) =>
              setForm((old) => ({ ...old, attachments: [...old.attachments, added] }))
            }
            onRemove={(id) =>
              setForm((old) => ({
                ...old,
                attachments: old.attachments.filter((one) => one.id !== id),
              }))
            }
            onBusy={setSending}
          />
          {!short && (
            <More open={hasMore(form)}>
              <div className="two">
                <TextInput
                  label="時刻"
                  type="time"
                  value={form.time}
                  onChange={(time) => put({ time })}
                />
                <TextInput
                  id="progress-minutes"
                  label="所要時間（分）"
                  inputMode="numeric"
                  value={form.minutes}
                  onChange={(minutes) => put({ minutes: minutes.normalize('NFKC').trim() })}
                  error={errorAt('progress-minutes')}
                />
              </div>
              <CheckboxGroup
                label="記録の種別"
                options={choices(LOG_KINDS)}
                values={new Set(form.kinds)}
                onToggle={(code, on) => put({ kinds: toggled(form.kinds, code, on) })}
              />
              <CheckboxGroup
                label="相手方"
                options={choices(LOG_TARGETS)}
                values={new Set(form.targets)}
                onToggle={(code, on) => put({ targets: toggled(form.targets, code, on) })}
              />
              {agencies.length > 0 && (
                <CheckboxGroup
                  label="関与した機関"
                  options={agencies}
                  values={new Set(form.involvedAgencies)}
                  onToggle={(code, on) =>
                    put({ involvedAgencies: toggled(form.involvedAgencies, code, on) })
                  }
                />
              )}
              {desk.data && desk.data.plan_items.length > 0 && (
                <CheckboxGroup
                  label={`関連するプランの項目（第${desk.data.plan_number ?? 1}回のプラン）`}
                  options={desk.data.plan_items.map((item) => ({
                    code: item.row_id,
                    label: item.action ? `${item.words}（${item.action}）` : item.words,
                  }))}
                  values={new Set(form.planItems.map((item) => item.row_id))}
                  onToggle={(code, on) => {
                    const rest = form.planItems.filter((item) => item.row_id !== code);
                    const item = desk.data.plan_items.find((one) => one.row_id === code);
                    put({
                      planItems:
                        on && item
                          ? [...rest, { document_id: item.document_id, row_id: item.row_id }]
                          : rest,
                    });
                  }}
                />
              )}
              <TextArea
                label="機微メモ（自機関限り）"
                support="自機関の職員だけが見られます。"
                rows={2}
                value={form.note}
                onChange={(note) => put({ note })}
              />
            </More>
          )}
          <div className="row row--between">
            <span className="soft">
              <DraftWords state={draft.state} />
              Ctrl+Enter でも確定できます。確定後は訂正として残ります。
            </span>
            <span className="row">
              {isWritten(form) && (
                <Button
                  variant="quiet"
                  icon="trash"
                  busy={discard.isPending}
                  onClick={() => discard.mutate()}
                >
                  下書きを破棄
                </Button>
              )}
              <Button type="submit" variant="primary" busy={save.isPending}>
                記録を確定する
              </Button>
            </span>
          </div>
        </UnreadContext>
      </form>
      {naming && (
        <SaveTemplateDialog form={form} caseId={detail.id} onClose={() => setNaming(false)} />
      )}
    </Card>
  );
}

function hasMore(form: EntryForm): boolean {
  return (
    [form.time, form.minutes, form.note].some((text) => text !== '') ||
    form.involvedAgencies.length + form.planItems.length > 0
  );
}

/** What most entries do not need; open when something stands in it. */
function More({ open, children }: { open: boolean; children: ReactNode }) {
  const [chosen, setChosen] = useState<boolean | null>(null);
  const shown = chosen ?? open;
  const id = useId();
  return (
    <div className="stack">
      <div>
        <Button
          size="s"
          variant="quiet"
          icon={shown ? 'up' : 'down'}
          aria-expanded={shown}
          aria-controls={id}
          onClick={() => setChosen(!shown)}
        >
          時刻・種別・関与した機関・プランの項目・機微メモ
        </Button>
      </div>
      <div id={id} className="stack" hidden={!shown}>
        {children}
      </div>
    </div>
  );
}

function DraftWords({ state }: { state: DraftState }) {
  const words: Readonly<Record<DraftState, string>> = {
    none: '',
    unsaved: '下書き：未保存　',
    saving: '下書き：保存中　',
    saved: '下書き：保存済み　',
    failed: '下書き：保存できません（自動でやり直します）　',
    conflict: '下書き：別の画面と食い違っています　',
    number: '下書き：マイナンバーらしい番号があるため保存していません　',
  };
  return <span role="status">{words[state]}</span>;
}

/** 「この記録を見られる機関」, for what is chosen now. */
function SeenByEntry({ detail, form }: { detail: CaseDetail; form: EntryForm }) {
  const { session } = useSession();
  const own = session.membership.agency;
  const section = detail.sections.find((one) => one.section === 'progress');
  const rows = useMemo(() => {
    const others = (section?.seen_by ?? []).filter((entry) => entry.agency_id !== own.id);
    const shown = others.filter((entry) => {
      if (levelOf(entry.level) === 'none') return false;
      if (form.visibility === 'own_org') return false;
      if (form.visibility === 'kotaki') return entry.agency_id === detail.owner_agency.id;
      if (form.visibility === 'custom') return form.agencies.includes(entry.agency_id);
      return true;
    });
    return shown.map((entry) => ({
      id: entry.agency_id,
      name: entry.name,
      level: levelOf(entry.level),
    }));
  }, [section, own.id, detail.owner_agency?.id, form.visibility, form.agencies]);
  return (
    <aside className="entry__seen" aria-label="この記録を見られる機関">
      <h3>この記録を見られる機関</h3>
      <ul className="seen-by">
        <li>
          <span>
            {own.name}
            <span className="soft">（自機関）</span>
          </span>
        </li>
        {rows.map((row) => (
          <li key={row.id}>
            <span>{row.name}</span>
            <LevelTag level={row.level} />
          </li>
        ))}
      </ul>
      {detail.level === 'masked' && form.visibility !== 'own_org' && (
        <p className="soft">
          ほかの機関にも、上の「見られる機関」と開示の設定に従って見えます。マスク済みの閲覧では、その名前は表示されません。
        </p>
      )}
      {form.visibility === 'shien_members' && (
        <p className="soft">このうち、開かれている支援会議の構成員だけに見えます。</p>
      )}
    </aside>
  );
}

/** The own draft when it differs from what stands here, and drafts of colleagues. */
function Drafts({
  detail,
  desk,
  state,
  written,
  onOpen,
  onOverwrite,
  refresh,
}: {
  detail: CaseDetail;
  desk: Desk | undefined;
  state: DraftState;
  written: boolean;
  onOpen: (draft: Desk['drafts'][number]) => void;
  onOverwrite: (draft: Desk['drafts'][number] | undefined) => void;
  refresh: () => Promise<Desk | undefined>;
}) {
  const { session } = useSession();
  const toast = useToast();
  const take = useMutation({
    mutationFn: (draft: Desk['drafts'][number]) =>
      api.post<Desk['drafts'][number]>(`cases/${detail.id}/progress-drafts/${draft.id}/take`, {
        version: draft.version,
      }),
    onSuccess: async (draft) => {
      onOpen(draft);
      await refresh();
      toast('下書きを引き継ぎました。');
    },
    onError: (error) => {
      toast(problemText(error), { tone: 'error' });
      void refresh();
    },
  });
  const others = desk?.drafts.filter((draft) => !draft.mine) ?? [];
  return (
    <>
      {state === 'conflict' && (
        <Notice tone="warning" live title="下書きが別の画面で書き進められています">
          この画面の文章は残っています。どちらで続けるかを選んでください。
          <span className="row">
            <Button
              size="s"
              onClick={() =>
                void refresh().then((now) => onOverwrite(now?.drafts.find((one) => one.mine)))
              }
            >
              この画面の文章で続ける
            </Button>
            <Button
              size="s"
              variant="quiet"
              onClick={() =>
                void refresh().then((now) => {
                  const mine = now?.drafts.find((one) => one.mine);
                  if (mine) onOpen(mine);
                  else onOverwrite(undefined);
                })
              }
            >
              保存されている下書きを開く
            </Button>
          </span>
        </Notice>
      )}
      {others.length > 0 && (
        <ul className="entry__drafts" aria-label="同じ機関の下書き">
          {others.map((draft) => (
            <li key={draft.id} className="row">
              <span>
                {draft.by.name}さんの下書き（
                {dateTime(draft.updated_at, session.municipality.zone)}）
              </span>
              {written ? (
                <span className="soft">自分の下書きを確定するか破棄すると、引き継げます。</span>
              ) : (
                <Button
                  size="s"
                  variant="quiet"
                  busy={take.isPending}
                  onClick={() => take.mutate(draft)}
                >
                  引き継いで続ける
                </Button>
              )}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
