import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import {
  Button,
  ConfirmDialog,
  DateInput,
  FormDialog,
  Notice,
  RadioGroup,
  Select,
  TextInput,
  useToast,
} from '../../ui';
import { personName } from '../cases/api';
import { ageText, wareki } from '../cases/dates';
import { QueryState } from '../cases/parts';
import type { RegisterPerson } from '../cases/register';
import { KIN } from '../cases/vocabulary';
import type { HouseholdTask } from './Households';
import {
  changeBody,
  currentOf,
  enterBody,
  HOUSEHOLD_KINDS,
  kinshipToHead,
  present,
  stayDraft,
  stayProblems,
  type HouseholdKind,
  type Stay,
  type StayDraft,
} from './households';

const LABELS = {
  kinship: { id: 'stay-kinship', label: '世帯主から見た続柄' },
  kinship_other: { id: 'stay-kinship-other', label: '続柄の内容' },
  from: { id: 'stay-from', label: '世帯に入った日' },
  to: { id: 'stay-to', label: '世帯を出た日' },
  reason: { id: 'stay-reason', label: '入った理由' },
  joined_because: { id: 'stay-reason', label: '入った理由' },
  left_because: { id: 'stay-left', label: '出た理由' },
  household_id: { id: 'stay-with', label: '世帯' },
};

const WORDS = {
  forbidden:
    '世帯を変えられるのは、台帳を管理し、この方の住所を見られる人だけです。主担当の機関に相談してください。',
  conflict: 'ほかの人が先に変更しました。閉じて、最新の内容を確かめてください。',
};

