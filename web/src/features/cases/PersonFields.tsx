import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState, type KeyboardEvent } from 'react';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { useSession } from '../../app/session';
import { problemText } from '../../i18n/problems';
import { Button, Checkbox, DateInput, Notice, Select, Tag, TextInput } from '../../ui';
import { personName, type Person } from './api';
import { ageOn, ageText, isPartial, wareki } from './dates';
import { MergeDialog } from '../register/MergeDialog';
import { PostalPlaces } from './PostalCode';
import { Reading } from './reading';
import { alikeQuery, nameBeginning, REASON_WORDS, type PersonDraft } from './reception';
import { withPlace } from './register';
import { genderLabel } from './vocabulary';

/** Who somebody is: typed, with the register's like entries beside it, or taken from the register. */
export function PersonFields({
  person,
  today,
  chosen,
  onChange,
  errorAt,
  autoFocus = false,
}: {
  person: PersonDraft;
  today: string;
  /** Ids of those who are there already: shown, so that nobody is entered twice, not offered. */
  chosen: readonly string[];
  onChange: (part: Partial<PersonDraft>) => void;
  errorAt: (target: string) => string | undefined;
  autoFocus?: boolean;
}) {
  const { key } = person;
  const age = ageOn(person.birth, today);
  const reading = useRef(new Reading());
  const filledIn = useRef('');
  /** ふりがな follows the name until somebody writes it. */
  const fillIn = (kana: string | null): Partial<PersonDraft> => {
    if (kana === null || person.kana !== filledIn.current) return {};
    filledIn.current = kana;
    return { kana };
  };
  const list = useRef<HTMLDivElement>(null);
  /** From the box one types in straight to whoever is proposed below. */
  const toProposed = (event: KeyboardEvent): void => {
    if (event.key !== 'ArrowDown' || event.nativeEvent.isComposing) return;
    const button = list.current?.querySelector<HTMLElement>('.duplicate button');
    if (!button) return;
    event.preventDefault();
    button.focus();
  };
  if (person.known)
    return (
      <div className="row row--between">
        <span tabIndex={-1} ref={focusOnce}>
          <Tag tone="green" icon="check">
            台帳の方
          </Tag>{' '}
          <strong>{personName(person.known)}</strong>さん{'　'}
          <span className="soft">
            {person.known.birth_date && `${wareki(person.known.birth_date)}生まれ　`}
            {genderLabel(person.known.gender)}
          </span>
        </span>
        <Button size="s" variant="quiet" onClick={() => onChange({ known: null })}>
          選び直す
        </Button>
      </div>
    );
  return (
    <>
      <div className="two">
        <TextInput
          id={`name-${key}`}
          label="氏名"
          required={!person.anonymous}
          support="異体字（髙・﨑など）はそのまま残ります。"
          value={person.name}
          autoFocus={autoFocus}
          onChange={(name) => {
            const composing = reading.current.composing;
            onChange({ name, ...(composing ? {} : fillIn(reading.current.change(name))) });
          }}
          onKeyDown={toProposed}
          onCompositionStart={() => reading.current.begin()}
          onCompositionUpdate={(event) => reading.current.compose(event.data)}
          onCompositionEnd={(event) =>
            onChange(fillIn(reading.current.commit(event.currentTarget.value, event.data)))
          }
          error={errorAt(`name-${key}`)}
        />
        <TextInput
          id={`kana-${key}`}
          label="ふりがな"
          support="氏名の変換から自動で入ります。違うときは直してください。"
          value={person.kana}
          onKeyDown={toProposed}
          onChange={(kana) => onChange({ kana })}
          error={errorAt(`kana-${key}`)}
        />
      </div>
      <div className="three">
        <DateInput
          id={`birth-${key}`}
          label="生年月日"
          support="例：S45.3.12、昭和30年、昭和30年頃"
          limits={{ partial: true, ageOn: today }}
          value={person.birth}
          onChange={(birth) => onChange({ birth })}
          error={errorAt(`birth-${key}`)}
        />
        <Select
          label="性別"
          support="分からないときはあとで"
          value={person.gender}
          empty="あとで選ぶ"
          options={['1', '2', '3', '9'].map((code) => ({ code, label: genderLabel(code) }))}
          onChange={(gender) => onChange({ gender })}
        />
        {person.birth === '' ? (
          <TextInput
            id={`age-${key}`}
            label="年齢（およそ）"
            support="生年月日が分からないとき"
            inputMode="numeric"
            suffix="歳"
            value={person.age}
            onChange={(value) => onChange({ age: value })}
            error={errorAt(`age-${key}`)}
          />
        ) : (
          <p className="soft">
            {age === null ? '' : `いま ${isPartial(person.birth) ? '約' : ''}${age}歳`}
          </p>
        )}
      </div>
      <div className="three">
        <TextInput
          id={`phone-${key}`}
          label="電話"
          support="同じ番号の方がいれば、下に出ます。"
          inputMode="tel"
          value={person.phone}
          onKeyDown={toProposed}
          onChange={(phone) => onChange({ phone })}
          error={errorAt(`phone-${key}`)}
        />
        <div className="stack">
          <TextInput
            id={`postal-${key}`}
            label="郵便番号"
            support="7桁で、町名まで示します。"
            inputMode="numeric"
            value={person.postal}
            onChange={(postal) => onChange({ postal })}
            error={errorAt(`postal-${key}`)}
          />
          <PostalPlaces
            code={person.postal}
            address={person.address}
            onTake={(place) => {
              onChange({ address: withPlace(place, person.address) });
              // The place is there: the number of the house comes next.
              document.getElementById(`address-${key}`)?.focus();
            }}
          />
        </div>
        <TextInput
          id={`address-${key}`}
          label="住所"
          support="住所秘匿の方は、受付後に台帳で書きます。"
          value={person.address}
          onChange={(address) => onChange({ address })}
          error={errorAt(`address-${key}`)}
        />
      </div>
      <Checkbox
        label="氏名が分からない・匿名の相談"
        checked={person.anonymous}
        onChange={(anonymous) => onChange({ anonymous })}
      />
      <div ref={list}>
        <Alike person={person} chosen={chosen} onChoose={(known) => onChange({ known })} />
      </div>
    </>
  );
}

