import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useLocation } from 'wouter';
import { ApiError, api } from '../../api/client';
import type { Projection } from '../../api/types';
import { useSession } from '../../app/session';
import { problemText } from '../../i18n/problems';
import {
  Button,
  Card,
  ConfirmDialog,
  DateInput,
  Dialog,
  Empty,
  ErrorSummary,
  Icon,
  LevelTag,
  Notice,
  Select,
  Table,
  Tabs,
  Tag,
  useToast,
  type SummaryItem,
} from '../../ui';
import { MaskedText, SheetView, useForm, Withheld } from '../sheet';
import {
  caseKeys,
  itemsOf,
  nameOf,
  personName,
  type CaseDetail,
  type Consent,
  type Many,
  type Named,
  type ProgressRecord,
} from './api';
import { ConsentDialog, type ConfirmationAsked } from './ConsentDialog';
import { localDate, monthDay, wareki } from './dates';
import {
  cell,
  changes,
  entries,
  matrix,
  PRESETS,
  summary,
  withLevel,
  withPreset,
  type Confirmation,
  type Entry,
  type Matrix,
} from './disclosure';
import { AccessLog } from './HistoryTab';
import { ConsentChip, QueryState } from './parts';
import {
  CASE_ROLES,
  CONSENT_CODES,
  CONSENT_METHODS,
  consent,
  LEVEL_LABELS,
  LEVELS,
  METHODS,
  levelOf,
  sectionLabel,
  widens,
  type Level,
} from './vocabulary';

type Part = 'consents' | 'members' | 'matrix' | 'view-as' | 'log';

/** 「同意・共有」: consents, agencies, what each may see, how it looks to them, who looked. */
export function SharingTab({ detail }: { detail: CaseDetail }) {
  const [location] = useLocation();
  const wanted = location.split('/')[4];
  const [part, setPart] = useState<Part>(
    wanted === 'view-as' || wanted === 'matrix' || wanted === 'members' || wanted === 'log'
      ? wanted
      : 'consents',
  );
  return (
    <Tabs
      label="同意・共有"
      selected={part}
      onSelect={(id) => setPart(id as Part)}
      items={[
        { id: 'consents', label: '本人の同意', content: <Consents detail={detail} /> },
        { id: 'members', label: '支援機関', content: <Members detail={detail} /> },
        { id: 'matrix', label: '開示の設定', content: <MatrixEditor detail={detail} /> },
        { id: 'view-as', label: '見え方の確認', content: <ViewAs detail={detail} /> },
        { id: 'log', label: '閲覧履歴', content: <AccessLog detail={detail} /> },
      ]}
    />
  );
}

/**
 * A write that may need a basis: the first try goes without, a 409 opens the dialog, and the second
 * try carries what was confirmed. `send` is called with the confirmation then.
 */
function useConfirmed(onDone: () => void) {
  const [asked, setAsked] = useState<{
    asked: ConfirmationAsked;
    send: (confirmation: Confirmation) => Promise<unknown>;
    what: string;
  } | null>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const run = async (
    send: (confirmation?: Confirmation) => Promise<unknown>,
    what: string,
  ): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      await send();
      onDone();
    } catch (error) {
      if (error instanceof ApiError && error.code === 'consent_confirmation_required')
        setAsked({ asked: error.body as unknown as ConfirmationAsked, send, what });
      else setProblem(problemText(error));
    } finally {
      setBusy(false);
    }
  };
  const dialog = asked && (
    <ConsentDialog
      asked={asked.asked}
      what={asked.what}
      onCancel={() => setAsked(null)}
      onConfirm={async (confirmation) => {
        await asked.send(confirmation);
        setAsked(null);
        onDone();
      }}
    />
  );
  return { run, busy, problem, dialog };
}

// ── consents ──