/** Puts a person into a household, moves it, or changes a stay. */
export function HouseholdDialog({
  person,
  task,
  today,
  onClose,
}: {
  person: RegisterPerson;
  task: HouseholdTask;
  today: string;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const done = (changed: RegisterPerson): void => {
    client.setQueryData(['person', person.id], changed);
    onClose();
  };
  return task.task === 'enter' ? (
    <Enter person={person} kind={task.kind} today={today} onDone={done} onClose={onClose} />
  ) : (
    <Change
      person={person}
      kind={task.kind}
      stay={task.stay}
      today={today}
      onDone={done}
      onClose={onClose}
    />
  );
}

function Enter({
  person,
  kind,
  today,
  onDone,
  onClose,
}: {
  person: RegisterPerson;
  kind: HouseholdKind;
  today: string;
  onDone: (changed: RegisterPerson) => void;
  onClose: () => void;
}) {
  const toast = useToast();
  const { label } = HOUSEHOLD_KINDS[kind];
  const now = currentOf(person.households, kind);
  const [where, setWhere] = useState('new');
  const [host, setHost] = useState<RegisterPerson | null>(null);
  const [draft, setDraft] = useState<StayDraft>(() => ({ ...stayDraft(), kinship: 'self' }));
  const hosting = where === 'other' && host ? currentOf(host.households, kind) : null;
  return (
    <FormDialog
      title={`${label}：${person.display}さん`}
      submitLabel={now ? '世帯を移す' : '世帯を登録する'}
      width="l"
      labels={LABELS}
      words={WORDS}
      check={() => [
        ...(where === 'other' && !host
          ? [{ target: 'stay-with', message: 'どなたの世帯に入るか、台帳から選んでください。' }]
          : []),
        ...stayProblems(draft, now !== null),
      ]}
      save={async () => {
        let household = hosting?.id ?? null;
        if (where === 'other' && host && !hosting) {
          const founded = await api.post<RegisterPerson>(
            `persons/${host.id}/households`,
            enterBody(kind, null, { ...stayDraft(), kinship: 'self' }),
          );
          setHost(founded);
          household = currentOf(founded.households, kind)?.id ?? null;
        }
        const changed = await api.post<RegisterPerson>(
          `persons/${person.id}/households`,
          enterBody(kind, household, draft),
        );
        toast(`${label}を登録しました。`);
        onDone(changed);
      }}
      onClose={onClose}
    >
      {(errorAt) => (
        <>
          {now && (
            <Notice tone="info" title="いまの世帯は、移った日の前の日までになります">
              {present(now, today)
                .map((stay) => `${stay.name}さん`)
                .join('、')}
              の世帯から移します。これまでの世帯も記録に残ります。
            </Notice>
          )}
          <RadioGroup
            id="stay-where"
            label="どの世帯ですか"
            options={[
              { code: 'new', label: '新しい世帯をつくる', support: '単身・世帯分離など' },
              { code: 'other', label: 'ほかの方の世帯に入る', support: '台帳の方から選びます' },
            ]}
            value={where}
            onChange={(code) => {
              setWhere(code);
              setDraft((old) => ({ ...old, kinship: code === 'new' ? 'self' : '' }));
            }}
          />
          {where === 'other' && (
            <Host
              kind={kind}
              except={person.id}
              host={host}
              today={today}
              onChoose={setHost}
              error={errorAt('stay-with')}
            />
          )}
          <Kinship draft={draft} onChange={setDraft} errorAt={errorAt} />
          <div className="two">
            <DateInput
              id="stay-from"
              label={now ? '移った日' : '世帯に入った日'}
              required={now !== null}
              support={now ? undefined : '分からないときは空のままでかまいません。'}
              value={draft.from}
              limits={{ notAfter: today }}
              yearless={{ today }}
              onChange={(from) => setDraft((old) => ({ ...old, from }))}
              error={errorAt('stay-from')}
            />
            <TextInput
              id="stay-reason"
              label="理由"
              support="例：転入、世帯分離、同居を始めた"
              value={draft.joinedBecause}
              onChange={(joinedBecause) => setDraft((old) => ({ ...old, joinedBecause }))}
              error={errorAt('stay-reason')}
            />
          </div>
        </>
      )}
    </FormDialog>
  );
}

function Kinship({
  draft,
  onChange,
  errorAt,
}: {
  draft: StayDraft;
  onChange: (change: (old: StayDraft) => StayDraft) => void;
  errorAt: (target: string) => string | undefined;
}) {
  return (
    <div className="two">
      <Select
        id="stay-kinship"
        label="世帯主から見た続柄"
        value={draft.kinship}
        empty="未確認"
        options={Object.entries(KIN).map(([code, label]) => ({
          code,
          label: code === 'self' ? '世帯主' : label,
        }))}
        onChange={(kinship) => onChange((old) => ({ ...old, kinship }))}
        error={errorAt('stay-kinship')}
      />
      {draft.kinship === 'other' && (
        <TextInput
          id="stay-kinship-other"
          label="続柄の内容"
          value={draft.kinshipOther}
          onChange={(kinshipOther) => onChange((old) => ({ ...old, kinshipOther }))}
          error={errorAt('stay-kinship-other')}
        />
      )}
    </div>
  );
}

/** Whose household it is: somebody of the register. */
function Host({
  kind,
  except,
  host,
  today,
  onChoose,
  error,
}: {
  kind: HouseholdKind;
  except: string;
  host: RegisterPerson | null;
  today: string;
  onChoose: (host: RegisterPerson | null) => void;
  error: string | undefined;
}) {
  const [typed, setTyped] = useState('');
  const [asked, setAsked] = useState('');
  const [chosen, setChosen] = useState<string | null>(null);
  const found = useQuery({
    queryKey: ['persons', 'household', asked],
    // Names travel in the body, never in an address.
    queryFn: () => api.post<Schema<'PersonList'>>('persons/search', { q: asked, limit: 10 }),
    enabled: asked !== '',
  });
  const { label } = HOUSEHOLD_KINDS[kind];
  if (host) {
    const home = currentOf(host.households, kind);
    return (
      <Notice tone="info" title={`${host.display}さんの${label}`}>
        {host.address_withheld ? (
          <p>この方の住所は、あなたの機関には表示されないため、世帯に加えられません。</p>
        ) : home ? (
          <p>
            {present(home, today)
              .map((stay) => {
                const kinship = kinshipToHead(stay);
                return `${stay.name}さん${kinship ? `（${kinship}）` : ''}`;
              })
              .join('、')}
          </p>
        ) : (
          <p>
            まだ登録されていません。{host.display}さんを世帯主とする世帯をつくり、そこに入れます。
          </p>
        )}
        <Button size="s" variant="quiet" onClick={() => onChoose(null)}>
          選び直す
        </Button>
      </Notice>
    );
  }
  const items = (found.data?.items ?? []).filter((entry) => entry.id !== except);
  const search = (): void => setAsked(typed.trim());
  return (
    <div className="stack">
      <div className="row household-search">
        <TextInput
          id="stay-with"
          label="どなたの世帯ですか"
          support="氏名かふりがなの初めを入力して「探す」を押してください。"
          value={typed}
          onChange={setTyped}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || event.nativeEvent.isComposing) return;
            event.preventDefault();
            search();
          }}
          error={error}
        />
        <Button onClick={search}>探す</Button>
      </div>
      <div role="status">
        {asked !== '' && found.isPending && <p className="soft">探しています…</p>}
        {found.isError && <QueryState query={found} what="台帳" />}
        {found.isSuccess && items.length === 0 && (
          <p className="soft">台帳に見つかりません。先に台帳か事案に登録してください。</p>
        )}
        {items.length > 0 && (
          <ul className="household-people">
            {items.map((entry) => (
              <li key={entry.id}>
                <span>
                  <strong>{personName(entry)}</strong>さん
                  <span className="soft">
                    {entry.kana && `（${entry.kana}）`}
                    {'　'}
                    {[entry.birth_date && `${wareki(entry.birth_date)}生まれ`, ageText(entry)]
                      .filter(Boolean)
                      .join('・')}
                  </span>
                </span>
                <Button
                  size="s"
                  busy={chosen === entry.id}
                  onClick={() => {
                    setChosen(entry.id);
                    void api
                      .get<RegisterPerson>(`persons/${entry.id}`)
                      .then(onChoose)
                      .finally(() => setChosen(null));
                  }}
                >
                  この方の世帯
                  <span className="visually-hidden">（{personName(entry)}さん）</span>
                </Button>
              </li>
            ))}
          </ul>
        )}
      </div>
    </div>
  );
}

