import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { problemText } from '../../i18n/problems';
import {
  Button,
  Card,
  CheckboxGroup,
  ConfirmDialog,
  Empty,
  FormDialog,
  LevelTag,
  PageHead,
  Select,
  Table,
  Tag,
  TextArea,
  TextInput,
  useToast,
} from '../../ui';
import { PRESETS_KEY, usePresets } from '../cases/presets';
import { QueryState } from '../cases/parts';
import { LEVEL_LABELS, LEVELS, levelOf, sectionLabel } from '../cases/vocabulary';
import { AdminTabs } from './AdminTabs';
import {
  presetBody,
  presetDraft,
  presetProblems,
  SECTIONS,
  type Preset,
  type PresetDraft,
} from './presets';
import './admin.css';

type Asked = { what: 'edit'; preset: Preset | null } | { what: 'remove'; preset: Preset };

/** 「開示のひな型」: what ships, and what the municipality defines itself. */
export default function PresetsPage() {
  const client = useQueryClient();
  const toast = useToast();
  const query = usePresets();
  const [asked, setAsked] = useState<Asked | null>(null);
  const [busy, setBusy] = useState(false);
  const all = query.data?.items ?? [];
  const orgTypes = query.data?.org_types ?? [];
  const own = all.filter((preset) => preset.version != null);
  const keep = (list: Schema<'DisclosurePresetList'>): void => {
    client.setQueryData(PRESETS_KEY, list);
    setAsked(null);
  };
  return (
    <>
      <PageHead
        title="開示のひな型"
        actions={
          query.data?.may_edit && (
            <Button
              variant="primary"
              icon="plus"
              onClick={() => setAsked({ what: 'edit', preset: null })}
            >
              ひな型を加える
            </Button>
          )
        }
      />
      <AdminTabs current="presets" />
      <p className="soft">
        事案の「開示の設定」で、機関ごとにまとめて選べる表です。選んだだけでは何も開示されません。保存のときに、同意などの根拠を確かめます。ひな型を変えたり消したりしても、すでに設定した事案は変わりません。
      </p>
      {!query.data && <QueryState query={query} what="開示のひな型" />}
      {query.data && (
        <div className="stack">
          <h2>この自治体のひな型</h2>
          {own.length === 0 && (
            <Empty icon="eye" title="この自治体のひな型はまだありません">
              よく使う組み合わせ（例：学校と共有する）を「ひな型を加える」で登録できます。
            </Empty>
          )}
          {own.map((preset) => (
            <PresetCard
              key={preset.id}
              preset={preset}
              orgTypes={orgTypes}
              actions={
                <span className="row">
                  <Button size="s" onClick={() => setAsked({ what: 'edit', preset })}>
                    直す<span className="visually-hidden">（{preset.label}）</span>
                  </Button>
                  <Button
                    size="s"
                    variant="quiet"
                    onClick={() => setAsked({ what: 'remove', preset })}
                  >
                    削除する<span className="visually-hidden">（{preset.label}）</span>
                  </Button>
                </span>
              }
            />
          ))}
          <h2>
            はじめからあるひな型{' '}
            <Tag tone="plain" small>
              版 {query.data.version}
            </Tag>
          </h2>
          {all
            .filter((preset) => preset.version == null)
            .map((preset) => (
              <PresetCard key={preset.id} preset={preset} orgTypes={orgTypes} />
            ))}
        </div>
      )}
      {asked?.what === 'edit' && (
        <PresetDialog
          preset={asked.preset}
          orgTypes={orgTypes}
          onDone={(list) => {
            keep(list);
            toast('ひな型を保存しました。');
          }}
          onClose={() => setAsked(null)}
        />
      )}
      {asked?.what === 'remove' && (
        <ConfirmDialog
          title={`ひな型「${asked.preset.label}」を削除しますか`}
          isOpen
          danger
          busy={busy}
          confirmLabel="削除する"
          onCancel={() => setAsked(null)}
          onConfirm={() => {
            setBusy(true);
            api
              .delete<Schema<'DisclosurePresetList'>>(`disclosure-presets/${asked.preset.id}`)
              .then(
                (list) => {
                  keep(list);
                  toast('ひな型を削除しました。');
                },
                (error: unknown) => toast(problemText(error), { tone: 'error' }),
              )
              .finally(() => setBusy(false));
          }}
        >
          <p>選べなくなるだけで、すでに設定した事案の開示は変わりません。</p>
        </ConfirmDialog>
      )}
    </>
  );
}