function Consents({ detail }: { detail: CaseDetail }) {
  const { session } = useSession();
  const query = useQuery({
    queryKey: caseKeys.part(detail.id, 'consents'),
    queryFn: ({ signal }) =>
      api.get<Many<Consent>>(`cases/${detail.id}/consents`, undefined, signal),
  });
  const [editing, setEditing] = useState<{ person: string; withdraw: boolean } | null>(null);
  const writable = detail.permissions.includes('manage_consent');
  const today = localDate(new Date(), session.municipality.zone);
  const all = itemsOf(query.data);
  return (
    <div className="stack">
      {!query.data && <QueryState query={query} what="同意" />}
      {query.data &&
        detail.persons.map((person) => {
          const own = all.filter((entry) => entry.person_id === person.person_id);
          const status =
            detail.consent.find((entry) => entry.person_id === person.person_id)?.status ??
            own[0]?.status ??
            'unconfirmed';
          const given = ['full', 'limited', 'verbal'].includes(status);
          return (
            <Card
              key={person.person_id}
              level={2}
              icon="person"
              title={
                <>
                  {personName(person)} <ConsentChip status={status} />
                </>
              }
              aside={
                writable && (
                  <span className="row">
                    {given && (
                      <Button
                        size="s"
                        variant="danger"
                        onClick={() => setEditing({ person: person.person_id, withdraw: true })}
                      >
                        撤回を記録する
                      </Button>
                    )}
                    <Button
                      size="s"
                      icon="plus"
                      onClick={() => setEditing({ person: person.person_id, withdraw: false })}
                    >
                      同意を記録する
                    </Button>
                  </span>
                )
              }
            >
              {own.length === 0 ? (
                <p className="soft">
                  まだ確認していません。確認するまで、ほかの機関への共有には根拠と理由が要ります。
                </p>
              ) : (
                <ul className="event-list">
                  {own.map((entry) => (
                    <li key={entry.id}>
                      <strong>{consent(entry.status).long}</strong>
                      <span>
                        {entry.withdrawn_on
                          ? `${wareki(entry.withdrawn_on)} 撤回`
                          : entry.obtained_on
                            ? wareki(entry.obtained_on)
                            : '日付なし'}
                      </span>
                      {entry.method && <span>{CONSENT_METHODS[entry.method] ?? entry.method}</span>}
                      {entry.obtained_by && (
                        <span className="soft">{nameOf(entry.obtained_by)}</span>
                      )}
                      {entry.expires_on && (
                        <span className={entry.expires_on < today ? 'late' : 'soft'}>
                          再確認 {monthDay(entry.expires_on, today)}
                        </span>
                      )}
                      {entry.allowed_agencies && (
                        <span className="soft">
                          機関：
                          {entry.allowed_agencies
                            .map(
                              (id) =>
                                detail.members.find((member) => member.agency.id === id)?.agency
                                  .name ?? id,
                            )
                            .join('、') || 'なし'}
                        </span>
                      )}
                      {entry.allowed_sections && (
                        <span className="soft">
                          記録：{entry.allowed_sections.map(sectionLabel).join('、') || 'なし'}
                        </span>
                      )}
                    </li>
                  ))}
                </ul>
              )}
            </Card>
          );
        })}
      {editing && (
        <ConsentEditor
          detail={detail}
          person={editing.person}
          withdraw={editing.withdraw}
          today={today}
          onClose={() => setEditing(null)}
        />
      )}
    </div>
  );
}

