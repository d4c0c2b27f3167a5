import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../../api/client';
import { problemText } from '../../../i18n/problems';
import {
  Button,
  Checkbox,
  Dialog,
  Menu,
  Notice,
  TextInput,
  useToast,
  type MenuEntry,
} from '../../../ui';
import type { Desk, EntryForm, Template } from './entry';

const ORIGINS: Readonly<Record<string, string>> = {
  own: '自分のひな形',
  agency: '自機関のひな形',
  builtin: '',
};

/** All templates, one's own first; keeping one, and removing one's own. */
export function TemplatePicker({
  desk,
  caseId,
  onPick,
  onName,
  nameable,
}: {
  desk: Desk;
  caseId: string;
  onPick: (template: Template) => void;
  onName: () => void;
  nameable: boolean;
}) {
  const [removing, setRemoving] = useState(false);
  const removable = desk.templates.filter((template) => template.may_remove);
  const entries: MenuEntry[] = [
    ...desk.templates
      .filter((template) => !template.whole)
      .map((template): MenuEntry => ({
        id: template.id ?? `builtin-${template.name}`,
        label: template.name,
        ...(ORIGINS[template.origin] ? { support: ORIGINS[template.origin] } : {}),
        onSelect: () => onPick(template),
      })),
    ...(nameable
      ? [
          {
            id: 'save',
            label: 'いまの文章をひな形にする',
            icon: 'plus' as const,
            separator: true,
            onSelect: onName,
          },
        ]
      : []),
    ...(removable.length > 0
      ? [
          {
            id: 'remove',
            label: 'ひな形を消す',
            icon: 'trash' as const,
            separator: !nameable,
            onSelect: () => setRemoving(true),
          },
        ]
      : []),
  ];
  return (
    <>
      <Menu label="ひな形を使う" entries={entries} />
      {removing && (
        <RemoveTemplates templates={removable} caseId={caseId} onClose={() => setRemoving(false)} />
      )}
    </>
  );
}

function RemoveTemplates({
  templates,
  caseId,
  onClose,
}: {
  templates: readonly Template[];
  caseId: string;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: (id: string) => api.delete(`progress-templates/${id}`),
    onSuccess: () => client.invalidateQueries({ queryKey: ['progress-entry', caseId] }),
  });
  return (
    <Dialog
      title="ひな形を消す"
      isOpen
      onClose={onClose}
      footer={<Button onClick={onClose}>閉じる</Button>}
    >
      {remove.isError && (
        <Notice tone="error" live title="消せませんでした">
          {problemText(remove.error)}
        </Notice>
      )}
      <ul className="stack">
        {templates.map((template) => (
          <li key={template.id} className="row row--between">
            <span>
              {template.name} <span className="soft">{ORIGINS[template.origin]}</span>
            </span>
            <Button
              size="s"
              variant="quiet"
              icon="trash"
              onClick={() => template.id && remove.mutate(template.id)}
            >
              {template.name}を消す
            </Button>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}

/** Keeps what stands in the form as a template. */
export function SaveTemplateDialog({
  form,
  caseId,
  onClose,
}: {
  form: EntryForm;
  caseId: string;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const toast = useToast();
  const [name, setName] = useState('');
  const [shared, setShared] = useState(false);
  const [missing, setMissing] = useState(false);
  const save = useMutation({
    mutationFn: () =>
      api.post('progress-templates', {
        name: name.trim(),
        shared,
        ...(form.method ? { method: form.method } : {}),
        ...(form.title.trim() ? { title: form.title.trim() } : {}),
        content: form.content,
        log_kind: form.kinds,
        log_target: form.targets,
      }),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ['progress-entry', caseId] });
      toast('ひな形にしました。');
      onClose();
    },
  });
  const submit = (): void => {
    setMissing(name.trim() === '');
    if (name.trim() !== '' && !save.isPending) save.mutate();
  };
  return (
    <Dialog
      title="ひな形にする"
      isOpen
      onClose={onClose}
      footer={
        <>
          <Button variant="quiet" onClick={onClose}>
            やめる
          </Button>
          <Button variant="primary" busy={save.isPending} onClick={submit}>
            ひな形にする
          </Button>
        </>
      }
    >
      <div className="stack">
        {save.isError && (
          <Notice tone="error" live title="ひな形にできませんでした">
            {problemText(save.error)}
          </Notice>
        )}
        <Notice tone="warning" title="個人の情報は入れないでください">
          ひな形は、ほかの事案でも使います。氏名や住所などが文章に残っていないか確かめてください。
        </Notice>
        <TextInput
          label="ひな形の名前"
          required
          value={name}
          onChange={setName}
          maxLength={40}
          error={missing ? 'ひな形の名前を入力してください。' : undefined}
        />
        <Checkbox label="自機関のみんなで使う" checked={shared} onChange={setShared} />
        <p className="unsent__text">{form.content}</p>
      </div>
    </Dialog>
  );
}
