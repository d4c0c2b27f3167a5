import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ApiError } from '../../api/client';
import { useSession } from '../../app/session';
import {
  Button,
  Checkbox,
  CheckboxGroup,
  DateInput,
  Dialog,
  FormDialog,
  Notice,
  RadioGroup,
  Select,
  TextArea,
  TextInput,
  useToast,
} from '../../ui';
import { useAgencies } from './api';
import { dateTime, localDate, wareki } from './dates';
import { FlagChips, QueryState } from './parts';
import { MergeDialog } from '../register/MergeDialog';
import { HouseholdDialog } from '../register/HouseholdDialog';
import { Households, type HouseholdTask } from '../register/Households';
import { Merges } from '../register/Merges';
import { PostalPlaces } from './PostalCode';
import {
  type FlagNote,
  noteOf,
  overtaken,
  type Overtaken,
  PROTECTED_FIELDS,
  protectionChanges,
  rebased,
  REGISTER_FIELDS,
  registerDraft,
  registerPatch,
  registerProblems,
  type RegisterDraft,
  type RegisterField,
  type RegisterPerson,
  withPlace,
} from './register';
import { flag, FLAG_CODES, genderLabel } from './vocabulary';

/** One person of the register: read by whoever may, changed by whoever keeps the register. */
export function PersonDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const query = useQuery({
    queryKey: ['person', id],
    queryFn: ({ signal }) => api.get<RegisterPerson>(`persons/${id}`, undefined, signal),
    // What is being changed must not be taken away from under the hands.
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
    staleTime: 0,
    gcTime: 0,
  });
  const { session } = useSession();
  const today = localDate(new Date(), session.municipality.zone);
  const [compared, setCompared] = useState<string | null>(null);
  const [task, setTask] = useState<HouseholdTask | null>(null);
  if (compared !== null && query.data)
    return (
      <MergeDialog
        kept={query.data.id}
        other={compared}
        onDone={onClose}
        onClose={() => setCompared(null)}
      />
    );
  if (query.data?.may_edit)
    return (
      <>
        <PersonForm
          key={query.data.version}
          person={query.data}
          onCompare={setCompared}
          onHousehold={setTask}
          onClose={onClose}
        />
        {task && (
          <HouseholdDialog
            person={query.data}
            task={task}
            today={today}
            onClose={() => setTask(null)}
          />
        )}
      </>
    );
  return (
    <Dialog
      title="台帳の内容"
      isOpen
      onClose={onClose}
      footer={
        <Button variant="primary" onClick={onClose}>
          閉じる
        </Button>
      }
    >
      {query.data ? (
        <>
          <Merges person={query.data} onCompare={setCompared} />
          <PersonFacts person={query.data} />
          <Households person={query.data} today={today} />
        </>
      ) : (
        <QueryState query={query} what="台帳" />
      )}
    </Dialog>
  );
}

