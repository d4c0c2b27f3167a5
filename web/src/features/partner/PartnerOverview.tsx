import { Link } from 'wouter';
import { Card, Icon, Notice, Progress } from '../../ui';
import { useForm } from '../cases/fieldNames';
import type { CaseDetail, SectionInfo } from '../cases/api';
import { ProgressEntry, ProgressList } from '../cases/ProgressTab';
import { levelOf, sectionLabel } from '../cases/vocabulary';
import { MaskedSheet } from '../sheet';
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
      {detail.permissions.includes('edit_case') && <ProgressEntry detail={detail} short />}
      {sheets.map((section) =>
        levelOf(section.level) === 'masked' && section.document_id ? (
          <div key={section.section} className="partner-sheet">
            <h2>
              <Link href={`/cases/${detail.id}/${section.section}`}>
                {sectionLabel(section.section)}
              </Link>
            </h2>
            <Sheet section={section} documentId={section.document_id} />
          </div>
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

function Sheet({ section, documentId }: { section: SectionInfo; documentId: string }) {
  const form = useForm(FORMS[section.section]);
  if (!form.data) return <Progress label="様式を読み込んでいます" />;
  return <MaskedSheet documentId={documentId} definition={form.data} />;
}
