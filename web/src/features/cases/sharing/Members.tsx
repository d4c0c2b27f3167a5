import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../../api/client';
import { useSession } from '../../../app/session';
import { problemText } from '../../../i18n/problems';
import { Button, Card, ConfirmDialog, Notice, Select, Table, useToast } from '../../../ui';
import { useAgencies, type CaseDetail } from '../api';
import { localDate, monthDay } from '../dates';
import { QueryState } from '../parts';
import { CASE_ROLES } from '../vocabulary';
import { usePresets } from '../presets';
import { useConfirmed } from './confirmed';
import { RightsFields } from './RightsFields';
import { daysProblem, rightsOf, type RightsChoice } from './rights';

const NO_RIGHTS: RightsChoice = { preset: '', from: '', to: '' };

/** 「支援機関」: the agencies in the case. */
export function Members({ detail }: { detail: CaseDetail }) {
  const { session } = useSession();
  const client = useQueryClient();
  const toast = useToast();
  const agencies = useAgencies();
  const [agency, setAgency] = useState('');
  const [role, setRole] = useState('member');
  const [rights, setRights] = useState(NO_RIGHTS);
  const [error, setError] = useState<string | undefined>();
  const presets = usePresets();
  const [tried, setTried] = useState(false);
  const [removing, setRemoving] = useState<{ id: string; name: string } | null>(null);
  const today = localDate(new Date(), session.municipality.zone);
  const refresh = (): void => {
    void client.invalidateQueries({ queryKey: ['case', detail.id] });
  };
  const confirmed = useConfirmed(() => {
    setAgency('');
    setRights(NO_RIGHTS);
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
  const chosen = agencies.data?.items.find((entry) => entry.id === agency);
  const dated = chosen?.class !== 'department';
  const daysError = rights.preset && dated ? daysProblem(rights, today) : undefined;
  const writable = detail.permissions.includes('manage_members');
  const choices = (agencies.data?.items ?? [])
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
              key: 'charge',
              head: '担当者',
              cell: (member) => member.charge?.name ?? <span className="soft">—</span>,
            },
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
              setTried(true);
              if (daysError) return;
              const given = rightsOf(rights, presets.data?.items ?? [], chosen?.org_type, dated);
              const name = choices.find((entry) => entry.code === agency)?.label ?? '';
              void confirmed.run(
                (confirmation) =>
                  api.post(`cases/${detail.id}/members`, {
                    agency_id: agency,
                    role,
                    ...(given.length > 0 ? { disclosures: given } : {}),
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
            {agency !== '' && (
              <RightsFields
                label="見える範囲"
                support="「開示の設定」で、あとから決めることも、記録ごとに変えることもできます。"
                empty="あとで決める"
                choice={rights}
                onChange={setRights}
                presets={presets.data?.items ?? []}
                orgType={chosen?.org_type}
                dated={dated}
                today={today}
                error={tried ? daysError : undefined}
              />
            )}
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
