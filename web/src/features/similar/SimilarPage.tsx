import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { problemText } from '../../i18n/problems';
import { Button, Card, Empty, ErrorSummary, Notice, PageHead, Progress, TextArea } from '../../ui';
import { filterHits, noticeText, SimilarHits, type SimilarFilter } from './SimilarHits';
import { ALL, SimilarFilters } from './SimilarTools';

/** 「類似事案」 from free text. The text goes in the body of a request, never into an address. */
export default function SimilarPage() {
  const [text, setText] = useState('');
  const [attempt, setAttempt] = useState(0);
  const [error, setError] = useState<string | undefined>();
  const [filter, setFilter] = useState<SimilarFilter>(ALL);
  const search = useMutation({
    mutationFn: (words: string) => api.post<Schema<'SimilarList'>>('similar', { text: words }),
    onSuccess: () => setFilter(ALL),
  });
  const submit = (): void => {
    setAttempt((count) => count + 1);
    const length = [...text.trim()].length;
    if (length < 10) {
      setError(
        length === 0
          ? '探したい状況を入力してください。'
          : 'もう少しくわしく入力してください。10文字以上あると、似た状況を探せます。',
      );
      return;
    }
    setError(undefined);
    search.mutate(text.trim());
  };
  const hits = search.data?.hits ?? [];
  return (
    <>
      <PageHead
        title="類似事案"
        lead="状況を文で書くと、似た事案と、似ている理由を探します。検索にはマスク済みの文だけを使います。"
      />
      <div className="similar-page">
        <form
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            submit();
          }}
        >
          <ErrorSummary
            items={error ? [{ target: 'similar-text', message: error }] : []}
            attempt={attempt}
          />
          <Card title="どんな状況ですか" icon="search">
            <TextArea
              id="similar-text"
              label="状況"
              required
              rows={5}
              support="世帯、困りごと、これまでの経過などを書きます。氏名や住所は書かないでください（例：80代の母と50代のひきこもりの子。母が入院し、公共料金を滞納。訪問を断られている）。"
              value={text}
              onChange={setText}
              error={error}
              onKeyDown={(event) => {
                if (event.key === 'Enter' && event.ctrlKey && !event.nativeEvent.isComposing)
                  submit();
              }}
            />
            <div className="row similar-page__send">
              <Button type="submit" variant="primary" icon="search" busy={search.isPending}>
                似た事案を探す
              </Button>
              <span className="soft">Ctrl+Enter でも探せます</span>
            </div>
          </Card>
        </form>
        {search.isPending && <Progress label="似た事案を探しています" />}
        {search.isError && (
          <Notice tone="error" live title="探せませんでした">
            {problemText(search.error)}
          </Notice>
        )}
        {search.isSuccess && !search.isPending && (
          <>
            <p className="visually-hidden" role="status">
              {hits.length}件見つかりました
            </p>
            {hits.length > 0 && <SimilarFilters hits={hits} filter={filter} onChange={setFilter} />}
            <SimilarHits
              hits={filterHits(hits, filter)}
              emptyText={
                noticeText(search.data.notice) ??
                '状況をもう少しくわしく書くか、絞り込みを外してみてください。類似検索に使うことを認めた事案だけが対象です。'
              }
            />
          </>
        )}
        {search.isIdle && (
          <Empty icon="search" title="状況を書いて「似た事案を探す」を押してください">
            事案を開いて「類似事案」のタブを選ぶと、その事案の記録から探せます。
          </Empty>
        )}
      </div>
    </>
  );
}
