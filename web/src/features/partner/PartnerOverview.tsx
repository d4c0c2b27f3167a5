import { Link } from 'wouter';
import { useSession } from '../../app/session';
import { Card, Icon, Notice } from '../../ui';
import { useProjection, type CaseDetail, type SectionInfo } from '../cases/api';
import { dateTime } from '../cases/dates';
import { QueryState } from '../cases/parts';
import { ProgressEntry, ProgressList } from '../cases/ProgressTab';
import { levelOf, sectionLabel } from '../cases/vocabulary';
import { SheetView, useForm } from '../sheet';
import './partner.css';

const FORMS: Readonly<Record<string, string>> = {
  intake: 'intake_application',
  assessment: 'intake_assessment',
};

/**
 * The case as a masked reader sees it. Every word here comes from the server's projection; nothing
 * of the original reaches this browser, so there is nothing to hide by style.
 */
export function PartnerOverview({ detail }: { detail: CaseDetail }) {
  const progress = detail.sections.find((section) => section.section === 'progress');
  const sheets = detail.sections.filter((section) => section.section in FORMS);
  const closed = detail.sections.filter((section) => levelOf(section.level) === 'none');
  return (
    <>
      <Notice tone="mask" title="マスク済み（個人情報として取扱い）">
        氏名・住所などは［氏名1］のように伏せてあります。伏せてあっても個人情報です。印刷・転記・ほかの機関への提供はしないでください。
        主担当：{detail.lead_agency?.name ?? ''} {detail.owner?.name ?? ''}
      </Notice>
      {detail.permissions.includes('write_progress') && <ProgressEntry detail={detail} short />}
      {sheets.map((section) =>
        levelOf(section.level) === 'masked' && section.document_id ? (
          <MaskedCard
            key={section.section}
            detail={detail}
            section={section}
            documentId={section.document_id}
          />
        ) : null,
      )}
      {levelOf(progress?.level) !== 'none' && (
        <ProgressList detail={detail} section={progress} limit={3} />
      )}
      {closed.length > 0 && (
        <Card title="開示されていない記録" icon="lock">
          <ul className="partner-closed">
            {closed.map((section) => (
              <li key={section.section}>
                <Icon name="lock" size="s" />
                {sectionLabel(section.section)}　
                <span className="soft">あなたの機関には開示されていません</span>
              </li>
            ))}
          </ul>
        </Card>
      )}
    </>
  );
}

/** One sheet as its projection; newer words stand there only as 「確認中」. */
function MaskedCard({
  detail,
  section,
  documentId,
}: {
  detail: CaseDetail;
  section: SectionInfo;
  documentId: string;
}) {
  const { session } = useSession();
  const form = useForm(FORMS[section.section]);
  const query = useProjection(documentId);
  const name = sectionLabel(section.section);
  return (
    <Card
      title={`${name}（マスク済み）`}
      icon="mask"
      tone="purple"
      aside={
        <span className="soft">
          {query.data?.generated_at &&
            `${dateTime(query.data.generated_at, session.municipality.zone)} の版　`}
          <Link href={`/cases/${detail.id}/${section.section}`}>{`${name}を開く`}</Link>
        </span>
      }
    >
      {!query.data && <QueryState query={query} what={name} />}
      {query.data && !form.data && <QueryState query={form} what="様式" />}
      {query.data?.notice === 'not_scanned' && (
        <Notice tone="warning">
          まだ伏せることばの検出が終わっていません。終わると、ここに表示されます。
        </Notice>
      )}
      {query.data && form.data && query.data.notice !== 'not_scanned' && (
        <SheetView definition={form.data} fields={query.data.fields} />
      )}
    </Card>
  );
}
