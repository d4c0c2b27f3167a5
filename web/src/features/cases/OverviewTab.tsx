import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { api } from '../../api/client';
import { useSession } from '../../app/session';
import { problemText } from '../../i18n/problems';
import {
  Button,
  Card,
  Dialog,
  LevelTag,
  Notice,
  Select,
  Table,
  TextInput,
  useToast,
} from '../../ui';
import { personName, type CaseDetail } from './api';
import { ageText, ago, dateTime, localDate, monthDay, wareki } from './dates';
import { ConsentChip, FlagChips } from './parts';
import {
  CASE_ROLES,
  genderLabel,
  isEnded,
  KINSHIPS,
  kinshipLabel,
  sectionLabel,
  stageLabel,
  STAGES,
  URGENCY_CODES,
  urgencyLong,
} from './vocabulary';

/** 「概要」: the case in one look, and the way to each record. */
export function OverviewTab({ detail }: { detail: CaseDetail }) {
  const { session } = useSession();
  const [editing, setEditing] = useState(false);
  const today = localDate(new Date(), session.municipality.zone);
  const consents = new Map(detail.consent.map((entry) => [entry.person_id, entry.status]));
  return (
    <>
      <Card
        title="いまの状況"
        icon="folder"
        aside={
          detail.permissions.includes('edit_case') && (
            <Button size="s" variant="quiet" icon="pencil" onClick={() => setEditing(true)}>
              段階・緊急性を変える
            </Button>
          )
        }
      >
        <dl className="facts">
          <div>
            <dt>段階</dt>
            <dd>{stageLabel(detail.stage)}</dd>
          </div>
          <div>
            <dt>緊急性</dt>
            <dd>{urgencyLong(detail.urgency)}</dd>
          </div>
          <div>
            <dt>受付日</dt>
            <dd>{wareki(detail.received_on)}</dd>
          </div>
          <div>
            <dt>主担当</dt>
            <dd>{detail.owner?.name ?? '未定'}</dd>
          </div>
          <div>
            <dt>主担当機関</dt>
            <dd>{detail.lead_agency?.name ?? '未定'}</dd>
          </div>
          <div>
            <dt>最後の支援経過</dt>
            <dd>
              {detail.last_progress_on
                ? `${monthDay(detail.last_progress_on, today)}（${ago(detail.last_progress_on, today)}）`
                : '記録なし'}
            </dd>
          </div>
          <div>
            <dt>最後の更新</dt>
            <dd>{dateTime(detail.updated_at, session.municipality.zone)}</dd>
          </div>
        </dl>
      </Card>
      <Card title="対象者・関係者" icon="people" flush>
        <Table
          caption="対象者・関係者の表"
          captionHidden
          rows={detail.persons}
          rowKey={(person) => person.person_id}
          columns={[
            {
              key: 'name',
              head: '氏名',
              header: true,
              cell: (person) => (
                <>
                  <strong>{personName(person)}</strong>
                  {person.kana && <div className="soft">{person.kana}</div>}
                </>
              ),
            },
            {
              key: 'role',
              head: '立場',
              cell: (person) =>
                (person.kinship ? kinshipLabel(person.kinship) : undefined) ??
                KINSHIPS[person.role] ??
                person.role,
            },
            {
              key: 'age',
              head: '年齢・性別',
              cell: (person) =>
                [ageText(person), genderLabel(person.gender)].filter(Boolean).join('・') || '—',
            },
            {
              key: 'consent',
              head: '同意',
              cell: (person) => {
                const status = person.consent ?? consents.get(person.person_id);
                return status ? <ConsentChip status={status} /> : <span className="soft">—</span>;
              },
            },
            {
              key: 'flags',
              head: '注意',
              cell: (person) => (
                <FlagChips
                  flags={[
                    ...new Set([
                      ...(person.address_confidential ? ['dv_address'] : []),
                      ...(person.risk_flags ?? []),
                    ]),
                  ]}
                />
              ),
            },
          ]}
        />
      </Card>
      <Card title="記録" icon="list" flush>
        <Table
          caption="記録と、あなたの機関の見え方"
          captionHidden
          rows={detail.sections}
          rowKey={(section) => section.section}
          columns={[
            {
              key: 'name',
              head: '記録',
              header: true,
              cell: (section) => (
                <Link href={`/cases/${detail.id}/${section.section}`}>
                  {sectionLabel(section.section)}
                </Link>
              ),
            },
            {
              key: 'level',
              head: 'あなたの機関',
              cell: (section) => <LevelTag level={section.level} />,
            },
            {
              key: 'seen',
              head: '見られる機関',
              cell: (section) => {
                const masked = section.seen_by.filter((entry) => entry.level === 'masked').length;
                return `${section.seen_by.length}機関${masked > 0 ? `（うち${masked}機関はマスク済み）` : ''}`;
              },
            },
          ]}
        />
      </Card>
      <Card title="支援機関" icon="link" flush>
        <Table
          caption="支援機関の表"
          captionHidden
          rows={detail.members}
          rowKey={(member) => member.agency.id}
          columns={[
            { key: 'name', head: '機関', header: true, cell: (member) => member.agency.name },
            { key: 'role', head: '役割', cell: (member) => CASE_ROLES[member.role] ?? member.role },
            {
              key: 'period',
              head: '期間',
              cell: (member) =>
                `${monthDay(member.from, today)}〜${member.to ? monthDay(member.to, today) : ''}`,
            },
          ]}
        />
      </Card>
      {editing && <StageDialog detail={detail} onClose={() => setEditing(false)} />}
    </>
  );
}

function StageDialog({ detail, onClose }: { detail: CaseDetail; onClose: () => void }) {
  const client = useQueryClient();
  const toast = useToast();
  const [stage, setStage] = useState(detail.stage);
  const [urgency, setUrgency] = useState(detail.urgency ?? '');
  const [outcome, setOutcome] = useState(detail.outcome ?? '');
  const codes = detail.next_stages ? [detail.stage, ...detail.next_stages] : Object.keys(STAGES);
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
          ...(version === undefined ? {} : { version }),
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
