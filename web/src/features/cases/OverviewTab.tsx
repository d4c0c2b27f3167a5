import { useState } from 'react';
import { Link } from 'wouter';
import { useSession } from '../../app/session';
import { Button, Card, LevelTag, Table } from '../../ui';
import { AddPersonDialog } from './AddPersonDialog';
import { personName, type CaseDetail } from './api';
import { ChargeDialog } from './ChargeDialog';
import { NextNeeds } from './course/FlowTab';
import { ageText, ago, dateTime, localDate, monthDay, wareki } from './dates';
import { ConsentChip, FlagChips } from './parts';
import { PersonDialog } from './PersonDialog';
import { SheetState } from './sheets';
import { StageDialog } from './StageDialog';
import {
  CASE_ROLES,
  genderLabel,
  KINSHIPS,
  kinshipLabel,
  levelOf,
  REPEATED,
  sectionLabel,
  stageLabel,
  urgencyLong,
} from './vocabulary';

type Open = { kind: 'stage' | 'charge' | 'add' } | { kind: 'person'; id: string };

/** 「概要」: the case in one look, and the way to each record. */
export function OverviewTab({ detail }: { detail: CaseDetail }) {
  const { session } = useSession();
  const [open, setOpen] = useState<Open | null>(null);
  const mayEdit = detail.permissions.includes('edit_case');
  const close = (): void => setOpen(null);
  const today = localDate(new Date(), session.municipality.zone);
  const consents = new Map(detail.consent.map((entry) => [entry.person_id, entry.status]));
  return (
    <>
      <Card
        title="いまの状況"
        icon="folder"
        aside={
          mayEdit && (
            <span className="row">
              <Button
                size="s"
                variant="quiet"
                icon="pencil"
                onClick={() => setOpen({ kind: 'stage' })}
              >
                段階・緊急性を変える
              </Button>
              <Button
                size="s"
                variant="quiet"
                icon="person"
                onClick={() => setOpen({ kind: 'charge' })}
              >
                主担当を変える
              </Button>
            </span>
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
      <NextNeeds detail={detail} />
      <Card
        title="対象者・関係者"
        icon="people"
        flush
        aside={
          detail.permissions.includes('add_persons') && (
            <Button size="s" icon="plus" onClick={() => setOpen({ kind: 'add' })}>
              家族・関係者を加える
            </Button>
          )
        }
      >
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
            {
              key: 'register',
              head: '台帳',
              // Whom one sees masked has no entry to open.
              cell: (person) =>
                levelOf(person.level) === 'edit' || levelOf(person.level) === 'read' ? (
                  <Button
                    size="s"
                    variant="quiet"
                    aria-label={`${personName(person)}さんの台帳を開く`}
                    onClick={() => setOpen({ kind: 'person', id: person.person_id })}
                  >
                    開く
                  </Button>
                ) : (
                  <span className="soft">—</span>
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
              key: 'state',
              head: '状態',
              cell: ({ section, sheets }) => {
                const sheet = sheets.at(-1);
                if (section === 'progress' || section === 'network') return '';
                if (!sheet) return <span className="soft">まだありません</span>;
                return (
                  <span className="row">
                    {REPEATED.has(section) && `第${sheet.number}回`}
                    <SheetState sheet={sheet} />
                  </span>
                );
              },
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
          ]}
        />
      </Card>
      {open?.kind === 'stage' && <StageDialog detail={detail} onClose={close} />}
      {open?.kind === 'charge' && <ChargeDialog detail={detail} onClose={close} />}
      {open?.kind === 'add' && <AddPersonDialog detail={detail} onClose={close} />}
      {open?.kind === 'person' && <PersonDialog id={open.id} onClose={close} />}
    </>
  );
}
