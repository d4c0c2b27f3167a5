import { useState } from 'react';
import { api, ApiError } from '../../api/client';
import { useSession } from '../../app/session';
import { DateInput, FormDialog, Notice, Select, TextArea, useToast } from '../../ui';
import { useAgencies, type CaseDetail } from '../cases/api';
import { ConsentDialog } from '../cases/ConsentDialog';
import { localDate } from '../cases/dates';
import type { Confirmation, ConfirmationAsked } from '../cases/disclosure';
import { usePresets } from '../cases/presets';
import { DAYS_TARGET, RightsFields } from '../cases/sharing/RightsFields';
import { daysProblem, rightsOf, type RightsChoice } from '../cases/sharing/rights';
import { useColleagues, useRequestsChanged } from './api';
import { KINDS } from './words';

/** Kinds that give the other agency rights to see. */
const SHARING: readonly string[] = ['refer', 'handover_lead'];

/** Asks another agency, a colleague or the 市町村所管課. */
export function NewRequestDialog({
  detail,
  kind,
  onClose,
}: {
  detail: CaseDetail;
  kind: string;
  onClose: () => void;
}) {
  const { session } = useSession();
  const toast = useToast();
  const changed = useRequestsChanged();
  const agencies = useAgencies();
  const colleagues = useColleagues(kind === 'assign');
  const today = localDate(new Date(), session.municipality.zone);
  const [agency, setAgency] = useState('');
  const [account, setAccount] = useState('');
  const [words, setWords] = useState('');
  const [due, setDue] = useState('');
  const presets = usePresets();
  const [choice, setChoice] = useState<RightsChoice>({ preset: 'partner', from: '', to: '' });
  const [asked, setAsked] = useState<ConfirmationAsked | null>(null);
  const known = KINDS[kind];
  const fits = (entry: { id: string; class: string; active: boolean }): boolean => {
    if (!entry.active) return false;
    if (kind === 'decision') return entry.class === 'department';
    if (entry.id === detail.owner_agency.id) return false;
    if (kind === 'handover_owner') return entry.class === 'coordinator';
    return (
      entry.class !== 'department' &&
      (kind !== 'handover_lead' || entry.id !== detail.lead_agency?.id)
    );
  };
  const choices = (agencies.data?.items ?? [])
    .filter(fits)
    .map((entry) => ({ code: entry.id, label: entry.name }));
  const only = kind === 'decision' && choices.length === 1 ? choices[0]?.code : undefined;
  const to = only ?? agency;
  const name = choices.find((entry) => entry.code === to)?.label ?? '';
  const items = presets.data?.items ?? [];
  const orgType = agencies.data?.items.find((entry) => entry.id === to)?.org_type;
  const member = detail.members.some((entry) => entry.agency.id === to && entry.active);
  const gives = SHARING.includes(kind) && to !== '' && !member;
  const send = async (confirmation?: Confirmation): Promise<void> => {
    await api.post(`cases/${detail.id}/requests`, {
      kind,
      ...(kind === 'assign' ? { to_account_id: account } : { to_agency_id: to }),
      words,
      ...(due ? { due_on: due } : {}),
      // A member keeps what it has.
      ...(gives ? { disclosures: rightsOf(choice, items, orgType) } : {}),
      ...(confirmation ? { confirmation } : {}),
    });
    await changed();
    toast(
      kind === 'assign' && account === session.account.id
        ? '依頼しました。「依頼」で「担当する」を押すと決まります。'
        : '依頼しました。返事が来ると、ホームに出ます。',
    );
    onClose();
  };
  if (!known) return null;
  if (asked)
    return (
      <ConsentDialog
        asked={asked}
        what={`${name}に${known.label}`}
        onCancel={() => setAsked(null)}
        onConfirm={send}
      />
    );
  return (
    <FormDialog
      title={known.label}
      submitLabel={known.submit}
      labels={{
        to_agency_id: { id: 'request-agency', label: '相手の機関' },
        to_account_id: { id: 'request-account', label: '担当者' },
        words: { id: 'request-words', label: '依頼の内容' },
        due_on: { id: 'request-due', label: '返事の期限' },
      }}
      check={() => [
        ...(kind === 'assign' && account === ''
          ? [{ target: 'request-account', message: '担当者を選んでください。' }]
          : []),
        ...(kind !== 'assign' && to === ''
          ? [{ target: 'request-agency', message: '相手の機関を選んでください。' }]
          : []),
        ...(kind !== 'assign' && words.trim() === ''
          ? [
              {
                target: 'request-words',
                message: '何を、なぜ頼むのかを書いてください。',
              },
            ]
          : []),
        ...(gives && daysProblem(choice, today)
          ? [{ target: DAYS_TARGET, message: daysProblem(choice, today) ?? '' }]
          : []),
        ...(due !== '' && due < today
          ? [{ target: 'request-due', message: '返事の期限は、今日以後の日付にしてください。' }]
          : []),
      ]}
      save={async () => {
        try {
          await send();
        } catch (error) {
          if (error instanceof ApiError && error.code === 'consent_confirmation_required') {
            setAsked(error.body as unknown as ConfirmationAsked);
            return;
          }
          throw error;
        }
      }}
      onClose={onClose}
    >
      {(errorAt) => (
        <>
          <p className="soft">{known.support}</p>
          {kind === 'assign' ? (
            <Select
              id="request-account"
              label="担当者"
              required
              value={account}
              options={(colleagues.data?.items ?? []).map((entry) => ({
                code: entry.id,
                label: entry.id === session.account.id ? `${entry.name}（あなた）` : entry.name,
              }))}
              onChange={setAccount}
              error={errorAt('request-account')}
            />
          ) : only ? (
            <p>
              依頼先：<strong>{name}</strong>
            </p>
          ) : (
            <Select
              id="request-agency"
              label="相手の機関"
              required
              value={agency}
              options={choices}
              onChange={setAgency}
              error={errorAt('request-agency')}
            />
          )}
          {SHARING.includes(kind) &&
            to !== '' &&
            (member ? (
              <Notice tone="info">{name}は支援機関です。見える範囲は変わりません。</Notice>
            ) : (
              <RightsFields
                label="受諾されたあとに見える範囲"
                choice={choice}
                onChange={setChoice}
                presets={items}
                orgType={orgType}
                dated
                today={today}
                error={errorAt(DAYS_TARGET)}
              />
            ))}
          <TextArea
            id="request-words"
            label={kind === 'assign' ? '伝えること' : '依頼の内容'}
            required={kind !== 'assign'}
            support={
              kind === 'assign' || kind === 'decision'
                ? undefined
                : '相手には、受諾の前はこの文だけが見えます。同意のない方の氏名などは、伏せて表示されます。'
            }
            value={words}
            onChange={setWords}
            error={errorAt('request-words')}
          />
          <DateInput
            id="request-due"
            label="返事の期限"
            value={due}
            onChange={setDue}
            yearless={{ today, ahead: true }}
            error={errorAt('request-due')}
          />
        </>
      )}
    </FormDialog>
  );
}