function ConsentEditor({
  detail,
  person,
  withdraw,
  today,
  onClose,
}: {
  detail: CaseDetail;
  person: string;
  withdraw: boolean;
  today: string;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const toast = useToast();
  const [status, setStatus] = useState(withdraw ? 'withdrawn' : '');
  const [day, setDay] = useState(today);
  const [method, setMethod] = useState('');
  const [expires, setExpires] = useState('');
  const [agencies, setAgencies] = useState<ReadonlySet<string>>(new Set());
  const [sections, setSections] = useState<ReadonlySet<string>>(new Set());
  const [errors, setErrors] = useState<SummaryItem[]>([]);
  const [attempt, setAttempt] = useState(0);
  const who = detail.persons.find((entry) => entry.person_id === person);
  const given = ['full', 'limited', 'verbal'].includes(status);
  const save = useMutation({
    mutationFn: () =>
      api.post(`cases/${detail.id}/consents`, {
        person_id: person,
        status,
        ...(withdraw ? { withdrawn_on: day } : given ? { obtained_on: day } : {}),
        ...(given && method ? { method } : {}),
        ...(given && expires ? { expires_on: expires } : {}),
        ...(status === 'limited' && agencies.size > 0 ? { allowed_agencies: [...agencies] } : {}),
        ...(status === 'limited' && sections.size > 0 ? { allowed_sections: [...sections] } : {}),
      }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ['case', detail.id] });
      void client.invalidateQueries({ queryKey: ['cases'] });
      toast(withdraw ? '撤回を記録しました。以後の閲覧を止めます。' : '同意を記録しました。');
      onClose();
    },
  });
  const submit = (): void => {
    const found: SummaryItem[] = [];
    if (status === '')
      found.push({ target: 'consent-status', message: '同意の区分を選んでください。' });
    if ((given || withdraw) && day === '')
      found.push({ target: 'consent-day', message: '日付を入力してください。' });
    if (day > today)
      found.push({
        target: 'consent-day',
        message: '先の日付です。今日までの日付を入力してください。',
      });
    if ((status === 'full' || status === 'limited') && method === '')
      found.push({ target: 'consent-method', message: '確認の方法を選んでください。' });
    if (status === 'limited' && agencies.size === 0 && sections.size === 0)
      found.push({
        target: 'consent-agencies',
        message: '限定の範囲（機関か記録）を1つ以上選んでください。',
      });
    setErrors(found);
    setAttempt((count) => count + 1);
    if (found.length === 0 && !save.isPending) save.mutate();
  };
  const errorAt = (target: string): string | undefined =>
    errors.find((entry) => entry.target === target)?.message;
  const toggle = (set: ReadonlySet<string>, code: string): Set<string> => {
    const next = new Set(set);
    if (!next.delete(code)) next.add(code);
    return next;
  };
  return (
    <Dialog
      title={
        withdraw
          ? `${who ? personName(who) : ''}さんの同意の撤回`
          : `${who ? personName(who) : ''}さんの同意を記録する`
      }
      isOpen
      onClose={onClose}
      footer={
        <>
          <Button variant="quiet" onClick={onClose}>
            やめる
          </Button>
          <Button variant={withdraw ? 'danger' : 'primary'} busy={save.isPending} onClick={submit}>
            {withdraw ? '撤回を記録する' : '記録する'}
          </Button>
        </>
      }
    >
      <div className="stack">
        <ErrorSummary items={errors} attempt={attempt} />
        {save.isError && (
          <Notice tone="error" live title="記録できませんでした">
            {problemText(save.error)}
          </Notice>
        )}
        {withdraw ? (
          <Notice tone="warning">
            撤回を記録すると、同意だけを根拠に見ていた機関の閲覧が止まります。すでに渡した範囲は「閲覧履歴」で確かめられます。
          </Notice>
        ) : (
          <Select
            id="consent-status"
            label="同意の区分"
            required
            value={status}
            options={CONSENT_CODES.map((code) => ({ code, label: consent(code).long }))}
            onChange={setStatus}
            error={errorAt('consent-status')}
          />
        )}
        {(given || withdraw) && (
          <div className="two">
            <DateInput
              id="consent-day"
              label={withdraw ? '撤回の日' : '同意を得た日'}
              required
              value={day}
              onChange={setDay}
              error={errorAt('consent-day')}
            />
            {!withdraw && (
              <Select
                id="consent-method"
                label="確認の方法"
                required={status !== 'verbal'}
                value={method}
                options={Object.entries(CONSENT_METHODS).map(([code, label]) => ({ code, label }))}
                onChange={setMethod}
                error={errorAt('consent-method')}
              />
            )}
            {!withdraw && (
              <DateInput label="有効期限・再確認日" value={expires} onChange={setExpires} />
            )}
          </div>
        )}
        {status === 'limited' && (
          <div className="two">
            <fieldset id="consent-agencies" className="field">
              <legend className="field__legend">共有してよい機関</legend>
              {detail.members.map((member) => (
                <label key={member.agency.id} className="choice">
                  <input
                    type="checkbox"
                    checked={agencies.has(member.agency.id)}
                    onChange={() => setAgencies(toggle(agencies, member.agency.id))}
                  />
                  <span>{member.agency.name}</span>
                </label>
              ))}
              {errorAt('consent-agencies') && (
                <p className="field__error">{errorAt('consent-agencies')}</p>
              )}
            </fieldset>
            <fieldset className="field">
              <legend className="field__legend">共有してよい記録</legend>
              {detail.sections.map((section) => (
                <label key={section.section} className="choice">
                  <input
                    type="checkbox"
                    checked={sections.has(section.section)}
                    onChange={() => setSections(toggle(sections, section.section))}
                  />
                  <span>{sectionLabel(section.section)}</span>
                </label>
              ))}
            </fieldset>
          </div>
        )}
      </div>
    </Dialog>
  );
}

