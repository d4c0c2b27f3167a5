import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { useSession } from '../../app/session';
import { FormDialog, Notice, Select, useToast } from '../../ui';
import { useColleagues } from '../requests/api';
import type { CaseDetail } from './api';
import { leads, owners } from './charge';

/** 「主担当を変える」: who looks after the case, and which agency leads. */
export function ChargeDialog({ detail, onClose }: { detail: CaseDetail; onClose: () => void }) {
  const { session } = useSession();
  const client = useQueryClient();
  const toast = useToast();
  const colleagues = useColleagues(true);
  const [owner, setOwner] = useState(detail.owner?.id ?? '');
  const [lead, setLead] = useState(detail.lead_agency?.id ?? '');
  const choices = owners(detail, session, colleagues.data?.items ?? []);
  return (
    <FormDialog
      title="主担当を変える"
      submitLabel="変更を保存する"
      labels={{
        owner_account_id: { id: 'charge-owner', label: '主担当' },
        lead_agency_id: { id: 'charge-lead', label: '主担当機関' },
      }}
      check={() => []}
      save={async () => {
        const ownerChanged = owner !== '' && owner !== detail.owner?.id;
        const leadChanged = lead !== '' && lead !== detail.lead_agency?.id;
        if (ownerChanged || leadChanged) {
          const body: Schema<'UpdateCase'> = {
            version: detail.version,
            ...(ownerChanged ? { owner_account_id: owner } : {}),
            ...(leadChanged ? { lead_agency_id: lead } : {}),
          };
          await api.patch<CaseDetail>(`cases/${detail.id}`, body);
          await client.invalidateQueries({ queryKey: ['case', detail.id] });
          void client.invalidateQueries({ queryKey: ['cases'] });
          toast('担当を変えました。');
        }
        onClose();
      }}
      onClose={onClose}
    >
      {(errorAt) => (
        <>
          <Notice tone="info">
            開示の範囲は変わりません。主担当機関にも、開示の設定のとおりに見えます。
          </Notice>
          <Select
            id="charge-owner"
            label="主担当"
            support="自機関で事案を担当できる職員から選びます。"
            value={owner}
            empty={detail.owner ? null : '未定'}
            options={choices}
            onChange={setOwner}
            error={errorAt('charge-owner')}
          />
          <Select
            id="charge-lead"
            label="主担当機関"
            support="この事案の支援機関から選びます。ほかの機関は、先に「同意・共有」で支援機関に加えてください。"
            value={lead}
            empty={detail.lead_agency ? null : '未定'}
            options={leads(detail)}
            onChange={setLead}
            error={errorAt('charge-lead')}
          />
        </>
      )}
    </FormDialog>
  );
}
