import { Button, Tag } from '../../ui';
import { ageText } from '../cases/dates';
import type { RegisterPerson } from '../cases/register';
import {
  currentOf,
  differ,
  HOUSEHOLD_KINDS,
  kinshipToHead,
  present,
  stayPeriod,
  type Household,
  type HouseholdKind,
  type Stay,
} from './households';
import './register.css';

/** What to do about a household. */
export type HouseholdTask =
  { task: 'enter'; kind: HouseholdKind } | { task: 'change'; kind: HouseholdKind; stay: Stay };

/** 住民票世帯 and 実世帯 of a person, with those of the past. */
export function Households({
  person,
  today,
  onTask,
}: {
  person: RegisterPerson;
  today: string;
  /** Missing where nothing may be changed. */
  onTask?: ((task: HouseholdTask) => void) | undefined;
}) {
  if (person.address_withheld) return null;
  if (!onTask && person.households.length === 0) return null;
  return (
    <section className="stack households" aria-label="世帯">
      <h3>
        世帯{' '}
        {differ(person.households, today) && (
          <Tag tone="orange" small>
            住民票と実際が違います
          </Tag>
        )}
      </h3>
      {(['registered', 'actual'] as const).map((kind) => (
        <OfKind key={kind} person={person} kind={kind} today={today} onTask={onTask} />
      ))}
    </section>
  );
}

function OfKind({
  person,
  kind,
  today,
  onTask,
}: {
  person: RegisterPerson;
  kind: HouseholdKind;
  today: string;
  onTask: ((task: HouseholdTask) => void) | undefined;
}) {
  const { label, meaning } = HOUSEHOLD_KINDS[kind];
  const now = currentOf(person.households, kind);
  const past = person.households.flatMap((household) =>
    household.kind === kind
      ? household.stays
          .filter(
            (stay) =>
              stay.person_id === person.id && !(household.id === now?.id && isPresent(stay, now)),
          )
          .map((stay) => ({ household, stay }))
      : [],
  );
  function isPresent(stay: Stay, household: Household): boolean {
    return present(household, today).some((other) => other.id === stay.id);
  }
  return (
    <div className="household" role="group" aria-label={label}>
      <div className="row row--between">
        <p>
          <strong>{label}</strong>
          <span className="soft">（{meaning}）</span>
        </p>
        {onTask && (
          <Button size="s" onClick={() => onTask({ task: 'enter', kind })}>
            {now ? '別の世帯に移す' : '世帯を登録する'}
            <span className="visually-hidden">（{label}）</span>
          </Button>
        )}
      </div>
      {now ? (
        <ul className="household-people">
          {present(now, today).map((stay) => (
            <li key={stay.id}>
              <StayLine stay={stay} own={stay.person_id === person.id} />
              {onTask && stay.person_id === person.id && (
                <Button
                  size="s"
                  variant="quiet"
                  onClick={() => onTask({ task: 'change', kind, stay })}
                >
                  直す・世帯を出る
                  <span className="visually-hidden">（{label}）</span>
                </Button>
              )}
            </li>
          ))}
        </ul>
      ) : (
        <p className="soft">登録されていません。</p>
      )}
      {past.length > 0 && (
        <details>
          <summary>
            これまでの{label}（{past.length}件）
          </summary>
          <ul className="household-people">
            {past.map(({ household, stay }) => (
              <li key={stay.id}>
                <div>
                  <p>
                    {stayPeriod(stay)}　{kinshipToHead(stay)}
                  </p>
                  <Reasons stay={stay} />
                  <p className="soft">
                    {others(household, person.id)
                      .map((other) => `${other.name}さん`)
                      .join('、') || '1人の世帯'}
                  </p>
                </div>
                {onTask && (
                  <Button
                    size="s"
                    variant="quiet"
                    onClick={() => onTask({ task: 'change', kind, stay })}
                  >
                    直す<span className="visually-hidden">（{stayPeriod(stay)}）</span>
                  </Button>
                )}
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

function others(household: Household, person: string): Stay[] {
  const found = new Map(household.stays.map((stay) => [stay.person_id, stay]));
  found.delete(person);
  return [...found.values()];
}

function StayLine({ stay, own }: { stay: Stay; own: boolean }) {
  const kinship = kinshipToHead(stay);
  return (
    <div>
      <p>
        <strong>{stay.name}</strong>さん
        {own && <span className="soft">（この方）</span>}
        {'　'}
        <span className="soft">{[kinship, ageText(stay)].filter(Boolean).join('・')}</span>
      </p>
      <p className="soft">{stayPeriod(stay)}</p>
      {own && <Reasons stay={stay} />}
    </div>
  );
}

function Reasons({ stay }: { stay: Stay }) {
  const told = [
    stay.joined_because && `入った理由：${stay.joined_because}`,
    stay.left_because && `出た理由：${stay.left_because}`,
  ].filter(Boolean);
  return told.length > 0 ? <p className="soft">{told.join('　')}</p> : null;
}
