import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useSearch } from 'wouter';
import { api } from '../../../api/client';
import type { Projection, Schema } from '../../../api/types';
import { useSession } from '../../../app/session';
import { Card, Empty, LevelTag, Select } from '../../../ui';
import { MaskedText, SheetView, useForm, Withheld } from '../../sheet';
import { caseKeys, type CaseDetail } from '../api';
import { monthDay } from '../dates';
import { QueryState } from '../parts';
import { levelOf, METHODS, SECTION_FORMS, REPEATED, sectionLabel, type Level } from '../vocabulary';

type ViewAsAnswer = Omit<Schema<'ViewAs'>, 'projections'> & {
  projections: { section: string; number?: number | null; projection: Projection }[];
};

/** 「見え方の確認」: the case as one of the agencies sees it. */
export function ViewAs({ detail }: { detail: CaseDetail }) {
  const { session } = useSession();
  const others = detail.members.filter(
    (member) => member.active && member.agency.id !== session.membership.agency.id,
  );
  // The matrix links to one agency, and to one of its sections.
  const asked = new URLSearchParams(useSearch());
  const wanted = asked.get('agency');
  const section = asked.get('section');
  const [agency, setAgency] = useState(
    (others.find((member) => member.agency.id === wanted) ?? others[0])?.agency.id ?? '',
  );
  const query = useQuery({
    queryKey: caseKeys.part(detail.id, `view-as-${agency}`),
    queryFn: ({ signal }) =>
      api.get<ViewAsAnswer>(`cases/${detail.id}/view-as/${agency}`, undefined, signal),
    enabled: agency !== '',
  });
  const seen = query.data;
  const shownFor = seen?.agency.id;
  useEffect(() => {
    if (!section || shownFor !== wanted) return;
    const place =
      document.getElementById(`view-as-${section}`) ?? document.getElementById('view-as');
    place?.scrollIntoView({ block: 'start' });
    place?.focus({ preventScroll: true });
  }, [section, shownFor, wanted]);
  if (others.length === 0)
    return (
      <Empty icon="eye" title="ほかの支援機関はまだありません">
        支援機関を加えると、その機関からどう見えるかを確かめられます。
      </Empty>
    );
  const shown = seen?.case;
  return (
    <div className="stack">
      <Select
        label="どの機関からの見え方を確かめますか"
        value={agency}
        empty={null}
        options={others.map((member) => ({ code: member.agency.id, label: member.agency.name }))}
        onChange={setAgency}
      />
      {!seen && <QueryState query={query} what="見え方" />}
      {seen && !shown && (
        <Empty icon="lock" title="この機関には、事案そのものが見えません">
          一覧にも検索にも出ません。開示するには「開示の設定」で見える範囲を選びます。
        </Empty>
      )}
      {seen && shown && (
        <>
          <div id="view-as" tabIndex={-1} />
          <Card title={`${seen.agency.name}からの見え方`} icon="eye" tone="purple">
            <dl className="facts">
              <div>
                <dt>対象者</dt>
                <dd>{shown.clients.map((client) => client.display).join('、') || '表示なし'}</dd>
              </div>
              <div>
                <dt>事案名</dt>
                <dd>{shown.title || '表示なし'}</dd>
              </div>
              {detail.sections.map((section) => (
                <div key={section.section}>
                  <dt>{sectionLabel(section.section)}</dt>
                  <dd>
                    <LevelTag
                      level={levelOf(
                        shown.sections.find((other) => other.section === section.section)?.level,
                      )}
                    />
                  </dd>
                </div>
              ))}
            </dl>
          </Card>
          {seen.projections.map((entry) => (
            <ProjectionCard
              key={entry.projection.document_id}
              section={entry.section}
              number={REPEATED.has(entry.section) ? (entry.number ?? null) : null}
              projection={entry.projection}
              level={levelOf(
                shown.sections.find((other) => other.section === entry.section)?.level,
              )}
            />
          ))}
          <div id="view-as-progress" tabIndex={-1} />
          <Card title="支援経過" icon="list" flush>
            {seen.progress.length === 0 && (
              <p className="card__body soft">この機関に見える記録はありません。</p>
            )}
            {seen.progress.map((record) => (
              <div key={record.id} className="record">
                <p>
                  <strong>
                    {monthDay(record.performed_on)} {METHODS[record.method] ?? record.method}
                  </strong>{' '}
                  <span className="soft">{record.agency?.name}</span>
                </p>
                {record.content && (
                  <p className="record__text">
                    <MaskedText text={record.content} />
                  </p>
                )}
                {record.withheld && <Withheld />}
              </div>
            ))}
          </Card>
        </>
      )}
    </div>
  );
}

function ProjectionCard({
  section,
  number,
  projection,
  level,
}: {
  section: string;
  /** Which one, of sheets that are repeated. */
  number: number | null;
  projection: Projection;
  level: Level;
}) {
  const form = useForm(SECTION_FORMS[section]);
  return (
    <div id={number === null || number === 1 ? `view-as-${section}` : undefined} tabIndex={-1}>
      <Card
        title={`「${sectionLabel(section)}${number === null ? '' : ` 第${number}回`}」の見え方`}
        icon="doc"
        aside={<LevelTag level={level} />}
      >
        {projection.notice === 'not_scanned' ? (
          <p className="soft">伏せることばの検出が終わっていないため、まだ何も見えません。</p>
        ) : form.data ? (
          <SheetView definition={form.data} fields={projection.fields} />
        ) : (
          <QueryState query={form} what="様式" />
        )}
      </Card>
    </div>
  );
}
