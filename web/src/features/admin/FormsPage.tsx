import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import { useSession } from '../../app/session';
import type { Field, FormDefinition, FormSection } from '../../forms/definition';
import { problemText } from '../../i18n/problems';
import {
  Button,
  Card,
  ConfirmDialog,
  Dialog,
  Empty,
  FormDialog,
  Menu,
  Notice,
  PageHead,
  Select,
  Table,
  Tag,
  TextArea,
  useToast,
  type MenuEntry,
} from '../../ui';
import { dateTime } from '../cases/dates';
import { QueryState } from '../cases/parts';
import { SheetView } from '../sheet';
import { AdminTabs } from './AdminTabs';
import { FieldDialog, ListDialog, SectionDialog } from './formDialogs';
import {
  dropField,
  dropSection,
  isPublished,
  kindLabel,
  linesOf,
  moveField,
  nameOf,
  problemWords,
  putField,
  SHEETS,
  type Extension,
  type LocalForms,
  type OwnField,
  type OwnList,
  type OwnSection,
} from './localForms';
import './admin.css';
import './forms.css';

const KEY = ['admin', 'local-forms'];

type Asked =
  | { what: 'field'; field: OwnField | null; section: string }
  | { what: 'section'; section: OwnSection | null }
  | { what: 'list'; list: OwnList | null; ships: string | null }
  | { what: 'publish' }
  | { what: 'drop' }
  | { what: 'preview' };

/** 「項目の追加」: what the municipality adds to the sheets, prepared and published. */
export default function FormsPage() {
  const client = useQueryClient();
  const toast = useToast();
  const [form, setForm] = useState('intake_assessment');
  const [asked, setAsked] = useState<Asked | null>(null);
  const query = useQuery({
    queryKey: KEY,
    queryFn: ({ signal }) => api.get<LocalForms>('local-forms', undefined, signal),
  });
  const state = query.data;
  const preview = useQuery({
    queryKey: [...KEY, 'preview', form, state?.version, state?.draft?.revision],
    queryFn: ({ signal }) =>
      api.get<FormDefinition>(`local-forms/draft/forms/${form}`, undefined, signal),
    enabled: state !== undefined,
    placeholderData: (before) => (before?.id === form ? before : undefined),
  });
  const extension = state?.draft?.extension ?? state?.published;

  /** Every change is kept at once: nothing is lost when the window is closed. */
  const keep = async (next: Extension): Promise<void> => {
    try {
      const kept = await api.put<LocalForms>('local-forms/draft', {
        revision: state?.draft?.revision ?? null,
        extension: next,
      });
      client.setQueryData(KEY, kept);
    } catch (error) {
      void client.invalidateQueries({ queryKey: KEY });
      throw error;
    }
  };
  const change = (next: Extension, words: string): void => {
    keep(next).then(
      () => toast(words),
      (error: unknown) => toast(problemText(error), { tone: 'error' }),
    );
  };
  const close = () => setAsked(null);

  return (
    <>
      <PageHead
        title="項目の追加"
        actions={
          state?.draft && (
            <>
              <Button icon="trash" onClick={() => setAsked({ what: 'drop' })}>
                変更を取り消す
              </Button>
              <Button variant="primary" icon="check" onClick={() => setAsked({ what: 'publish' })}>
                公開する
              </Button>
            </>
          )
        }
      />
      <AdminTabs current="forms" />
      {!state || !extension ? (
        <Card>
          <QueryState query={query} what="追加した項目" />
        </Card>
      ) : (
        <div className="own-forms">
          <Notice tone="info">
            様式に、この自治体だけの項目・見出し・選択肢を加えられます。標準の項目は変わりません。加えたものは「公開する」までは、ほかの人には見えません。確定した記録は、確定したときの様式のまま残ります。
          </Notice>
          {state.draft && <DraftNotice state={state} draft={state.draft} />}
          <div className="own-forms__bar">
            <Select
              label="様式"
              required
              options={SHEETS}
              value={form}
              onChange={(code) => setForm(code || form)}
            />
            <Button icon="eye" onClick={() => setAsked({ what: 'preview' })}>
              仕上がりを見る
            </Button>
            <Button icon="plus" onClick={() => setAsked({ what: 'section', section: null })}>
              見出しを加える
            </Button>
          </div>
          {!preview.data ? (
            <Card>
              <QueryState query={preview} what="様式" />
            </Card>
          ) : (
            <>
              {preview.data.sections.map((section) => (
                <SectionCard
                  key={section.id}
                  section={section}
                  form={form}
                  extension={extension}
                  published={state.published}
                  onAsk={setAsked}
                  onChange={change}
                />
              ))}
              <ListsCard
                definition={preview.data}
                extension={extension}
                open={state.open_lists}
                onAsk={setAsked}
              />
            </>
          )}
          <HistoryCard state={state} />
          {asked?.what === 'field' && preview.data && (
            <FieldDialog
              field={asked.field}
              section={asked.section}
              form={form}
              definition={preview.data}
              extension={extension}
              published={state.published}
              keep={keep}
              onClose={close}
            />
          )}
          {asked?.what === 'section' && (
            <SectionDialog
              section={asked.section}
              form={form}
              extension={extension}
              keep={keep}
              onClose={close}
            />
          )}
          {asked?.what === 'list' && (
            <ListDialog
              list={asked.list}
              ships={preview.data?.lists?.find((list) => list.id === asked.ships) ?? null}
              extension={extension}
              published={state.published}
              keep={keep}
              onClose={close}
            />
          )}
          {asked?.what === 'preview' && preview.data && (
            <Dialog
              title={`${preview.data.title}の仕上がり`}
              isOpen
              onClose={close}
              width="l"
              footer={
                <Button variant="primary" autoFocus onClick={close}>
                  閉じる
                </Button>
              }
            >
              <SheetView definition={preview.data} fields={{}} showEmpty />
            </Dialog>
          )}
          {asked?.what === 'publish' && state.draft && (
            <PublishDialog
              revision={state.draft.revision}
              onClose={close}
              onDone={(next) => {
                client.setQueryData(KEY, next);
                void client.invalidateQueries({ queryKey: ['forms'] });
                toast('公開しました。開いている記録にも、すぐに加わります。');
                close();
              }}
            />
          )}
          {asked?.what === 'drop' && (
            <ConfirmDialog
              title="公開していない変更を取り消しますか"
              isOpen
              onCancel={close}
              onConfirm={() => {
                close();
                api.delete<LocalForms>('local-forms/draft').then(
                  (next) => {
                    client.setQueryData(KEY, next);
                    toast('変更を取り消しました。');
                  },
                  (error: unknown) => toast(problemText(error), { tone: 'error' }),
                );
              }}
              confirmLabel="取り消す"
              danger
            >
              <p>公開済みの項目は残ります。まだ公開していない項目と変更は、元に戻せません。</p>
            </ConfirmDialog>
          )}
        </div>
      )}
    </>
  );
}

