import { Link } from 'wouter';
import { useSession } from '../../app/session';
import { Card, Icon, Notice } from '../../ui';
import { useProjection, type CaseDetail, type SectionInfo } from '../cases/api';
import { dateTime } from '../cases/dates';
import { QueryState } from '../cases/parts';
import { ProgressEntry, ProgressList } from '../cases/ProgressTab';
import { sheetBase, sheetName } from '../cases/sheets';
import { levelOf, SECTION_FORMS, sectionLabel } from '../cases/vocabulary';
import { SheetView, useForm } from '../sheet';
import './partner.css';

/**
 * The case as a masked reader sees it. Every word here comes from the server's projection; nothing
 * of the original reaches this browser, so there is nothing to hide by style.
 */
export function PartnerOverview({ detail }: { detail: CaseDetail }) {
  const progress = detail.sections.find((section) => section.section === 'progress');
  const sheets = detail.sections.flatMap((section) => {
    // Of repeated sheets the newest; the others are behind the tab.
    const sheet = section.section in SECTION_FORMS ? section.sheets.at(-1) : undefined;
    return sheet && levelOf(sheet.level) === 'masked' ? [{ section, sheet }] : [];
  });
  const closed = detail.sections.filter((section) => levelOf(section.level) === 'none');
  return (
    <>
      <Notice tone="mask" title="マスク済み（個人情報として取扱い）">
        氏名・住所などは［氏名1］のように伏せてあります。伏せてあっても個人情報です。印刷したものも同じ扱いです。転記やほかの機関への提供はしないでください。
        主担当：{detail.lead_agency?.name ?? ''} {detail.owner?.name ?? ''}
      </Notice>
      {detail.permissions.includes('write_progress') && <ProgressEntry detail={detail} short />}
      {sheets.map(({ section, sheet }) => (
        <MaskedCard
          key={sheet.document_id}
          detail={detail}
          section={section}
          documentId={sheet.document_id}
          number={sheet.number ?? null}
        />
      ))}
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
  number,
}: {
  detail: CaseDetail;
  section: SectionInfo;
  documentId: string;
  number: number | null;
}) {
  const { session } = useSession();
  const form = useForm(SECTION_FORMS[section.section]);
  const query = useProjection(documentId);
  const name = sheetName(section.section, number);
  return (
    <Card
      title={`${name}（マスク済み）`}
      icon="mask"
      tone="purple"
      aside={
        <span className="soft">
          {query.data?.generated_at &&
            `${dateTime(query.data.generated_at, session.municipality.zone)} の版　`}
          <Link href={sheetBase(detail, section.section, documentId)}>{`${name}を開く`}</Link>
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
