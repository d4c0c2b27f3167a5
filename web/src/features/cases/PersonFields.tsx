import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { useSession } from '../../app/session';
import { problemText } from '../../i18n/problems';
import { Button, Checkbox, DateInput, Notice, Select, Tag, TextInput } from '../../ui';
import { personName, type Person } from './api';
import { ageOn, wareki } from './dates';
import { duplicateQuery, MATCH_WORDS, matchOf, type PersonDraft } from './reception';
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
  if (person.known)
    return (
      <div className="row row--between">
        <span>
          <Tag tone="green" icon="check">
            台帳の方
          </Tag>{' '}
          <strong>{personName(person.known)}</strong>さん　
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
          onChange={(name) => onChange({ name })}
          error={errorAt(`name-${key}`)}
        />
        <TextInput
          id={`kana-${key}`}
          label="ふりがな"
          support="ひらがなでもカタカナでもかまいません。"
          value={person.kana}
          onChange={(kana) => onChange({ kana })}
          error={errorAt(`kana-${key}`)}
        />
      </div>
      <div className="three">
        <DateInput
          id={`birth-${key}`}
          label="生年月日"
          support="S45.3.12、昭和45年3月12日など"
          value={person.birth}
          onChange={(birth) => onChange({ birth })}
          error={errorAt(`birth-${key}`)}
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
          <p className="soft">{age === null ? '' : `いま ${age}歳`}</p>
        )}
        <Select
          label="性別"
          support="分からないときはあとで"
          value={person.gender}
          empty="あとで選ぶ"
          options={['1', '2', '3', '9'].map((code) => ({ code, label: genderLabel(code) }))}
          onChange={(gender) => onChange({ gender })}
        />
      </div>
      <Checkbox
        label="氏名が分からない・匿名の相談"
        checked={person.anonymous}
        onChange={(anonymous) => onChange({ anonymous })}
      />
      <Duplicates
        person={person}
        chosen={chosen}
        today={today}
        onChoose={(known) => onChange({ known })}
      />
    </>
  );
}

/** Register entries that may be the same person, proposed while the name is typed. */
function Duplicates({
  person,
  chosen,
  today,
  onChoose,
}: {
  person: PersonDraft;
  chosen: readonly string[];
  today: string;
  onChoose: (person: Person) => void;
}) {
  const { can } = useSession();
  const wanted = useSettled(duplicateQuery(person), 350);
  const query = useQuery({
    queryKey: ['persons', wanted],
    // Names travel in the body, never in an address.
    queryFn: () => api.post<Schema<'PersonList'>>('persons/search', { q: wanted ?? '' }),
    enabled: wanted !== null && can('read_persons'),
  });
  const order = { birth: 0, name: 1, near: 2 } as const;
  const found = (query.data?.items ?? [])
    .map((entry) => ({ entry, match: matchOf(person, entry) }))
    .sort((a, b) => order[a.match] - order[b.match])
    .slice(0, 5);
  return (
    <div role="status">
      {wanted !== null && query.isError && (
        <p className="soft">
          台帳を調べられませんでした（{problemText(query.error)}）。このまま進められます。
        </p>
      )}
      {wanted !== null && found.length > 0 && (
        <Notice
          tone="warning"
          title="台帳に似た方がいます。同じ方なら選んでください（二重登録を防ぎます）"
        >
          <ul>
            {found.map(({ entry, match }) => {
              const age = entry.age ?? ageOn(entry.birth_date, today);
              return (
                <li key={entry.id} className="duplicate">
                  <span>
                    <strong>{personName(entry)}</strong>さん　
                    <span className="soft">
                      {entry.birth_date && wareki(entry.birth_date)}
                      {age !== null && `（${age}歳）`} {genderLabel(entry.gender)}
                      {entry.cases &&
                        entry.cases.length > 0 &&
                        `　事案 ${entry.cases.map((item) => item.case_no).join('、')}`}
                    </span>
                  </span>
                  <Tag tone={match === 'near' ? 'plain' : 'orange'} small>
                    {MATCH_WORDS[match]}
                  </Tag>
                  {chosen.includes(entry.id) ? (
                    <span className="soft">すでに加えた方です</span>
                  ) : (
                    <Button size="s" onClick={() => onChoose(entry)}>
                      この方を選ぶ
                    </Button>
                  )}
                </li>
              );
            })}
          </ul>
          <p className="soft">違う方なら、このまま進んでください。</p>
        </Notice>
      )}
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