/** The button that was pressed is gone: the keys go on from whoever was chosen. */
function focusOnce(chosen: HTMLElement | null): void {
  chosen?.focus();
}

/** 「この方ではありませんか」: entries of the register that may be the one being typed in. */
function Alike({
  person,
  chosen,
  onChoose,
}: {
  person: PersonDraft;
  chosen: readonly string[];
  onChoose: (person: Person) => void;
}) {
  const { can } = useSession();
  const asked = useSettled(JSON.stringify(alikeQuery(person)), 350);
  const wanted = asked !== 'null' && (can('read_persons') || can('read_cases'));
  const query = useQuery({
    queryKey: ['persons', 'alike', asked],
    // Names travel in the body, never in an address.
    queryFn: () =>
      api.post<Schema<'AlikeList'>>('persons/alike', JSON.parse(asked) as Schema<'AlikeQuery'>),
    enabled: wanted,
    // What was found stays on the screen while the next letters are looked up.
    placeholderData: keepPreviousData,
  });
  const alike = wanted ? (query.data?.items ?? []) : [];
  // Half a name is like nobody's: then whoever begins like it can be chosen.
  const beginning = nameBeginning(JSON.parse(asked) as Schema<'AlikeQuery'> | null);
  const nobody = wanted && query.isSuccess && !query.isPlaceholderData && alike.length === 0;
  const near = useQuery({
    queryKey: ['persons', 'beginning', beginning],
    queryFn: () =>
      api.post<Schema<'PersonList'>>('persons/search', { q: beginning ?? '', limit: 5 }),
    enabled: nobody && beginning !== null,
  });
  const found: Schema<'AlikePerson'>[] =
    alike.length > 0 || !nobody
      ? alike
      : (near.data?.items ?? []).map((entry) => ({
          ...entry,
          reasons: ['beginning'],
          birth_differs: false,
          likely: false,
        }));
  const grade = gradeOf(found);
  const likely = found.filter((entry) => entry.likely);
  const [compared, setCompared] = useState(false);
  const [first, second] = likely;
  return (
    <div role="status">
      {compared && first && second && (
        <MergeDialog
          kept={first.id}
          other={second.id}
          onDone={() => setCompared(false)}
          onClose={() => setCompared(false)}
        />
      )}
      {wanted && query.isError && (
        <p className="soft">
          台帳を調べられませんでした（{problemText(query.error)}）。このまま進められます。
        </p>
      )}
      {found.length > 0 && (
        <Notice tone={grade === 'likely' ? 'warning' : 'info'} title={GRADES[grade].title}>
          <ul>
            {found.map((entry) => (
              <li key={entry.id} className="duplicate">
                <AlikeEntry entry={entry} />
                {chosen.includes(entry.id) ? (
                  <span className="soft">すでに加えた方です</span>
                ) : (
                  <Button size="s" onClick={() => onChoose(entry)}>
                    この方を選ぶ
                    <span className="visually-hidden">（{personName(entry)}さん）</span>
                  </Button>
                )}
              </li>
            ))}
          </ul>
          <p className="soft">
            {GRADES[grade].advice}
            違う方なら、このまま進んでください。氏名の欄で「↓」を押すと、ここに移ります。
          </p>
          {can('merge_persons') && likely.length === 2 && (
            <Button size="s" onClick={() => setCompared(true)}>
              この2件を見比べて1人にまとめる
            </Button>
          )}
        </Notice>
      )}
    </div>
  );
}

