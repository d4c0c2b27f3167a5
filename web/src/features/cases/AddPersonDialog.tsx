import { useQueries, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { useSession } from '../../app/session';
import { Button, FormDialog, Notice, RadioGroup, Select, useToast } from '../../ui';
import { kinshipToHead, livingTogether, type Stay } from '../register/households';
import type { CaseDetail, Person } from './api';
import { ageText, localDate } from './dates';
import { PersonFields } from './PersonFields';
import { emptyPerson, personBody, personProblems } from './reception';
import { KIN, KINSHIPS, levelOf } from './vocabulary';
import '../register/register.css';

const ROLES = ['household', 'relative', 'related', 'client'];

/** 「家族・関係者を加える」: somebody of the register or somebody new becomes part of the case. */
export function AddPersonDialog({ detail, onClose }: { detail: CaseDetail; onClose: () => void }) {
  const { session } = useSession();
  const client = useQueryClient();
  const toast = useToast();
  const today = localDate(new Date(), session.municipality.zone);
  const [person, setPerson] = useState(() => emptyPerson('added'));
  const [role, setRole] = useState('');
  const [kinship, setKinship] = useState('');
  return (
    <FormDialog
      title="家族・関係者を加える"
      submitLabel="事案に加える"
      width="l"
      labels={{
        'person.name': { id: 'name-added', label: '氏名' },
        'person.kana': { id: 'kana-added', label: 'ふりがな' },
        'person.birth_date': { id: 'birth-added', label: '生年月日' },
        'person.estimated_age': { id: 'age-added', label: '年齢' },
        kinship: { id: 'add-kinship', label: '続柄' },
      }}
      words={{
        taken: 'この方は、すでにこの事案に登録されています。対象者・関係者の表を確かめてください。',
      }}
      check={() => [
        ...personProblems(person, today),
        ...(role === ''
          ? [{ target: 'add-role', message: 'この事案での立場を選んでください。' }]
          : []),
      ]}
      save={async () => {
        const body: Schema<'AddPerson'> = {
          ...personBody(person),
          role,
          ...(kinship ? { kinship } : {}),
        };
        const changed = await api.post<CaseDetail>(`cases/${detail.id}/persons`, body);
        client.setQueryData(['case', detail.id], changed);
        void client.invalidateQueries({ queryKey: ['case', detail.id] });
        void client.invalidateQueries({ queryKey: ['cases'] });
        toast('事案に加えました。続けて同意の状況を登録してください。');
        onClose();
      }}
      onClose={onClose}
    >
      {(errorAt) => (
        <>
          <Notice tone="warning" title="加えた方の同意は「未確認」になります">
            同意を登録するか、ほかの根拠で共有を確認するまで、ほかの機関には、この事案の記録がマスク済みで見えます。
          </Notice>
          {!person.known && (
            <Housemates
              detail={detail}
              today={today}
              onChoose={(known) => {
                setPerson((old) => ({ ...old, known }));
                setRole('household');
              }}
            />
          )}
          <PersonFields
            person={person}
            today={today}
            chosen={detail.persons.map((known) => known.person_id)}
            onChange={(part) => setPerson((old) => ({ ...old, ...part }))}
            errorAt={errorAt}
            autoFocus
          />
          <RadioGroup
            id="add-role"
            label="この事案での立場"
            required
            options={ROLES.map((code) => ({ code, label: KINSHIPS[code] ?? code }))}
            value={role}
            onChange={setRole}
            error={errorAt('add-role')}
          />
          <Select
            id="add-kinship"
            label="続柄（支援対象者から見て）"
            support="分からないときは、あとで世帯・関係に書けます。"
            value={kinship}
            empty="あとで選ぶ"
            options={Object.entries(KIN).map(([code, label]) => ({ code, label }))}
            onChange={setKinship}
            error={errorAt('add-kinship')}
          />
        </>
      )}
    </FormDialog>
  );
}

/** Whoever stays in a household with a client, by the register, and is not in the case yet. */
function Housemates({
  detail,
  today,
  onChoose,
}: {
  detail: CaseDetail;
  today: string;
  onChoose: (person: Person) => void;
}) {
  const clients = detail.persons.filter(
    (person) =>
      person.role === 'client' &&
      (levelOf(person.level) === 'read' || levelOf(person.level) === 'edit'),
  );
  const found = useQueries({
    queries: clients.map((person) => ({
      queryKey: ['person', person.person_id],
      queryFn: () => api.get<Schema<'PersonAnswer'>>(`persons/${person.person_id}`),
    })),
  });
  const inside = new Set(detail.persons.map((person) => person.person_id));
  const near = new Map<string, Stay>();
  for (const { data } of found)
    if (data)
      for (const stay of livingTogether(data, today))
        if (!inside.has(stay.person_id)) near.set(stay.person_id, stay);
  if (near.size === 0) return null;
  return (
    <Notice tone="info" title="台帳で同じ世帯の方">
      <ul className="household-people">
        {[...near.values()].map((stay) => (
          <li key={stay.person_id}>
            <span>
              <strong>{stay.name}</strong>さん{'　'}
              <span className="soft">
                {[kinshipToHead(stay), ageText(stay)].filter(Boolean).join('・')}
              </span>
            </span>
            <Button
              size="s"
              onClick={() =>
                void api.get<Schema<'PersonAnswer'>>(`persons/${stay.person_id}`).then(onChoose)
              }
            >
              この方を選ぶ<span className="visually-hidden">（{stay.name}さん）</span>
            </Button>
          </li>
        ))}
      </ul>
    </Notice>
  );
}