function Change({
  person,
  kind,
  stay,
  today,
  onDone,
  onClose,
}: {
  person: RegisterPerson;
  kind: HouseholdKind;
  stay: Stay;
  today: string;
  onDone: (changed: RegisterPerson) => void;
  onClose: () => void;
}) {
  const toast = useToast();
  const { label } = HOUSEHOLD_KINDS[kind];
  const [draft, setDraft] = useState(() => stayDraft(stay));
  const [asking, setAsking] = useState(false);
  const [removing, setRemoving] = useState(false);
  const set = (part: Partial<StayDraft>): void => setDraft((old) => ({ ...old, ...part }));
  return (
    <>
      <FormDialog
        title={`${label}の登録を直す：${person.display}さん`}
        submitLabel="保存する"
        width="l"
        labels={LABELS}
        words={WORDS}
        check={() => stayProblems(draft, false)}
        save={async () => {
          const body = changeBody(stay, draft);
          if (!body) {
            onClose();
            return;
          }
          const changed = await api.patch<RegisterPerson>(
            `persons/${person.id}/households/${stay.id}`,
            body,
          );
          toast('世帯の登録を直しました。');
          onDone(changed);
        }}
        onClose={onClose}
      >
        {(errorAt) => (
          <>
            <Kinship draft={draft} onChange={setDraft} errorAt={errorAt} />
            <div className="two">
              <DateInput
                id="stay-from"
                label="世帯に入った日"
                value={draft.from}
                limits={{ notAfter: today }}
                yearless={{ today }}
                onChange={(from) => set({ from })}
                error={errorAt('stay-from')}
              />
              <TextInput
                id="stay-reason"
                label="入った理由"
                value={draft.joinedBecause}
                onChange={(joinedBecause) => set({ joinedBecause })}
                error={errorAt('stay-reason')}
              />
              <DateInput
                id="stay-to"
                label="世帯を出た日"
                support="いまもいる方は、空のままにしてください。"
                value={draft.to}
                yearless={{ today }}
                onChange={(to) => set({ to })}
                error={errorAt('stay-to')}
              />
              <TextInput
                id="stay-left"
                label="出た理由"
                support="例：転出、施設入所、死亡、婚姻"
                value={draft.leftBecause}
                onChange={(leftBecause) => set({ leftBecause })}
                error={errorAt('stay-left')}
              />
            </div>
            <div>
              <Button size="s" variant="quiet" onClick={() => setAsking(true)}>
                誤って登録したので取り消す
              </Button>
            </div>
          </>
        )}
      </FormDialog>
      <ConfirmDialog
        title="この世帯の登録を取り消しますか"
        isOpen={asking}
        danger
        busy={removing}
        confirmLabel="取り消す"
        onCancel={() => setAsking(false)}
        onConfirm={() => {
          setRemoving(true);
          void api
            .delete<RegisterPerson>(
              `persons/${person.id}/households/${stay.id}?version=${stay.version}`,
            )
            .then((changed) => {
              toast('世帯の登録を取り消しました。');
              onDone(changed);
            })
            .catch(() => toast('取り消せませんでした。閉じて、最新の内容を確かめてください。'))
            .finally(() => {
              setRemoving(false);
              setAsking(false);
            });
        }}
      >
        <p>
          {person.display}
          さんがこの世帯にいた記録そのものを消します。世帯を出ただけのときは、取り消さずに「世帯を出た日」を入力してください。
        </p>
      </ConfirmDialog>
    </>
  );
}