const GRADES = {
  likely: {
    title: 'この方ではありませんか',
    advice: '同じ方なら選ぶと、二重に登録されません。',
  },
  phone: {
    title: '同じ電話番号の方が台帳にいます',
    advice: '同じ世帯の方かもしれません。',
  },
  beginning: {
    title: '名前の初めが同じ方が台帳にいます',
    advice: '同じ方なら選べます。',
  },
} as const;

function gradeOf(found: readonly Schema<'AlikePerson'>[]): keyof typeof GRADES {
  if (found.some((entry) => entry.likely)) return 'likely';
  return found.some((entry) => entry.reasons.includes('phone')) ? 'phone' : 'beginning';
}

function AlikeEntry({ entry }: { entry: Schema<'AlikePerson'> }) {
  const numbers = entry.cases.map((item) => item.case_no);
  // The title says the beginning of all of them.
  const told = entry.reasons.filter((reason) => reason in REASON_WORDS);
  return (
    <div className="alike">
      <p>
        <strong>{personName(entry)}</strong>さん
        {entry.kana && <span className="soft">（{entry.kana}）</span>}
        {'　'}
        <span className="soft">
          {entry.birth_date && `${wareki(entry.birth_date)}生まれ`}
          {ageText(entry) && `　${ageText(entry)}`}　{genderLabel(entry.gender)}
        </span>
      </p>
      {(entry.address || entry.address_withheld || numbers.length > 0) && (
        <p className="soft">
          {entry.address_withheld ? '住所は秘匿されています' : entry.address}
          {numbers.length > 0 && `　事案 ${numbers.join('、')}`}
        </p>
      )}
      <p className="alike-reasons">
        {told.map((reason) => (
          <Tag key={reason} tone={entry.likely ? 'orange' : 'plain'} small>
            {REASON_WORDS[reason] ?? reason}
          </Tag>
        ))}
        {entry.birth_differs && (
          <Tag tone="plain" small>
            生年月日は違います
          </Tag>
        )}
      </p>
    </div>
  );
}

/** A value once it has stopped changing for `wait` ms. */
function useSettled<T>(value: T, wait: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), wait);
    return () => clearTimeout(timer);
  }, [value, wait]);
  return settled;
}