// ── members ──

interface AgencyChoice extends Named {
  id: string;
  active?: boolean;
}

function useAgencies() {
  return useQuery({
    queryKey: ['agencies', 'choices'],
    queryFn: ({ signal }) => api.get<Many<AgencyChoice>>('agencies', undefined, signal),
    staleTime: 60_000,
  });
}

function Members({ detail }: { detail: CaseDetail }) {
  const { session } = useSession();
  const client = useQueryClient();
  const toast = useToast();
  const agencies = useAgencies();
  const [agency, setAgency] = useState('');
  const [role, setRole] = useState('member');
  const [error, setError] = useState<string | undefined>();
  const [removing, setRemoving] = useState<{ id: string; name: string } | null>(null);
  const today = localDate(new Date(), session.municipality.zone);
  const refresh = (): void => {
    void client.invalidateQueries({ queryKey: ['case', detail.id] });
  };
  const confirmed = useConfirmed(() => {
    setAgency('');
    toast('支援機関に加えました。見える範囲は「開示の設定」で確かめてください。');
    refresh();
  });
  const remove = useMutation({
    mutationFn: (id: string) => api.delete(`cases/${detail.id}/members/${id}`),
    onSuccess: () => {
      toast('支援機関から外しました。すぐに見られなくなります。');
      setRemoving(null);
      refresh();
    },
    onError: (cause) => {
      toast(problemText(cause), { tone: 'error' });
      setRemoving(null);
    },
  });
  const writable = detail.permissions.includes('manage_members');
  const choices = itemsOf(agencies.data)
    .filter(
      (entry) =>
        entry.active !== false &&
        !detail.members.some(
          (member) => member.agency.id === entry.id && (member.active ?? member.to === null),
        ),
    )
    .map((entry) => ({ code: entry.id, label: entry.name }));
  return (
    <div className="stack">
      {confirmed.dialog}
      <Card title="支援機関" icon="people" flush>
        <Table
          caption="支援機関の表"
          captionHidden
          rows={detail.members}
          rowKey={(member) => `${member.agency.id}-${member.from}`}
          columns={[
            { key: 'name', head: '機関', header: true, cell: (member) => member.agency.name },
            { key: 'role', head: '役割', cell: (member) => CASE_ROLES[member.role] ?? member.role },
            {
              key: 'period',
              head: '期間',
              cell: (member) =>
                `${monthDay(member.from, today)}〜${member.to ? monthDay(member.to, today) : ''}`,
            },
            {
              key: 'act',
              head: '操作',
              cell: (member) =>
                writable &&
                (member.active ?? member.to === null) &&
                member.agency.id !== detail.lead_agency?.id &&
                member.agency.id !== session.membership.agency.id ? (
                  <Button
                    size="xs"
                    variant="danger"
                    aria-label={`${member.agency.name}を外す`}
                    onClick={() => setRemoving(member.agency)}
                  >
                    外す
                  </Button>
                ) : (
                  <span className="soft">—</span>
                ),
            },
          ]}
        />
      </Card>
      {writable && (
        <Card title="支援機関を加える" icon="plus">
          <form
            className="stack"
            noValidate
            onSubmit={(event) => {
              event.preventDefault();
              if (agency === '') {
                setError('加える機関を選んでください。');
                return;
              }
              setError(undefined);
              const name = choices.find((entry) => entry.code === agency)?.label ?? '';
              void confirmed.run(
                (confirmation) =>
                  api.post(`cases/${detail.id}/members`, {
                    agency_id: agency,
                    role,
                    ...(confirmation ? { confirmation } : {}),
                  }),
                `${name}を支援機関に加える`,
              );
            }}
          >
            {agencies.isError && <QueryState query={agencies} what="機関" />}
            {confirmed.problem && (
              <Notice tone="error" live title="加えられませんでした">
                {confirmed.problem}
              </Notice>
            )}
            <div className="two">
              <Select
                label="機関"
                required
                value={agency}
                options={choices}
                onChange={setAgency}
                error={error}
              />
              <Select
                label="役割"
                value={role}
                empty={null}
                options={[
                  { code: 'member', label: '支援関係機関' },
                  { code: 'observer', label: '情報共有のみ' },
                ]}
                onChange={setRole}
              />
            </div>
            <div className="row">
              <Button type="submit" variant="primary" busy={confirmed.busy}>
                加える
              </Button>
            </div>
          </form>
        </Card>
      )}
      {removing && (
        <ConfirmDialog
          title={`${removing.name}を支援機関から外しますか`}
          isOpen
          danger
          confirmLabel="外す"
          busy={remove.isPending}
          onCancel={() => setRemoving(null)}
          onConfirm={() => remove.mutate(removing.id)}
        >
          <p>この事案をすぐに見られなくなります。その機関が書いた記録は残ります。</p>
        </ConfirmDialog>
      )}
    </div>
  );
}