function PresetCard({
  preset,
  orgTypes,
  actions,
}: {
  preset: Preset;
  orgTypes: readonly Schema<'OrgType'>[];
  actions?: React.ReactNode;
}) {
  const name = (code: string): string =>
    orgTypes.find((entry) => entry.code === code)?.label ?? code;
  return (
    <Card title={preset.label} icon="eye" aside={actions} flush>
      <p className="card__body soft">{preset.description}</p>
      <Table
        caption={`ひな型「${preset.label}」の見える範囲`}
        captionHidden
        dense
        rows={preset.rows}
        rowKey={(row) => row.org_types.join(' ')}
        columns={[
          {
            key: 'who',
            head: '機関種別',
            header: true,
            cell: (row) =>
              row.org_types.length === 0
                ? preset.rows.length > 1
                  ? 'ほかの機関'
                  : 'どの機関にも'
                : row.org_types.map(name).join('、'),
          },
          ...SECTIONS.map((section) => ({
            key: section,
            head: sectionLabel(section),
            cell: (row: Preset['rows'][number]) => {
              const level = row.levels[section];
              return level ? (
                <LevelTag level={levelOf(level)} />
              ) : (
                <span className="soft">変えない</span>
              );
            },
          })),
        ]}
      />
    </Card>
  );
}

function PresetDialog({
  preset,
  orgTypes,
  onDone,
  onClose,
}: {
  preset: Preset | null;
  orgTypes: readonly Schema<'OrgType'>[];
  onDone: (list: Schema<'DisclosurePresetList'>) => void;
  onClose: () => void;
}) {
  const [draft, setDraft] = useState<PresetDraft>(() => presetDraft(preset));
  const setRow = (at: number, part: Partial<PresetDraft['rows'][number]>): void =>
    setDraft((old) => ({
      ...old,
      rows: old.rows.map((row, index) => (index === at ? { ...row, ...part } : row)),
    }));
  return (
    <FormDialog
      title={preset ? `ひな型「${preset.label}」を直す` : 'ひな型を加える'}
      submitLabel="ひな型を保存する"
      width="l"
      labels={{
        label: { id: 'preset-label', label: '名前' },
        description: { id: 'preset-description', label: '説明' },
        rows: { id: 'preset-rows', label: '見える範囲' },
      }}
      check={() => presetProblems(draft)}
      save={async () => {
        const body = presetBody(draft);
        onDone(
          preset
            ? await api.patch<Schema<'DisclosurePresetList'>>(`disclosure-presets/${preset.id}`, {
                ...body,
                version: preset.version ?? 0,
              })
            : await api.post<Schema<'DisclosurePresetList'>>('disclosure-presets', body),
        );
      }}
      onClose={onClose}
    >
      {(errorAt) => (
        <>
          <TextInput
            id="preset-label"
            label="名前"
            required
            support="例：学校と共有する"
            value={draft.label}
            autoFocus
            onChange={(label) => setDraft((old) => ({ ...old, label }))}
            error={errorAt('preset-label')}
          />
          <TextArea
            id="preset-description"
            label="説明"
            required
            rows={2}
            support="どんな機関に使い、何を見せるか。選ぶ人に表示されます。"
            value={draft.description}
            onChange={(description) => setDraft((old) => ({ ...old, description }))}
            error={errorAt('preset-description')}
          />
          <div id="preset-rows" tabIndex={-1} className="stack">
            {errorAt('preset-rows') && <p className="late">{errorAt('preset-rows')}</p>}
            {draft.rows.map((row, at) => (
              <fieldset key={row.key} className="person-block stack">
                <legend className="field__legend">
                  {at === 0 ? 'どの機関にも（下の行で挙げない機関）' : `機関種別を選んだ行 ${at}`}
                </legend>
                {at > 0 && (
                  <CheckboxGroup
                    label="機関種別"
                    options={orgTypes}
                    values={row.orgTypes}
                    onToggle={(code, on) => {
                      const next = new Set(row.orgTypes);
                      if (on) next.add(code);
                      else next.delete(code);
                      setRow(at, { orgTypes: next });
                    }}
                  />
                )}
                <div className="three">
                  {SECTIONS.map((section) => (
                    <Select
                      key={section}
                      label={sectionLabel(section)}
                      value={row.levels[section] ?? ''}
                      empty="変えない"
                      options={LEVELS.map((level) => ({ code: level, label: LEVEL_LABELS[level] }))}
                      onChange={(level) =>
                        setRow(at, { levels: { ...row.levels, [section]: level } })
                      }
                    />
                  ))}
                </div>
                {at > 0 && (
                  <div>
                    <Button
                      size="s"
                      variant="quiet"
                      onClick={() =>
                        setDraft((old) => ({
                          ...old,
                          rows: old.rows.filter((_, index) => index !== at),
                        }))
                      }
                    >
                      この行を除く
                    </Button>
                  </div>
                )}
              </fieldset>
            ))}
            <div>
              <Button
                size="s"
                icon="plus"
                onClick={() =>
                  setDraft((old) => ({
                    ...old,
                    rows: [...old.rows, { key: old.next, orgTypes: new Set<string>(), levels: {} }],
                    next: old.next + 1,
                  }))
                }
              >
                機関種別ごとの行を加える
              </Button>
            </div>
          </div>
        </>
      )}
    </FormDialog>
  );
}
