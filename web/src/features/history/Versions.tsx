import { useState } from 'react';
import { api } from '../../api/client';
import { useSession } from '../../app/session';
import {
  Button,
  Card,
  Empty,
  FormDialog,
  Icon,
  LinkButton,
  Notice,
  Table,
  Tag,
  TextInput,
  useToast,
  type Tone,
} from '../../ui';
import { QueryState } from '../cases/parts';
import { NOW, useKept, useRefresh, type Version } from './api';
import type { HistoryProps } from './DocumentHistory';
import { isNamed, momentWords, personWords, versionWords } from './words';

const TONES: Readonly<Record<Version['kind'], Tone>> = {
  now: 'plain',
  automatic: 'plain',
  final: 'blue',
  kept: 'green',
  before_restore: 'yellow',
  restored: 'purple',
};

/** The versions of a sheet: looking at one, comparing, keeping the present one. */
export function Versions({ documentId, base, mayEdit }: HistoryProps) {
  const { session } = useSession();
  const zone = session.municipality.zone;
  const query = useKept(documentId);
  const [all, setAll] = useState(false);
  const [keeping, setKeeping] = useState(false);
  const versions = query.data ?? [];
  const named = versions.filter(isNamed);
  const shown = all || named.length === 0 ? versions : named;
  const compare = (from: string, to: string) => `${base}/compare?from=${from}&to=${to}`;
  return (
    <Card
      title="残っている版"
      icon="list"
      level={3}
      flush
      aside={
        mayEdit && (
          <Button size="s" icon="plus" onClick={() => setKeeping(true)}>
            いまの版を残す
          </Button>
        )
      }
    >
      {!query.data && (
        <div className="card__body">
          <QueryState query={query} what="版" />
        </div>
      )}
      {query.data && versions.length === 0 && (
        <Empty icon="clock" title="まだ版がありません">
          書き込みがあると10分ごとに、また全員が閉じたときに、自動で残ります。
          {mayEdit && '「いまの版を残す」で、会議の前などに名前を付けて残せます。'}
        </Empty>
      )}
      {versions.length > 0 && (
        <>
          <Table
            caption="版の一覧"
            captionHidden
            rows={shown}
            rowKey={(version) => `${version.id}-${version.kind}-${version.label ?? ''}`}
            columns={[
              {
                key: 'at',
                head: '日時',
                header: true,
                cell: (version) => <span className="number">{momentWords(version.at, zone)}</span>,
              },
              {
                key: 'kind',
                head: '版',
                cell: (version) => (
                  <Tag
                    tone={TONES[version.kind]}
                    {...(version.kind === 'final' ? { icon: 'lock' as const } : {})}
                  >
                    {versionWords(version, zone, versions)}
                  </Tag>
                ),
              },
              { key: 'by', head: '残した人', cell: (version) => personWords(version.by) },
              {
                key: 'compare',
                head: <span className="visually-hidden">くらべる</span>,
                cell: (version) => (
                  <LinkButton href={compare(version.id, NOW)} size="s" variant="quiet">
                    いまとくらべる
                    <span className="visually-hidden">：{momentWords(version.at, zone)}の版</span>
                  </LinkButton>
                ),
              },
            ]}
          />
          <div className="list-foot">
            <span className="soft">
              <Icon name="info" size="s" />
              「いまとくらべる」で違いを見てから、その版に戻せます。
            </span>
            {named.length > 0 && named.length < versions.length && (
              <Button size="s" variant="text" aria-pressed={all} onClick={() => setAll(!all)}>
                {all
                  ? '名前のある版だけを表示'
                  : `自動の版も表示（${versions.length - named.length}件）`}
              </Button>
            )}
          </div>
        </>
      )}
      {keeping && <KeepDialog documentId={documentId} onClose={() => setKeeping(false)} />}
    </Card>
  );
}

const SUGGESTIONS = ['会議の前', '会議の後', '引継ぎの前', '大きく直す前'];

function KeepDialog({ documentId, onClose }: { documentId: string; onClose: () => void }) {
  const toast = useToast();
  const refresh = useRefresh(documentId);
  const [label, setLabel] = useState('');
  return (
    <FormDialog
      title="いまの版を残す"
      submitLabel="この名前で残す"
      width="s"
      onClose={onClose}
      labels={{ label: { id: 'version-label', label: '版の名前' } }}
      check={() =>
        label.trim() === ''
          ? [{ target: 'version-label', message: '「版の名前」：入力してください。' }]
          : []
      }
      save={async () => {
        await api.post(`documents/${documentId}/versions`, { label });
        toast(`「${label.trim()}」として残しました。`);
        onClose();
        void refresh();
      }}
    >
      {(errorAt) => (
        <>
          <p>いまの内容に名前を付けて残します。あとから見くらべたり、戻したりできます。</p>
          <TextInput
            id="version-label"
            label="版の名前"
            required
            maxLength={40}
            value={label}
            onChange={setLabel}
            error={errorAt('version-label')}
          />
          <div className="row" role="group" aria-label="よく使う名前">
            {SUGGESTIONS.map((words) => (
              <Button key={words} size="xs" variant="quiet" onClick={() => setLabel(words)}>
                {words}
              </Button>
            ))}
          </div>
          <Notice tone="warning">氏名・住所など、個人が分かることばは書かないでください。</Notice>
        </>
      )}
    </FormDialog>
  );
}