// ── disclosure matrix ──

function MatrixEditor({ detail }: { detail: CaseDetail }) {
  const query = useQuery({
    queryKey: caseKeys.part(detail.id, 'disclosures'),
    queryFn: ({ signal }) =>
      api.get<Many<Entry>>(`cases/${detail.id}/disclosures`, undefined, signal),
  });
  if (!query.data) return <QueryState query={query} what="開示の設定" />;
  return (
    <MatrixForm key={query.dataUpdatedAt} detail={detail} saved={matrix(itemsOf(query.data))} />
  );
}

function MatrixForm({ detail, saved }: { detail: CaseDetail; saved: Matrix }) {
  const client = useQueryClient();
  const toast = useToast();
  const [draft, setDraft] = useState<Matrix>(saved);
  const sections = detail.sections.map((entry) => entry.section);
  const members = detail.members.filter((member) => member.active ?? member.to === null);
  const changed = changes(saved, draft);
  const count = summary(changed);
  const writable = detail.permissions.includes('manage_disclosure');
  const confirmed = useConfirmed(() => {
    toast('開示の設定を変えました。');
    void client.invalidateQueries({ queryKey: ['case', detail.id] });
  });
  const nameOfAgency = (id: string): string =>
    members.find((member) => member.agency.id === id)?.agency.name ?? id;
  const what = changed
    .filter((change) => widens(change.from, change.to))
    .map(
      (change) =>
        `${nameOfAgency(change.agency_id)}に「${sectionLabel(change.section)}」を${LEVEL_LABELS[change.to]}で開示する`,
    )
    .join('、');
  return (
    <div className="stack">
      {confirmed.dialog}
      {confirmed.problem && (
        <Notice tone="error" live title="変えられませんでした">
          {confirmed.problem}
        </Notice>
      )}
      <Card title="機関ごとに見える範囲" icon="eye" flush>
        <div className="matrix">
          <Table
            caption="機関ごとの開示の設定"
            captionHidden
            dense
            rows={members}
            rowKey={(member) => member.agency.id}
            columns={[
              {
                key: 'agency',
                head: '機関',
                header: true,
                cell: (member) => (
                  <>
                    {member.agency.name}
                    {member.agency.id === detail.lead_agency?.id && (
                      <div className="soft">主担当機関</div>
                    )}
                  </>
                ),
              },
              ...sections.map((section) => ({
                key: section,
                head: sectionLabel(section),
                cell: (member: (typeof members)[number]) => {
                  const now = cell(draft, member.agency.id, section);
                  const before = cell(saved, member.agency.id, section);
                  if (!writable || member.agency.id === detail.lead_agency?.id)
                    return <LevelTag level={now.level} />;
                  const differs = now.level !== before.level;
                  return (
                    <span className="select">
                      <select
                        className={`input input--select${differs ? ' is-changed' : ''}${widens(before.level, now.level) ? ' is-wider' : ''}`}
                        aria-label={`${member.agency.name}の「${sectionLabel(section)}」`}
                        value={now.level}
                        onChange={(event) =>
                          setDraft(
                            withLevel(
                              draft,
                              member.agency.id,
                              section,
                              levelOf(event.target.value),
                            ),
                          )
                        }
                      >
                        {LEVELS.map((level) => (
                          <option key={level} value={level}>
                            {LEVEL_LABELS[level]}
                          </option>
                        ))}
                      </select>
                      <Icon name="down" size="s" />
                    </span>
                  );
                },
              })),
              ...(writable
                ? [
                    {
                      key: 'preset',
                      head: 'まとめて',
                      cell: (member: (typeof members)[number]) =>
                        member.agency.id === detail.lead_agency?.id ? (
                          <span className="soft">—</span>
                        ) : (
                          <span className="select">
                            <select
                              className="input input--select"
                              aria-label={`${member.agency.name}のまとめて設定`}
                              value=""
                              onChange={(event) =>
                                setDraft(
                                  withPreset(draft, member.agency.id, sections, event.target.value),
                                )
                              }
                            >
                              <option value="">選ぶ</option>
                              {PRESETS.map((preset) => (
                                <option key={preset.code} value={preset.code}>
                                  {preset.label}
                                </option>
                              ))}
                            </select>
                            <Icon name="down" size="s" />
                          </span>
                        ),
                    },
                  ]
                : []),
            ]}
          />
        </div>
        {writable && (
          <div className="list-foot">
            <span role="status">
              {changed.length === 0 ? (
                <span className="soft">変更はありません</span>
              ) : (
                <>
                  変更 {changed.length}件
                  {count.wider > 0 && (
                    <>
                      　
                      <Tag tone="orange" icon="warning" small>
                        広げる {count.wider}
                      </Tag>
                    </>
                  )}
                  {count.narrower > 0 && (
                    <>
                      　<Tag small>狭める {count.narrower}</Tag>
                    </>
                  )}
                </>
              )}
            </span>
            <span className="row">
              {changed.length > 0 && (
                <Button variant="quiet" size="s" onClick={() => setDraft(saved)}>
                  変更をやめる
                </Button>
              )}
              <Button
                variant="primary"
                size="s"
                busy={confirmed.busy}
                reason={changed.length === 0 ? '変更すると保存できます' : undefined}
                onClick={() =>
                  void confirmed.run(
                    (confirmation) =>
                      api.put(`cases/${detail.id}/disclosures`, {
                        entries: entries(draft),
                        ...(confirmation ? { confirmation } : {}),
                      }),
                    what || '開示の設定を変える',
                  )
                }
              >
                開示の設定を保存する
              </Button>
            </span>
          </div>
        )}
      </Card>
      <p className="soft">
        住所秘匿の方についての記録は、許可した機関のほかはマスク済みまでになります（設定より優先します）。
      </p>
    </div>
  );
}

