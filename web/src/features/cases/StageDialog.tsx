import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import { useSession } from '../../app/session';
import { DateInput, FormDialog, Notice, Select, TextArea, TextInput, useToast } from '../../ui';
import type { CaseDetail } from './api';
import { useCourse } from './course/api';
import { open } from './course/course';
import { RequirementLine } from './course/FlowTab';
import { localDate } from './dates';
import { stageLabel, URGENCY_CODES, urgencyLong } from './vocabulary';

const OVER: readonly string[] = ['closed', 'referred', 'suspended'];

/** 「段階・緊急性を変える」: with what the step needs, and a reason where something is missing. */
export function StageDialog({
  detail,
  initial,
  onClose,
}: {
  detail: CaseDetail;
  /** The stage to begin with; the present one when missing. */
  initial?: string;
  onClose: () => void;
}) {
  const { session } = useSession();
  const client = useQueryClient();
  const toast = useToast();
  const course = useCourse(detail.id);
  const today = localDate(new Date(), session.municipality.zone);
  const [stage, setStage] = useState(initial ?? detail.stage);
  const [urgency, setUrgency] = useState(detail.urgency ?? '');
  const [outcome, setOutcome] = useState(detail.outcome ?? '');
  const [reason, setReason] = useState('');
  const [closedOn, setClosedOn] = useState(today);
  const changes = stage !== detail.stage;
  const step = course.data?.next.find((one) => one.stage === stage);
  const { stops, warns } = open(changes ? (step?.requirements ?? []) : []);
  const codes = [detail.stage, ...detail.next_stages];
  return (
    <FormDialog
      title="段階・緊急性を変える"
      submitLabel="変更を保存する"
      labels={{
        reason: { id: 'stage-reason', label: '理由' },
        closed_on: { id: 'stage-closed', label: '終結日' },
        outcome: { id: 'stage-outcome', label: '結果' },
      }}
      check={() => [
        ...(stops.length > 0
          ? [
              {
                target: 'stage-code',
                message: `「${stageLabel(stage)}」に進むには、必須の${stops.length}件を先に済ませてください。`,
              },
            ]
          : []),
        ...(stage === 'closed' && closedOn < detail.received_on
          ? [{ target: 'stage-closed', message: '終結日は受付日より後の日付にしてください。' }]
          : []),
        ...(warns.length > 0 && reason.trim() === ''
          ? [
              {
                target: 'stage-reason',
                message: '済んでいないことがあるまま進める理由を書いてください。',
              },
            ]
          : []),
      ]}
      save={async () => {
        let version = detail.version;
        if (urgency !== '' && urgency !== detail.urgency) {
          const changed = await api.patch<CaseDetail>(`cases/${detail.id}`, { urgency, version });
          version = changed.version;
        }
        if (changes)
          await api.post(`cases/${detail.id}/stage`, {
            stage,
            ...(OVER.includes(stage) && outcome.trim() ? { outcome: outcome.trim() } : {}),
            ...(stage === 'closed' ? { closed_on: closedOn } : {}),
            ...(reason.trim() ? { reason: reason.trim() } : {}),
            version,
          });
        await client.invalidateQueries({ queryKey: ['case', detail.id] });
        void client.invalidateQueries({ queryKey: ['cases'] });
        if (changes || urgency !== (detail.urgency ?? '')) toast('変更しました。');
        onClose();
      }}
      onClose={onClose}
    >
      {(errorAt) => (
        <>
          <Select
            id="stage-code"
            label="段階"
            value={stage}
            empty={null}
            options={codes.map((code) => ({ code, label: stageLabel(code) }))}
            onChange={setStage}
            error={errorAt('stage-code')}
          />
          {stops.length + warns.length > 0 && (
            <Notice
              tone="warning"
              title={
                stops.length > 0
                  ? `「${stageLabel(stage)}」に進む前に必要なこと`
                  : `「${stageLabel(stage)}」に進む前に確かめること`
              }
            >
              <ul className="needs">
                {[...stops, ...warns].map((one) => (
                  <RequirementLine key={one.code} caseId={detail.id} requirement={one} />
                ))}
              </ul>
            </Notice>
          )}
          {changes && (
            <TextArea
              id="stage-reason"
              label={warns.length > 0 ? 'このまま進める理由' : '理由（任意）'}
              support="段階の履歴に残ります。"
              required={warns.length > 0}
              rows={2}
              value={reason}
              onChange={setReason}
              error={errorAt('stage-reason')}
            />
          )}
          {changes && stage === 'closed' && (
            <DateInput
              id="stage-closed"
              label="終結日"
              value={closedOn}
              onChange={setClosedOn}
              limits={{ notAfter: today }}
              yearless={{ today }}
              error={errorAt('stage-closed')}
            />
          )}
          {changes && OVER.includes(stage) && (
            <TextInput
              id="stage-outcome"
              label="結果"
              support="どのように終わったかを短く。氏名は書かないでください。"
              value={outcome}
              onChange={setOutcome}
              error={errorAt('stage-outcome')}
            />
          )}
          <Select
            label="緊急性"
            value={urgency}
            options={URGENCY_CODES.map((code) => ({ code, label: urgencyLong(code) }))}
            onChange={setUrgency}
          />
        </>
      )}
    </FormDialog>
  );
}
