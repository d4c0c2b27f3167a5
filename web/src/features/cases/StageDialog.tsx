import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import { problemText } from '../../i18n/problems';
import { Button, Dialog, Notice, Select, TextInput, useToast } from '../../ui';
import type { CaseDetail } from './api';
import { isEnded, stageLabel, URGENCY_CODES, urgencyLong } from './vocabulary';

/** 「段階・緊急性を変える」. */
export function StageDialog({ detail, onClose }: { detail: CaseDetail; onClose: () => void }) {
  const client = useQueryClient();
  const toast = useToast();
  const [stage, setStage] = useState(detail.stage);
  const [urgency, setUrgency] = useState(detail.urgency ?? '');
  const [outcome, setOutcome] = useState(detail.outcome ?? '');
  const codes = [detail.stage, ...detail.next_stages];
  const save = useMutation({
    mutationFn: async () => {
      let version = detail.version;
      if (urgency !== '' && urgency !== detail.urgency) {
        const changed = await api.patch<CaseDetail>(`cases/${detail.id}`, { urgency, version });
        version = changed.version;
      }
      if (stage !== detail.stage)
        await api.post(`cases/${detail.id}/stage`, {
          stage,
          ...(outcome.trim() ? { outcome: outcome.trim() } : {}),
          version,
        });
    },
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ['case', detail.id] });
      void client.invalidateQueries({ queryKey: ['cases'] });
      toast('変更しました。');
      onClose();
    },
  });
  return (
    <Dialog
      title="段階・緊急性を変える"
      isOpen
      onClose={onClose}
      width="s"
      footer={
        <>
          <Button variant="quiet" onClick={onClose}>
            やめる
          </Button>
          <Button
            variant="primary"
            busy={save.isPending}
            onClick={() => {
              if (stage === detail.stage && urgency === (detail.urgency ?? '')) onClose();
              else save.mutate();
            }}
          >
            変更を保存する
          </Button>
        </>
      }
    >
      <div className="stack">
        {save.isError && (
          <Notice tone="error" live title="変更できませんでした">
            {problemText(save.error)}
          </Notice>
        )}
        <Select
          label="段階"
          value={stage}
          empty={null}
          options={codes.map((code) => ({ code, label: stageLabel(code) }))}
          onChange={setStage}
        />
        {stage !== detail.stage && isEnded(stage) && (
          <TextInput
            label="結果"
            support="どのように終わったかを短く。氏名は書かないでください。"
            value={outcome}
            onChange={setOutcome}
          />
        )}
        <Select
          label="緊急性"
          value={urgency}
          options={URGENCY_CODES.map((code) => ({ code, label: urgencyLong(code) }))}
          onChange={setUrgency}
        />
      </div>
    </Dialog>
  );
}
