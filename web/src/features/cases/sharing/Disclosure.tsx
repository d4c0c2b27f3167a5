import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Link } from 'wouter';
import { api } from '../../../api/client';
import type { Schema } from '../../../api/types';
import { useSession } from '../../../app/session';
import { Button, Card, Icon, LevelTag, Notice, Table, Tag, useToast } from '../../../ui';
import { caseKeys, useAgencies, type CaseDetail } from '../api';
import { localDate } from '../dates';
import {
  cell,
  cellKey,
  changes,
  matrix,
  overlay,
  holdsOn,
  presetLevels,
  summary,
  withLevel,
  withPreset,
  type Cell,
  type Matrix,
} from '../disclosure';
import { usePresets } from '../presets';
import { useKept } from '../kept';
import { QueryState } from '../parts';
import { LEVEL_LABELS, LEVELS, levelOf, sectionLabel, widens } from '../vocabulary';
import { useConfirmed } from './confirmed';
import { DaysDialog } from './DaysDialog';
import { daysText } from './rights';

/** 「開示の設定」: what each agency may see. */
export function DisclosureEditor({ detail }: { detail: CaseDetail }) {
  const query = useQuery({
    queryKey: caseKeys.part(detail.id, 'disclosures'),
    queryFn: ({ signal }) =>
      api.get<Schema<'DisclosureMatrix'>>(`cases/${detail.id}/disclosures`, undefined, signal),
  });
  if (!query.data) return <QueryState query={query} what="開示の設定" />;
  return <MatrixForm detail={detail} saved={matrix(query.data.items)} />;
}

/** Cells changed here, over whatever the server says now. */
interface Edits {
  cells: Matrix;
  /** The matrix that the first of them was made on; null without any. */
  base: Matrix | null;
}

const NO_EDITS: Edits = { cells: new Map(), base: null };
const noEdits = (): Edits => NO_EDITS;
const hasEdits = (edits: Edits): boolean => edits.cells.size > 0;