function DraftNotice({
  state,
  draft,
}: {
  state: LocalForms;
  draft: NonNullable<LocalForms['draft']>;
}) {
  const { session } = useSession();
  const { problems } = draft;
  return (
    <Notice
      tone={problems.length > 0 ? 'warning' : 'info'}
      title={
        problems.length > 0
          ? `公開する前に直すところが${problems.length}件あります`
          : `公開していない変更があります（公開すると第${state.version + 1}版になります）`
      }
    >
      {problems.length > 0 && (
        <ul>
          {problems.map((problem) => (
            <li key={`${problem.at}-${problem.code}`}>
              {nameOf(draft.extension, problem.at)}：{problemWords(problem.code)}
            </li>
          ))}
        </ul>
      )}
      <p className="soft">
        最後の変更 {dateTime(draft.at, session.municipality.zone)}　{draft.by}
      </p>
    </Notice>
  );
}

function SectionCard({
  section,
  form,
  extension,
  published,
  onAsk,
  onChange,
}: {
  section: FormSection;
  form: string;
  extension: Extension;
  published: Extension;
  onAsk: (asked: Asked) => void;
  onChange: (next: Extension, words: string) => void;
}) {
  const own = extension.forms[form]?.sections.find((one) => one.id === section.id);
  const entries = (field: Field): MenuEntry[] => {
    const mine = extension.forms[form]?.fields.find((one) => one.id === field.id);
    if (!mine) return [];
    const put = (next: OwnField) => putField(extension, form, next);
    return [
      {
        id: 'edit',
        label: '変更する',
        icon: 'pencil',
        onSelect: () => onAsk({ what: 'field', field: mine, section: section.id }),
      },
      {
        id: 'up',
        label: '上へ',
        icon: 'up',
        onSelect: () =>
          onChange(moveField(extension, form, mine.id, -1), `「${mine.label}」を上へ移しました。`),
      },
      {
        id: 'down',
        label: '下へ',
        icon: 'down',
        onSelect: () =>
          onChange(moveField(extension, form, mine.id, 1), `「${mine.label}」を下へ移しました。`),
      },
      isPublished(published, mine.id)
        ? mine.retired
          ? {
              id: 'back',
              label: 'また使う',
              icon: 'undo',
              separator: true,
              onSelect: () =>
                onChange(put({ ...mine, retired: false }), `「${mine.label}」をまた使います。`),
            }
          : {
              id: 'retire',
              label: '廃止する',
              icon: 'lock',
              support: '書かれた値は残り、新しくは書けません',
              separator: true,
              onSelect: () =>
                onChange(put({ ...mine, retired: true }), `「${mine.label}」を廃止しました。`),
            }
        : {
            id: 'drop',
            label: '取り除く',
            icon: 'trash',
            separator: true,
            onSelect: () =>
              onChange(dropField(extension, form, mine.id), `「${mine.label}」を取り除きました。`),
          },
    ];
  };
  return (
    <Card
      title={
        <>
          {section.title} <Origin local={section.local ?? false} />
        </>
      }
      flush
      aside={
        <span className="row">
          {own && (
            <Menu
              label="見出しの操作"
              ariaLabel={`見出し「${section.title}」の操作`}
              entries={[
                {
                  id: 'edit',
                  label: '見出しを変更する',
                  icon: 'pencil',
                  onSelect: () => onAsk({ what: 'section', section: own }),
                },
                ...(isPublished(published, own.id)
                  ? []
                  : [
                      {
                        id: 'drop',
                        label: '見出しと中の項目を取り除く',
                        icon: 'trash' as const,
                        separator: true,
                        onSelect: () =>
                          onChange(
                            dropSection(extension, form, own.id),
                            `見出し「${own.title}」を取り除きました。`,
                          ),
                      },
                    ]),
              ]}
            />
          )}
          <Button
            size="s"
            icon="plus"
            onClick={() => onAsk({ what: 'field', field: null, section: section.id })}
          >
            項目を加える
            <span className="visually-hidden">（{section.title}）</span>
          </Button>
        </span>
      }
    >
      <Table
        caption={`${section.title}の項目`}
        captionHidden
        dense
        rows={section.fields}
        rowKey={(field) => field.id}
        empty={
          <Empty icon="doc" title="項目がまだありません">
            「項目を加える」から加えます。
          </Empty>
        }
        columns={[
          {
            key: 'label',
            head: '項目',
            header: true,
            cell: (field) =>
              field.local ? <strong>{field.label}</strong> : <span>{field.label}</span>,
          },
          { key: 'kind', head: '種類', cell: (field) => kindLabel(field.type) },
          {
            key: 'required',
            head: '必須',
            cell: (field) => (field.required ? '必須' : '—'),
          },
          {
            key: 'origin',
            head: '区分',
            cell: (field) => <Origin local={field.local ?? false} retired={field.retired} />,
          },
          {
            key: 'act',
            head: '操作',
            cell: (field) =>
              field.local ? (
                <Menu label="操作" ariaLabel={`${field.label}の操作`} entries={entries(field)} />
              ) : (
                <span className="soft">変更できません</span>
              ),
          },
        ]}
      />
    </Card>
  );
}