function PersonFacts({ person }: { person: RegisterPerson }) {
  const shown = (Object.keys(REGISTER_FIELDS) as RegisterField[]).filter(
    (field) => person.fields[field],
  );
  return (
    <div className="stack">
      {person.address_withheld && <Withholding />}
      <FlagChips flags={person.flags.map((entry) => entry.flag)} />
      <dl className="facts">
        <div>
          <dt>支援対象者ID</dt>
          <dd className="number">{person.id}</dd>
        </div>
        {shown.map((field) => (
          <div key={field}>
            <dt>{REGISTER_FIELDS[field]}</dt>
            <dd>{shownValue(field, person.fields[field] ?? '')}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

function shownValue(field: RegisterField, value: string): string {
  if (field === 'gender') return genderLabel(value);
  if (field === 'birth_date' || field === 'death_date') return wareki(value) || value;
  return field === 'estimated_age' ? `${value}歳` : value;
}

function Withholding() {
  return (
    <Notice tone="info" title="住所・連絡先は、あなたの機関には表示されません">
      住所秘匿の方です。必要なときは、主担当の機関に相談してください。
    </Notice>
  );
}

const AT = (field: string): string => `person-${field}`;

/** Server's path of a field → control. */
const LABELS: Readonly<Record<string, { id: string; label: string }>> = {
  ...Object.fromEntries(
    Object.entries(REGISTER_FIELDS).map(([field, label]) => [
      `set.${field}`,
      { id: AT(field), label },
    ]),
  ),
  address_allow: { id: AT('allow'), label: '見られる機関' },
  from: { id: AT('from'), label: '新しい内容の始まる日' },
};

function PersonForm({
  person,
  onCompare,
  onHousehold,
  onClose,
}: {
  person: RegisterPerson;
  onCompare: (other: string) => void;
  onHousehold: (task: HouseholdTask) => void;
  onClose: () => void;
}) {
  const { session } = useSession();
  const client = useQueryClient();
  const toast = useToast();
  const today = localDate(new Date(), session.municipality.zone);
  // What the draft began from: another state once somebody else saved in between.
  const [base, setBase] = useState(person);
  const [draft, setDraft] = useState(() => registerDraft(person, today));
  const [latest, setLatest] = useState<RegisterPerson | null>(null);
  const change = (part: Partial<RegisterDraft>): void => setDraft((old) => ({ ...old, ...part }));
  return (
    <FormDialog
      title={`台帳を直す：${person.display}さん`}
      submitLabel="台帳に保存する"
      width="l"
      labels={LABELS}
      words={{
        forbidden:
          '住所秘匿と、見られる機関の一覧を変えられるのは、一覧にある機関と、主担当の機関（その方の最初の事案）だけです。',
        conflict:
          'ほかの人が先に台帳を変更しました。下の「最新の内容に重ねる」で続けられます。入力した内容は残っています。',
      }}
      check={() => registerProblems(base, draft, today)}
      save={async () => {
        const patch = registerPatch(base, draft);
        if (patch) {
          try {
            await api.patch<RegisterPerson>(`persons/${person.id}`, patch);
          } catch (error) {
            if (error instanceof ApiError && error.code === 'conflict')
              setLatest(await api.get<RegisterPerson>(`persons/${person.id}`));
            throw error;
          }
          void client.invalidateQueries({ queryKey: ['case'] });
          void client.invalidateQueries({ queryKey: ['cases'] });
          toast('台帳に保存しました。');
        }
        onClose();
      }}
      onClose={onClose}
    >
      {(errorAt) => (
        <>
          {latest && (
            <OvertakenNotice
              list={overtaken(base, latest, draft)}
              onTake={() => {
                setDraft(rebased(base, latest, draft, today));
                setBase(latest);
                setLatest(null);
              }}
            />
          )}
          <Merges person={person} onCompare={onCompare} />
          <Households person={person} today={today} onTask={onHousehold} />
          <Identity person={base} draft={draft} change={change} today={today} errorAt={errorAt} />
          <Changed draft={draft} change={change} today={today} errorAt={errorAt} />
          <Protection person={base} draft={draft} change={change} errorAt={errorAt} />
          <CheckboxGroup
            label="そのほかの注意"
            options={FLAG_CODES.map((code) => ({ code, label: flag(code).label }))}
            values={draft.flags}
            onToggle={(code, on) => change({ flags: toggled(draft.flags, code, on) })}
          />
          {[...draft.flags].map((code) => (
            <FlagNotes key={code} code={code} person={person} draft={draft} change={change} />
          ))}
        </>
      )}
    </FormDialog>
  );
}

/** What somebody else saved while the form was open, field by field, and a way to go on. */
function OvertakenNotice({ list, onTake }: { list: readonly Overtaken[]; onTake: () => void }) {
  return (
    <Notice tone="warning" live title="ほかの人が変えた内容">
      {list.length === 0 ? (
        <p>この画面にある項目は変わっていません。</p>
      ) : (
        <ul>
          {list.map((one) => (
            <li key={one.label}>
              {one.label}：{one.before || '（空）'} → {one.after || '（空）'}
              {one.mine && '（あなたも変えています。重ねると、あなたの内容になります）'}
            </li>
          ))}
        </ul>
      )}
      {/* At the top of a long form whose button is at its end: the focus brings it into sight. */}
      <Button size="s" autoFocus onClick={onTake}>
        最新の内容に重ねる
      </Button>
    </Notice>
  );
}

/** What a flag rests on and when it is looked at again: the day stands on the home screen. */
function FlagNotes({
  code,
  person,
  draft,
  change,
}: Omit<PartProps, 'errorAt'> & { code: string; person: RegisterPerson }) {
  const note = noteOf(draft, code);
  const write = (part: Partial<FlagNote>): void =>
    change({ notes: { ...draft.notes, [code]: { ...note, ...part } } });
  const { label } = flag(code);
  return (
    <div>
      <div className="two">
        <TextInput
          label={`「${label}」の根拠`}
          support="支援機関には表示されません。"
          value={note.basis}
          onChange={(basis) => write({ basis })}
        />
        <DateInput
          label={`「${label}」を見直す日`}
          support="近づくとホームに出ます。"
          value={note.reviewOn}
          onChange={(reviewOn) => write({ reviewOn })}
        />
      </div>
      <Recorded person={person} code={code} />
    </div>
  );
}

/** Who recorded a flag, and when. */
function Recorded({ person, code }: { person: RegisterPerson; code: string }) {
  const { session } = useSession();
  const flag = person.flags.find((one) => one.flag === code);
  if (!flag?.recorded_at) return null;
  return (
    <p className="soft">
      登録：{dateTime(flag.recorded_at, session.municipality.zone)}
      {flag.recorded_by && `　${flag.recorded_by}`}
    </p>
  );
}

interface PartProps {
  draft: RegisterDraft;
  change: (part: Partial<RegisterDraft>) => void;
  errorAt: (target: string) => string | undefined;
}

function Identity({
  person,
  draft,
  change,
  errorAt,
  today,
}: PartProps & { person: RegisterPerson; today: string }) {
  const { values } = draft;
  const set = (field: RegisterField) => (value: string) =>
    change({ values: { ...values, [field]: value } });
  const control = (field: RegisterField) => ({
    id: AT(field),
    label: REGISTER_FIELDS[field],
    value: values[field],
    onChange: set(field),
    error: errorAt(AT(field)),
  });
  return (
    <>
      <div className="two">
        <TextInput {...control('name')} required={!draft.anonymous} autoFocus />
        <TextInput {...control('name_kana')} />
        <TextInput {...control('alias')} />
        <TextInput {...control('alias_kana')} />
        <Select
          {...control('gender')}
          empty="未確認"
          options={['1', '2', '3', '9'].map((code) => ({ code, label: genderLabel(code) }))}
        />
        <DateInput
          {...control('birth_date')}
          support="分かるところまででもかまいません（昭和30年、昭和30年3月、昭和30年頃）。"
          limits={{ partial: true, notAfter: today, ageOn: today }}
        />
        {values.birth_date === '' && (
          <TextInput {...control('estimated_age')} inputMode="numeric" suffix="歳" />
        )}
      </div>
      <Checkbox
        label="匿名の相談（氏名は分かったときに書く）"
        checked={draft.anonymous}
        onChange={(anonymous) => change({ anonymous })}
      />
      <Checkbox
        label="亡くなった"
        checked={draft.deceased}
        onChange={(deceased) => change({ deceased })}
      />
      {draft.deceased && (
        <DateInput {...control('death_date')} limits={{ partial: true, notAfter: today }} />
      )}
      {person.address_withheld ? (
        <Withholding />
      ) : (
        <div className="two">
          {PROTECTED_FIELDS.map((field) =>
            field === 'postal_code' ? (
              <div key={field}>
                <TextInput {...control(field)} inputMode="numeric" />
                <PostalPlaces
                  code={values.postal_code}
                  address={values.address}
                  onTake={(place) => set('address')(withPlace(place, values.address))}
                />
              </div>
            ) : (
              <TextInput key={field} {...control(field)} />
            ),
          )}
        </div>
      )}
      {!person.address_withheld && (
        <Checkbox
          label="住所不定（決まった住まいがない）"
          checked={draft.homeless}
          onChange={(homeless) => change({ homeless })}
        />
      )}
      <div className="two">
        <TextInput
          {...control('nationality_lang')}
          support="例：ベトナム、ベトナム語とやさしい日本語"
        />
        <TextInput
          {...control('atena_no')}
          inputMode="numeric"
          support="住民記録とつなぐ番号。個人番号（マイナンバー）は書けません。"
        />
      </div>
      <TextArea {...control('contact_caution')} rows={2} />
      <p className="soft number">支援対象者ID：{person.id}</p>
    </>
  );
}

/** Whether what stood there before was true once. */
function Changed({ draft, change, errorAt, today }: PartProps & { today: string }) {
  return (
    <>
      <RadioGroup
        label="直す理由"
        options={[
          {
            code: 'changed',
            label: '内容が変わった',
            support: '転居・改姓など。前の内容は過去のものとして残ります。',
          },
          {
            code: 'correction',
            label: '前の内容が誤りだった',
            support: '前の内容は残りません。変更したことは監査ログに残ります。',
          },
        ]}
        value={draft.correction ? 'correction' : 'changed'}
        onChange={(code) => change({ correction: code === 'correction' })}
      />
      <DateInput
        id={AT('from')}
        label="新しい内容の始まる日"
        required
        value={draft.from}
        onChange={(from) => change({ from })}
        limits={{ notAfter: today }}
        yearless={{ today }}
        error={errorAt(AT('from'))}
      />
    </>
  );
}

function Protection({ person, draft, change, errorAt }: PartProps & { person: RegisterPerson }) {
  const { session } = useSession();
  const agencies = useAgencies();
  const own = session.membership.agency.id;
  const listed = (agencies.data?.items ?? []).filter(
    (agency) => agency.active || draft.allow.has(agency.id),
  );
  return (
    <fieldset className="person-block stack">
      <legend className="field__legend">住所秘匿</legend>
      <Checkbox
        label="住所・連絡先・勤務先・学校を、選んだ機関だけに見せる（DV等支援措置・避難者など）"
        checked={draft.protect}
        onChange={(protect) =>
          change({
            protect,
            understood: false,
            // Whoever protects somebody goes on seeing the values, unless taken off on purpose.
            ...(protect && draft.allow.size === 0 ? { allow: new Set([own]) } : {}),
          })
        }
      />
      {draft.protect && (
        <>
          <TextArea
            id={AT('basis')}
            label="根拠"
            required={!person.address_confidential}
            rows={2}
            support="支援機関には表示されません（例：DV等支援措置の決定、本人の申出）。"
            value={draft.basis}
            onChange={(basis) => change({ basis })}
            error={errorAt(AT('basis'))}
          />
          <DateInput
            id={AT('review')}
            label="見直す日"
            required={!person.address_confidential}
            value={draft.reviewOn}
            onChange={(reviewOn) => change({ reviewOn })}
            error={errorAt(AT('review'))}
          />
          <Recorded person={person} code="dv_address" />
          <QueryState query={agencies} what="機関の一覧" />
          <CheckboxGroup
            id={AT('allow')}
            label="住所・連絡先を見られる機関"
            required
            options={listed.map((agency) => ({
              code: agency.id,
              label: agency.id === own ? `${agency.name}（自機関）` : agency.name,
            }))}
            values={draft.allow}
            onToggle={(code, on) =>
              change({ allow: toggled(draft.allow, code, on), understood: false })
            }
            error={errorAt(AT('allow'))}
          />
          {!draft.allow.has(own) && (
            <Notice tone="warning" live>
              自機関が入っていません。保存すると、この画面でも住所・連絡先が見えなくなります。
            </Notice>
          )}
        </>
      )}
      {protectionChanges(person, draft) && (
        <>
          <Notice tone="warning" live title={CONSEQUENCE[consequence(person, draft)].title}>
            {CONSEQUENCE[consequence(person, draft)].text}
          </Notice>
          <Checkbox
            id={AT('understood')}
            label="上の内容を確かめました"
            checked={draft.understood}
            onChange={(understood) => change({ understood })}
            {...errorProp(errorAt(AT('understood')))}
          />
        </>
      )}
    </fieldset>
  );
}

const CONSEQUENCE = {
  protect: {
    title: '選んだ機関のほかには、すぐに見えなくなります',
    text: '台帳の住所・電話・メール・勤務先・学校が対象です。記録の文章に書かれたものは、マスクの候補になります。',
  },
  list: {
    title: '見られる機関が変わります',
    text: '一覧に加えた機関には、すぐに住所・連絡先が見えます。外した機関には見えなくなります。',
  },
  lift: {
    title: '住所秘匿を解くと、住所・連絡先がほかの機関にも見えるようになります',
    text: 'この方の事案に関わる機関に、開示の設定に従って見えます。支援措置の終了などを確かめてから解いてください。',
  },
} as const;

function consequence(person: RegisterPerson, draft: RegisterDraft): keyof typeof CONSEQUENCE {
  if (!draft.protect) return 'lift';
  return person.address_confidential ? 'list' : 'protect';
}

function errorProp(error: string | undefined): { error?: string } {
  return error === undefined ? {} : { error };
}

function toggled(set: ReadonlySet<string>, code: string, on: boolean): ReadonlySet<string> {
  const next = new Set(set);
  if (on) next.add(code);
  else next.delete(code);
  return next;
}