function MatrixForm({ detail, saved }: { detail: CaseDetail; saved: Matrix }) {
  const client = useQueryClient();
  const toast = useToast();
  const { session } = useSession();
  const today = localDate(new Date(), session.municipality.zone);
  const presets = usePresets();
  const agencies = useAgencies();
  const [dated, setDated] = useState<string | null>(null);
  const [edits, setEdits] = useKept(
    `${session.account.id}/${detail.id}/disclosures`,
    noEdits,
    hasEdits,
  );
  // Cells nobody touched here follow the server.
  const draft = overlay(saved, edits.cells);
  const setDraft = (next: Matrix): void =>
    setEdits((old) => ({
      cells: new Map(
        changes(saved, next, today).map(({ agency_id, section, to, comment, days }) => [
          cellKey(agency_id, section),
          { level: to, comment, ...days },
        ]),
      ),
      base: old.base ?? saved,
    }));
  const sections = detail.sections.map((entry) => entry.section);
  const members = detail.members.filter((member) => member.active ?? member.to === null);
  const changed = changes(saved, draft, today).filter((change) =>
    members.some((member) => member.agency.id === change.agency_id),
  );
  const nothingLeft = changed.length === 0 && edits.base !== null;
  useEffect(() => {
    // Saved, taken back, or done by somebody else in the same way.
    if (nothingLeft) setEdits(noEdits);
  }, [nothingLeft, setEdits]);
  const foreign = edits.base && !nothingLeft ? changes(edits.base, saved, today) : [];
  const count = summary(changed);
  const writable = detail.permissions.includes('manage_disclosure');
  const nameOfAgency = (id: string): string =>
    detail.members.find((member) => member.agency.id === id)?.agency.name ?? id;
  const office = (id: string) => agencies.data?.items.find((entry) => entry.id === id);
  const others = foreign
    .map(
      (change) =>
        `${nameOfAgency(change.agency_id)}の「${sectionLabel(change.section)}」を${LEVEL_LABELS[change.to]}に`,
    )
    .join('、');
  const confirmed = useConfirmed(
    () => {
      setEdits(noEdits);
      toast('開示の設定を変えました。');
      void client.invalidateQueries({ queryKey: ['case', detail.id] });
    },
    others &&
      `この間に、ほかの人が開示の設定を変更しました（${others}）。共有してよいか確かめてください。`,
  );
  const what = changed
    .filter((change) => widens(change.from, change.to) || change.longer)
    .map(
      (change) =>
        `${nameOfAgency(change.agency_id)}に「${sectionLabel(change.section)}」を${daysText(change.days, today)}${LEVEL_LABELS[change.to]}で開示する`,
    )
    .join('、');
  return (
    <div className="stack">
      {confirmed.dialog}
      {dated !== null && (
        <DaysDialog
          name={nameOfAgency(dated)}
          agency={dated}
          sections={sections}
          matrix={draft}
          today={today}
          onDone={(next) => {
            setDraft(next);
            setDated(null);
          }}
          onClose={() => setDated(null)}
        />
      )}
      {confirmed.problem && (
        <Notice tone="error" live title="変えられませんでした">
          {confirmed.problem}
        </Notice>
      )}
      {others && (
        <Notice
          tone="warning"
          live
          title="ほかの人が変更しました"
          actions={
            <>
              <Button size="s" onClick={() => setEdits(noEdits)}>
                自分の変更をやめて、新しい設定にする
              </Button>
              <Button
                size="s"
                variant="quiet"
                onClick={() => setEdits((old) => ({ ...old, base: saved }))}
              >
                自分の変更を続ける
              </Button>
            </>
          }
        >
          {others}変えました。あなたの変更（{changed.length}件）はまだ保存していません。
        </Notice>
      )}
      <Card title="機関ごとに見える範囲" icon="eye" flush>
        <div className="matrix">
          <Table
            caption="機関ごとの開示の設定"
            captionHidden
            dense
            rows={members}
            rowKey={(member) => member.agency.id}
            columns={[
              {
                key: 'agency',
                head: '機関',
                header: true,
                cell: (member) => (
                  <>
                    {member.agency.name}
                    {member.agency.id === detail.lead_agency?.id && (
                      <div className="soft">主担当機関</div>
                    )}
                    {writable && member.agency.id !== session.membership.agency.id && (
                      <div className="matrix__look">
                        <Link href={seenBy(detail.id, member.agency.id)}>
                          見え方を確かめる
                          <span className="visually-hidden">（{member.agency.name}）</span>
                        </Link>
                      </div>
                    )}
                  </>
                ),
              },
              ...sections.map((section) => ({
                key: section,
                head: sectionLabel(section),
                cell: (member: (typeof members)[number]) => {
                  const now = cell(draft, member.agency.id, section);
                  const before = cell(saved, member.agency.id, section);
                  if (!writable || member.agency.id === detail.lead_agency?.id)
                    return (
                      <>
                        <LevelTag level={now.level} />
                        <CellDays cell={now} today={today} />
                      </>
                    );
                  const differs = now.level !== before.level;
                  return (
                    <>
                      <span className="select">
                        <select
                          className={`input input--select${differs ? ' is-changed' : ''}${widens(before.level, now.level) ? ' is-wider' : ''}`}
                          aria-label={`${member.agency.name}の「${sectionLabel(section)}」`}
                          value={now.level}
                          onChange={(event) =>
                            setDraft(
                              withLevel(
                                draft,
                                member.agency.id,
                                section,
                                levelOf(event.target.value),
                                today,
                              ),
                            )
                          }
                        >
                          {LEVELS.map((level) => (
                            <option key={level} value={level}>
                              {LEVEL_LABELS[level]}
                            </option>
                          ))}
                        </select>
                        <Icon name="down" size="s" />
                      </span>
                      <CellDays cell={now} today={today} />
                      {member.agency.id !== session.membership.agency.id && (
                        <div className="matrix__look">
                          <Link href={seenBy(detail.id, member.agency.id, section)}>
                            見え方
                            <span className="visually-hidden">
                              （{member.agency.name}から見た「{sectionLabel(section)}」）
                            </span>
                          </Link>
                        </div>
                      )}
                    </>
                  );
                },
              })),
              ...(writable
                ? [
                    {
                      key: 'preset',
                      head: 'まとめて',
                      cell: (member: (typeof members)[number]) =>
                        member.agency.id === detail.lead_agency?.id ? (
                          <span className="soft">—</span>
                        ) : (
                          <>
                            <span className="select">
                              <select
                                className="input input--select"
                                aria-label={`${member.agency.name}のまとめて設定`}
                                value=""
                                onChange={(event) =>
                                  setDraft(
                                    withPreset(
                                      draft,
                                      member.agency.id,
                                      sections,
                                      presetLevels(
                                        presets.data?.items.find(
                                          (preset) => preset.id === event.target.value,
                                        ),
                                        office(member.agency.id)?.org_type,
                                      ),
                                      today,
                                    ),
                                  )
                                }
                              >
                                <option value="">選ぶ</option>
                                {presets.data?.items.map((preset) => (
                                  <option key={preset.id} value={preset.id}>
                                    {preset.label}
                                  </option>
                                ))}
                              </select>
                              <Icon name="down" size="s" />
                            </span>
                            {(office(member.agency.id)?.class ?? 'department') !== 'department' && (
                              <div className="matrix__look">
                                <Button
                                  size="s"
                                  variant="quiet"
                                  onClick={() => setDated(member.agency.id)}
                                >
                                  期間を決める
                                  <span className="visually-hidden">（{member.agency.name}）</span>
                                </Button>
                              </div>
                            )}
                          </>
                        ),
                    },
                  ]
                : []),
            ]}
          />
        </div>
        {writable && (
          <div className="list-foot">
            <span role="status">
              {changed.length === 0 ? (
                <span className="soft">変更はありません</span>
              ) : (
                <>
                  変更 {changed.length}件
                  {count.wider > 0 && (
                    <>
                      　
                      <Tag tone="orange" icon="warning" small>
                        広げる {count.wider}
                      </Tag>
                    </>
                  )}
                  {count.narrower > 0 && (
                    <>
                      　<Tag small>狭める {count.narrower}</Tag>
                    </>
                  )}
                </>
              )}
            </span>
            <span className="row">
              {changed.length > 0 && (
                <Button variant="quiet" size="s" onClick={() => setEdits(noEdits)}>
                  変更をやめる
                </Button>
              )}
              <Button
                variant="primary"
                size="s"
                busy={confirmed.busy}
                reason={changed.length === 0 ? '変更すると保存できます' : undefined}
                onClick={() =>
                  void confirmed.run(
                    (confirmation) =>
                      api
                        .put<Schema<'DisclosureMatrix'>>(`cases/${detail.id}/disclosures`, {
                          // Only what was changed here: a colleague may have changed the rest.
                          entries: changed.map(({ agency_id, section, to, comment, days }) => ({
                            agency_id,
                            section,
                            level: to,
                            comment,
                            ...days,
                          })),
                          ...(confirmation ? { confirmation } : {}),
                        })
                        .then((answer) =>
                          client.setQueryData(caseKeys.part(detail.id, 'disclosures'), answer),
                        ),
                    what || '開示の設定を変える',
                  )
                }
              >
                開示の設定を保存する
              </Button>
            </span>
          </div>
        )}
      </Card>
      {writable && presets.data && (
        <details>
          <summary>まとめて設定するときのひな型（{presets.data.items.length}種類）</summary>
          <dl className="facts">
            {presets.data.items.map((preset) => (
              <div key={preset.id}>
                <dt>{preset.label}</dt>
                <dd>{preset.description}</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
      <p className="soft">
        住所秘匿の方についての記録は、許可した機関のほかはマスク済みまでになります（設定より優先します）。
      </p>
    </div>
  );
}

/** Where the case is shown as the agency sees it; with a section, at that section. */
function seenBy(caseId: string, agency: string, section?: string): string {
  return `/cases/${caseId}/sharing/view-as?agency=${agency}${section ? `&section=${section}` : ''}`;
}

/** The days of a right, where it has any. */
function CellDays({ cell: right, today }: { cell: Cell; today: string }) {
  if (right.level === 'none' || (!right.from && !right.to)) return null;
  return (
    <div className={holdsOn(right, today) ? 'soft' : 'late'}>
      {daysText(right, today)}
      {!holdsOn(right, today) && '（いまは期間外で、見えません）'}
    </div>
  );
}