function Origin({ local, retired = false }: { local: boolean; retired?: boolean | undefined }) {
  if (retired)
    return (
      <Tag tone="grey" icon="lock" small>
        廃止
      </Tag>
    );
  return local ? (
    <Tag tone="blue" icon="star" small>
      独自
    </Tag>
  ) : (
    <Tag tone="grey" icon="lock" small>
      国様式・標準
    </Tag>
  );
}

/** A list of options in {@link ListsCard}. */
interface Row {
  id: string;
  title: string;
  options: string;
  local: boolean;
  ask: Asked;
}

function ListsCard({
  definition,
  extension,
  open,
  onAsk,
}: {
  definition: FormDefinition;
  extension: Extension;
  open: readonly string[];
  onAsk: (asked: Asked) => void;
}) {
  const rows: Row[] = [
    ...extension.lists.map((list): Row => ({
      id: list.id,
      title: list.title,
      options: linesOf(list.options).split('\n').join('、'),
      local: true,
      ask: { what: 'list', list, ships: null },
    })),
    ...(definition.lists ?? [])
      .filter((list) => open.includes(list.id))
      .map((list): Row => ({
        id: list.id,
        title: list.title,
        options: linesOf(extension.options[list.id] ?? [])
          .split('\n')
          .join('、'),
        local: false,
        ask: { what: 'list', list: null, ships: list.id },
      })),
  ];
  return (
    <Card
      title="選択肢"
      flush
      aside={
        <Button
          size="s"
          icon="plus"
          onClick={() => onAsk({ what: 'list', list: null, ships: null })}
        >
          選択肢のリストを作る
        </Button>
      }
    >
      <Table
        caption="選択肢のリスト"
        captionHidden
        dense
        rows={rows}
        rowKey={(row) => row.id}
        empty={<Empty icon="list" title="この様式に、選択肢を加えられるリストはありません" />}
        columns={[
          { key: 'title', head: 'リスト', header: true, cell: (row) => row.title },
          { key: 'origin', head: '区分', cell: (row) => <Origin local={row.local} /> },
          {
            key: 'options',
            head: '加えた選択肢',
            cell: (row) => (row.options === '' ? '—' : row.options),
          },
          {
            key: 'act',
            head: '操作',
            cell: (row) => (
              <Button size="s" icon="pencil" onClick={() => onAsk(row.ask)}>
                選択肢を変える<span className="visually-hidden">（{row.title}）</span>
              </Button>
            ),
          },
        ]}
      />
    </Card>
  );
}