// ── 見え方の確認 ──

interface ViewAsAnswer {
  agency: Named;
  /** false: for this agency the case does not exist. */
  visible: boolean;
  case: CaseDetail | null;
  projections: { section: string; projection: Projection }[];
  progress: ProgressRecord[];
}

function ViewAs({ detail }: { detail: CaseDetail }) {
  const { session } = useSession();
  const others = detail.members.filter(
    (member) =>
      (member.active ?? member.to === null) && member.agency.id !== session.membership.agency.id,
  );
  const [agency, setAgency] = useState(others[0]?.agency.id ?? '');
  const query = useQuery({
    queryKey: caseKeys.part(detail.id, `view-as-${agency}`),
    queryFn: ({ signal }) =>
      api.get<ViewAsAnswer>(`cases/${detail.id}/view-as/${agency}`, undefined, signal),
    enabled: agency !== '',
  });
  const seen = query.data;
  if (others.length === 0)
    return (
      <Empty icon="eye" title="ほかの支援機関はまだありません">
        支援機関を加えると、その機関からどう見えるかを確かめられます。
      </Empty>
    );
  const shown = seen?.case;
  return (
    <div className="stack">
      <Select
        label="どの機関からの見え方を確かめますか"
        value={agency}
        empty={null}
        options={others.map((member) => ({ code: member.agency.id, label: member.agency.name }))}
        onChange={setAgency}
      />
      {!seen && <QueryState query={query} what="見え方" />}
      {seen && !shown && (
        <Empty icon="lock" title="この機関には、事案そのものが見えません">
          一覧にも検索にも出ません。開示するには「開示の設定」で見える範囲を選びます。
        </Empty>
      )}
      {seen && shown && (
        <>
          <Card title={`${seen.agency.name}からの見え方`} icon="eye" tone="purple">
            <dl className="facts">
              <div>
                <dt>対象者</dt>
                <dd>{shown.clients.map((client) => client.display).join('、') || '表示なし'}</dd>
              </div>
              <div>
                <dt>事案名</dt>
                <dd>{shown.title || '表示なし'}</dd>
              </div>
              {detail.sections.map((section) => (
                <div key={section.section}>
                  <dt>{sectionLabel(section.section)}</dt>
                  <dd>
                    <LevelTag
                      level={levelOf(
                        shown.sections.find((other) => other.section === section.section)?.level,
                      )}
                    />
                  </dd>
                </div>
              ))}
            </dl>
          </Card>
          {seen.projections.map((entry) => (
            <ProjectionCard
              key={entry.section}
              section={entry.section}
              projection={entry.projection}
              level={levelOf(
                shown.sections.find((other) => other.section === entry.section)?.level,
              )}
            />
          ))}
          <Card title="支援経過" icon="list" flush>
            {seen.progress.length === 0 && (
              <p className="card__body soft">この機関に見える記録はありません。</p>
            )}
            {seen.progress.map((record) => (
              <div key={record.id} className="record">
                <p>
                  <strong>
                    {monthDay(record.performed_on)} {METHODS[record.method] ?? record.method}
                  </strong>{' '}
                  <span className="soft">{record.agency?.name}</span>
                </p>
                {record.content && (
                  <p className="record__text">
                    <MaskedText text={record.content} />
                  </p>
                )}
                {record.withheld && <Withheld />}
              </div>
            ))}
          </Card>
        </>
      )}
    </div>
  );
}

function ProjectionCard({
  section,
  projection,
  level,
}: {
  section: string;
  projection: Projection;
  level: Level;
}) {
  const form = useForm(
    section === 'intake'
      ? 'intake_application'
      : section === 'assessment'
        ? 'intake_assessment'
        : null,
  );
  return (
    <Card
      title={`「${sectionLabel(section)}」の見え方`}
      icon="doc"
      aside={<LevelTag level={level} />}
    >
      {projection.notice === 'not_scanned' ? (
        <p className="soft">伏せることばの検出が終わっていないため、まだ何も見えません。</p>
      ) : form.data ? (
        <SheetView definition={form.data} fields={projection.fields} />
      ) : (
        <QueryState query={form} what="様式" />
      )}
    </Card>
  );
}
