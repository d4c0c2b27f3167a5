import { useQuery } from '@tanstack/react-query';
import { api } from '../../api/client';
import type { DocumentInfo, Projection } from '../../api/types';
import type { PageProps } from '../../app/routes';
import { useSession } from '../../app/session';
import { useTitle } from '../../app/title';
import { useForm } from '../../forms/use-form';
import { problemText } from '../../i18n/problems';
import { Button, Empty, LinkButton, Notice, Progress } from '../../ui';
import { useCase } from '../cases/api';
import { useCourse } from '../cases/course/api';
import { sheetBase, useReferences } from '../cases/sheets';
import type { CaseDetail } from '../cases/api';
import { decided, saysAll } from './decided';
import { PaperSheet } from './PaperSheet';
import './print.css';

/** 「印刷」: a sheet as it comes out on A4, at the level at which the reader may see it. */
export default function PrintPage({ params }: PageProps) {
  const id = params['documentId'] ?? '';
  const info = useQuery({
    queryKey: ['documents', id, 'info'],
    queryFn: ({ signal }) => api.get<DocumentInfo>(`documents/${id}`, undefined, signal),
  });
  const detail = useCase(info.data?.case_id ?? '');
  const error = info.error ?? detail.error;
  if (error)
    return (
      <Empty
        page
        icon="lock"
        title="この記録は印刷できません"
        action={<LinkButton href="/cases">事案の一覧へ</LinkButton>}
      >
        {problemText(error)}
      </Empty>
    );
  if (!info.data || !detail.data) return <Progress label="記録を読み込んでいます" />;
  return <Print info={info.data} detail={detail.data} />;
}

function Print({ info, detail }: { info: DocumentInfo; detail: CaseDetail }) {
  const { session } = useSession();
  const form = useForm(info.form, info.forms_version);
  const references = useReferences(detail);
  const course = useCourse(detail.id);
  useTitle(form.data ? `${form.data.title}（印刷）` : '印刷');
  const projection = useQuery({
    // Asked for once: every time it is asked for, the audit notes a print.
    queryKey: ['print', info.id],
    queryFn: ({ signal }) =>
      api.get<Projection>(`documents/${info.id}/projection`, { print: true }, signal),
    staleTime: Infinity,
    gcTime: 0,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });
  const error = form.error ?? projection.error ?? course.error;
  if (error)
    return (
      <Notice tone="error" live>
        {problemText(error)}
      </Notice>
    );
  if (!form.data || !projection.data || !course.data)
    return <Progress label="印刷の準備をしています" />;
  const decision = course.data.decisions.find((one) => one.plan_document_id === info.id);
  const fields = decided(projection.data.fields, decision);
  const back = sheetBase(detail, info.section ?? '', info.id);
  const withheld = Object.values(projection.data.fields).some(
    (cell) =>
      cell.withheld || cell.rows?.some((row) => Object.values(row.cells).some((c) => c.withheld)),
  );
  return (
    <div className="print-page">
      <div className="print-page__bar no-print">
        <LinkButton href={back} size="s" icon="left">
          記録に戻る
        </LinkButton>
        <p className="soft">
          A4で印刷されます。印刷の画面を開いたことは監査ログに記録されています。
        </p>
        <Button variant="primary" icon="print" onClick={() => window.print()}>
          印刷する
        </Button>
      </div>
      {withheld && (
        <div className="no-print">
          <Notice tone="warning">
            印刷しない欄があります（住所秘匿、または伏せることばの確認中）。欄には「印刷しません」と入ります。
          </Notice>
        </div>
      )}
      {projection.data.notice === 'not_scanned' ? (
        <Notice tone="warning">伏せることばの検出が終わっていません。終わると印刷できます。</Notice>
      ) : (
        <PaperSheet
          definition={form.data}
          fields={fields}
          masked={projection.data.level === 'masked'}
          info={info}
          detail={detail}
          references={references}
          municipality={session.municipality.name}
          printedBy={session.account.name}
          printedAt={new Date()}
          zone={session.municipality.zone}
          decision={decision && !saysAll(fields, decision) ? decision : undefined}
        />
      )}
    </div>
  );
}