function HistoryCard({ state }: { state: LocalForms }) {
  const { session } = useSession();
  const title = (id: string) => SHEETS.find((sheet) => sheet.code === id)?.label ?? id;
  return (
    <Card title="公開した版" flush>
      <Table
        caption="公開した版の一覧"
        captionHidden
        dense
        rows={state.history}
        rowKey={(made) => String(made.version)}
        empty={<Empty icon="clock" title="まだ公開した版はありません" />}
        columns={[
          { key: 'version', head: '版', header: true, cell: (made) => `第${made.version}版` },
          {
            key: 'at',
            head: '公開した日時',
            cell: (made) => dateTime(made.at, session.municipality.zone),
          },
          { key: 'by', head: '公開した人', cell: (made) => made.by },
          {
            key: 'changes',
            head: '変わったところ',
            cell: (made) =>
              [
                made.added > 0 && `追加${made.added}件`,
                made.changed > 0 && `変更${made.changed}件`,
                made.retired > 0 && `廃止${made.retired}件`,
                made.forms.map(title).join('、'),
              ]
                .filter(Boolean)
                .join('　'),
          },
          { key: 'note', head: '内容と理由', cell: (made) => made.note },
        ]}
      />
    </Card>
  );
}

function PublishDialog({
  revision,
  onClose,
  onDone,
}: {
  revision: number;
  onClose: () => void;
  onDone: (next: LocalForms) => void;
}) {
  const [note, setNote] = useState('');
  return (
    <FormDialog
      title="変更を公開しますか"
      submitLabel="公開する"
      onClose={onClose}
      labels={{ note: { id: 'publish-note', label: '内容と理由' } }}
      check={() =>
        note.trim() === ''
          ? [{ target: 'publish-note', message: '内容と理由を入力してください。' }]
          : []
      }
      save={async () => {
        onDone(await api.post<LocalForms>('local-forms/publications', { revision, note }));
      }}
    >
      {(errorAt) => (
        <>
          <p>
            公開すると、この自治体のすべての記録に加わります。公開した項目は、あとで廃止できますが、消すことはできません。
          </p>
          <TextArea
            id="publish-note"
            label="内容と理由"
            required
            autoFocus
            rows={3}
            support="版の履歴に残ります。個人の情報は書かないでください。"
            value={note}
            onChange={setNote}
            error={errorAt('publish-note')}
          />
        </>
      )}
    </FormDialog>
  );
}
