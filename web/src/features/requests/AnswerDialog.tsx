import { useState } from 'react';
import { api } from '../../api/client';
import { useSession } from '../../app/session';
import { DateInput, FormDialog, Notice, TextArea, TextInput, useToast } from '../../ui';
import { localDate } from '../cases/dates';
import { useRequestsChanged, type CaseRequest } from './api';
import { actLabel } from './words';

/** What the act does, said before it is done. */
function effect(request: CaseRequest, act: string): string | null {
  if (act === 'withdraw')
    return '相手には「取下げ」と伝わります。支援機関でない相手には、依頼の内容は見えなくなります。';
  if (act === 'decline')
    return request.kind === 'decision'
      ? '事案の段階は「プラン作成中」に戻ります。'
      : '理由は依頼した側に伝わります。';
  if (act === 'complete')
    return request.kind === 'decision'
      ? '事案の段階は「支援決定」になります。'
      : 'この依頼についてのやりとりを終えます。支援機関であることは変わりません。';
  switch (request.kind) {
    case 'refer':
      return '受諾すると、あなたの機関が支援機関になり、事案が見えるようになります。';
    case 'handover_lead':
      return '受諾すると、あなたの機関が主担当機関になります。';
    case 'handover_owner':
      return '受諾すると、事案はあなたの機関のものになり、あなたが担当者になります。';
    default:
      return '受けると、あなたが担当者になります。';
  }
}

/** Answers a request, takes it back, or says that it is done. */
export function AnswerDialog({
  request,
  act,
  onClose,
}: {
  request: CaseRequest;
  act: string;
  onClose: () => void;
}) {
  const { session } = useSession();
  const toast = useToast();
  const changed = useRequestsChanged();
  const today = localDate(new Date(), session.municipality.zone);
  const decides = request.kind === 'decision' && act === 'complete';
  const [words, setWords] = useState('');
  const [day, setDay] = useState(today);
  const [number, setNumber] = useState('');
  const [approver, setApprover] = useState(session.account.name);
  const label = actLabel(request, act);
  const said = effect(request, act);
  return (
    <FormDialog
      title={label}
      submitLabel={label}
      labels={{
        words: { id: 'answer-words', label: '伝えること' },
        'decision.decided_on': { id: 'answer-day', label: '支援決定日' },
        'decision.document_no': { id: 'answer-number', label: '文書番号' },
        'decision.approver': { id: 'answer-approver', label: '決裁者' },
      }}
      check={() => [
        ...(decides && day === ''
          ? [{ target: 'answer-day', message: '支援決定日を入力してください。' }]
          : []),
        ...(decides && number.trim() === ''
          ? [{ target: 'answer-number', message: '文書番号を入力してください。' }]
          : []),
        ...(decides && approver.trim() === ''
          ? [{ target: 'answer-approver', message: '決裁者を入力してください。' }]
          : []),
        ...(act === 'decline' && words.trim() === ''
          ? [{ target: 'answer-words', message: '理由を書いてください。依頼した側に伝わります。' }]
          : []),
      ]}
      save={async () => {
        await api.post(`requests/${request.id}/answer`, {
          act,
          words,
          ...(decides ? { decision: { decided_on: day, document_no: number, approver } } : {}),
        });
        await changed();
        toast(`記録しました：${label}`);
        onClose();
      }}
      onClose={onClose}
    >
      {(errorAt) => (
        <>
          {said && <Notice tone="info">{said}</Notice>}
          {decides && (
            <>
              <DateInput
                id="answer-day"
                label="支援決定日"
                required
                value={day}
                onChange={setDay}
                limits={{ notAfter: today }}
                yearless={{ today }}
                error={errorAt('answer-day')}
              />
              <TextInput
                id="answer-number"
                label="文書番号"
                required
                support="例：青福第123号"
                value={number}
                onChange={setNumber}
                error={errorAt('answer-number')}
              />
              <TextInput
                id="answer-approver"
                label="決裁者"
                required
                support="職名と氏名。例：福祉部長 青葉 花子"
                value={approver}
                onChange={setApprover}
                error={errorAt('answer-approver')}
              />
            </>
          )}
          <TextArea
            id="answer-words"
            label={act === 'decline' ? '理由' : '伝えること'}
            required={act === 'decline'}
            rows={3}
            value={words}
            onChange={setWords}
            error={errorAt('answer-words')}
          />
        </>
      )}
    </FormDialog>
  );
}
