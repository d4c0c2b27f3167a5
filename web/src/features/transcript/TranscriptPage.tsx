import { useQuery } from '@tanstack/react-query';
import { api } from '../../api/client';
import type { PageProps } from '../../app/routes';
import { Empty, LinkButton, Notice } from '../../ui';
import { useCase } from '../cases/api';
import { QueryState } from '../cases/parts';
import { DraftBoard } from './DraftBoard';
import type { Transcript } from './draft';
import './transcript.css';

/** 「文字起こしからの下書き」: conversation left, draft right, numbers joining both. */
export default function TranscriptPage({ params }: PageProps) {
  const id = params['transcriptId'] ?? '';
  const query = useQuery({
    queryKey: ['transcript', id],
    queryFn: ({ signal }) => api.get<Transcript>(`transcripts/${id}`, undefined, signal),
  });
  const detail = useCase(query.data?.case_id ?? '');
  if (!query.data || (detail.isPending && query.data.case_id))
    return (
      <>
        <h1 tabIndex={-1}>文字起こしからの下書き</h1>
        <QueryState query={query} what="文字起こし" />
      </>
    );
  if (!detail.data)
    return (
      <>
        <h1 tabIndex={-1}>文字起こしからの下書き</h1>
        <QueryState query={detail} what="事案" />
      </>
    );
  if (query.data.utterances.length === 0)
    return (
      <>
        <h1 tabIndex={-1}>文字起こしからの下書き</h1>
        <Notice tone="warning" title="発言が見つかりませんでした">
          中身のあるファイルか確かめて、取り込み直してください。
        </Notice>
        <Empty
          icon="mic"
          title="下書きはありません"
          action={
            <LinkButton href={`/cases/${detail.data.id}/transcripts`}>取り込みに戻る</LinkButton>
          }
        />
      </>
    );
  return <DraftBoard key={id} transcript={query.data} detail={detail.data} />;
}
