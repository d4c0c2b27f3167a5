import { useState } from 'react';
import type { FieldType, FormDefinition, OptionList } from '../../forms/definition';
import { Checkbox, FormDialog, Notice, RadioGroup, Select, TextArea, TextInput } from '../../ui';
import {
  isChoice,
  isPublished,
  kindLabel,
  KINDS,
  linesOf,
  listChoices,
  newId,
  optionsFrom,
  PERSONS,
  protections,
  publishedCodes,
  putField,
  putList,
  putOptions,
  putSection,
  type Extension,
  type OwnField,
  type OwnList,
  type OwnSection,
} from './localForms';

type Keep = (next: Extension) => Promise<void>;

const OWN_LIST = 'own';

/** A condition of the simple form that this screen writes: a field has one value. */
function simple(condition: unknown): { field: string; value: string } {
  const { field, op, value } = (condition ?? {}) as Record<string, unknown>;
  return typeof field === 'string' && (op === 'eq' || op === 'contains')
    ? { field, value: String(value) }
    : { field: '', value: '' };
}

/** Adds a field or changes one. */
export function FieldDialog({
  field,
  section,
  form,
  definition,
  extension,
  published,
  keep,
  onClose,
}: {
  field: OwnField | null;
  section: string;
  form: string;
  definition: FormDefinition;
  extension: Extension;
  published: Extension;
  keep: Keep;
  onClose: () => void;
}) {
  const fixed = field !== null && isPublished(published, field.id);
  const [label, setLabel] = useState(field?.label ?? '');
  const [where, setWhere] = useState(field?.section ?? section);
  const [type, setType] = useState<FieldType>(field?.type ?? 'text');
  const [list, setList] = useState(field?.options ?? OWN_LIST);
  const [lines, setLines] = useState('');
  const [help, setHelp] = useState(field?.help ?? '');
  const [unit, setUnit] = useState(field?.unit ?? '');
  const [required, setRequired] = useState(field?.required ?? false);
  const [pii, setPii] = useState(field?.pii ?? '');
  const [person, setPerson] = useState(field?.person ?? 'client');
  const [secret, setSecret] = useState(field?.confidential_address ?? false);
  const [when, setWhen] = useState(simple(field?.visible_when));
  const allowed = protections(type);
  const chosen = allowed.some((one) => one.code === pii) ? pii : (allowed[0]?.code ?? 'sensitive');
  const deciding = definition.sections
    .flatMap((one) => one.fields)
    .filter((one) => one.id !== field?.id && !one.retired && !one.automatic)
    .filter((one) => one.type === 'bool' || isChoice(one.type));
  const decider = deciding.find((one) => one.id === when.field);
  const answers =
    decider?.type === 'bool'
      ? [
          { code: 'true', label: 'はい' },
          { code: 'false', label: 'いいえ' },
        ]
      : (definition.lists?.find((one) => one.id === decider?.options)?.options ?? []);

  const save = async (): Promise<void> => {
    let next = extension;
    let options = field?.options;
    if (isChoice(type) && !fixed) {
      options = list;
      if (list === OWN_LIST) {
        options = newId();
        const own = optionsFrom(lines, [], new Set());
        next = putList(next, { id: options, title: label.trim(), options: own });
      }
    }
    const condition = decider && {
      field: decider.id,
      op: decider.type === 'multiselect' ? 'contains' : 'eq',
      value: decider.type === 'bool' ? when.value === 'true' : when.value,
    };
    await keep(
      putField(next, form, {
        id: field?.id ?? newId(),
        section: where,
        label: label.trim(),
        type,
        ...(isChoice(type) && options !== undefined ? { options } : {}),
        ...(help.trim() === '' ? {} : { help: help.trim() }),
        ...(unit.trim() === '' || (type !== 'int' && type !== 'number')
          ? {}
          : { unit: unit.trim() }),
        required,
        ...(condition ? { visible_when: condition } : {}),
        pii: chosen,
        person,
        confidential_address: secret || chosen === 'address',
        retired: field?.retired ?? false,
      }),
    );
    onClose();
  };

  return (
    <FormDialog
      title={field ? `項目「${field.label}」を変更する` : '項目を加える'}
      submitLabel={field ? '変更する' : '加える'}
      width="l"
      onClose={onClose}
      check={() => [
        ...(label.trim() === ''
          ? [{ target: 'own-label', message: '項目の名前を入力してください。' }]
          : []),
        ...(isChoice(type) && !fixed && list === OWN_LIST && lines.trim() === ''
          ? [{ target: 'own-lines', message: '選択肢を1つ以上入力してください。' }]
          : []),
        ...(decider && when.value === ''
          ? [{ target: 'own-answer', message: 'どの答えのときに表示するか選んでください。' }]
          : []),
      ]}
      save={save}
    >
      {(errorAt) => (
        <>
          {fixed && (
            <Notice tone="info">
              公開済みの項目です。種類と選択肢のリストは変えられません。名前を変えても、確定した記録では元の名前のまま見えます。
            </Notice>
          )}
          <TextInput
            id="own-label"
            label="項目の名前"
            required
            autoFocus
            value={label}
            onChange={setLabel}
            error={errorAt('own-label')}
          />
          <Select
            label="見出し"
            required
            options={definition.sections.map((one) => ({ code: one.id, label: one.title }))}
            value={where}
            onChange={setWhere}
          />
          {fixed ? (
            <p>種類：{kindLabel(type)}</p>
          ) : (
            <Select
              label="種類"
              required
              options={KINDS}
              value={type}
              onChange={(code) => setType((code || type) as FieldType)}
            />
          )}
          {isChoice(type) && !fixed && (
            <>
              <Select
                label="選択肢のリスト"
                required
                options={[
                  { code: OWN_LIST, label: 'この項目のために作る' },
                  ...listChoices(extension, definition),
                ]}
                value={list}
                onChange={(code) => setList(code || OWN_LIST)}
              />
              {list === OWN_LIST && (
                <TextArea
                  id="own-lines"
                  label="選択肢"
                  required
                  rows={5}
                  support="1行に1つずつ入力します。"
                  value={lines}
                  onChange={setLines}
                  error={errorAt('own-lines')}
                />
              )}
            </>
          )}
          {(type === 'int' || type === 'number') && (
            <TextInput label="単位" support="人、回、円など" value={unit} onChange={setUnit} />
          )}
          <TextInput
            label="説明"
            support="入力する人への説明です。項目の名前の下に出ます。"
            value={help}
            onChange={setHelp}
          />
          <RadioGroup
            label="この項目に入る個人情報"
            required
            support="マスク済みで閲覧する機関に、どう伏せて見せるかが決まります。迷ったら上のほうを選びます。"
            options={allowed}
            value={chosen}
            onChange={setPii}
          />
          <Select
            label="だれのことか"
            required
            options={PERSONS}
            value={person}
            onChange={(code) => setPerson(code || person)}
          />
          <Checkbox
            label="住所秘匿の方では伏せる（居場所がわかるとき）"
            checked={secret || chosen === 'address'}
            onChange={setSecret}
          />
          <Checkbox
            label="必須にする（空欄では確定できません）"
            checked={required}
            onChange={setRequired}
          />
          <Select
            label="表示する条件になる項目"
            empty="いつも表示する"
            options={deciding.map((one) => ({ code: one.id, label: one.label }))}
            value={when.field}
            onChange={(code) => setWhen({ field: code, value: '' })}
          />
          {decider && (
            <Select
              id="own-answer"
              label={`「${decider.label}」の答え`}
              required
              options={answers}
              value={when.value}
              onChange={(value) => setWhen({ field: decider.id, value })}
              error={errorAt('own-answer')}
            />
          )}
        </>
      )}
    </FormDialog>
  );
}

/** Adds a heading or changes one. */
export function SectionDialog({
  section,
  form,
  extension,
  keep,
  onClose,
}: {
  section: OwnSection | null;
  form: string;
  extension: Extension;
  keep: Keep;
  onClose: () => void;
}) {
  const [title, setTitle] = useState(section?.title ?? '');
  const [help, setHelp] = useState(section?.help ?? '');
  return (
    <FormDialog
      title={section ? `見出し「${section.title}」を変更する` : '見出しを加える'}
      submitLabel={section ? '変更する' : '加える'}
      onClose={onClose}
      check={() =>
        title.trim() === ''
          ? [{ target: 'own-title', message: '見出しの名前を入力してください。' }]
          : []
      }
      save={async () => {
        await keep(
          putSection(extension, form, {
            id: section?.id ?? newId(),
            title: title.trim(),
            ...(help.trim() === '' ? {} : { help: help.trim() }),
          }),
        );
        onClose();
      }}
    >
      {(errorAt) => (
        <>
          <TextInput
            id="own-title"
            label="見出しの名前"
            required
            autoFocus
            support="様式のいちばん後ろに加わります。"
            value={title}
            onChange={setTitle}
            error={errorAt('own-title')}
          />
          <TextInput label="説明" value={help} onChange={setHelp} />
        </>
      )}
    </FormDialog>
  );
}

/** Makes a list, or changes the options of one; of a list that ships only those added. */
export function ListDialog({
  list,
  ships,
  extension,
  published,
  keep,
  onClose,
}: {
  list: OwnList | null;
  ships: OptionList | null;
  extension: Extension;
  published: Extension;
  keep: Keep;
  onClose: () => void;
}) {
  const before = ships ? (extension.options[ships.id] ?? []) : (list?.options ?? []);
  const [title, setTitle] = useState(list?.title ?? '');
  const [lines, setLines] = useState(linesOf(before));
  return (
    <FormDialog
      title={
        ships
          ? `「${ships.title}」に選択肢を加える`
          : list
            ? `「${list.title}」の選択肢を変える`
            : '選択肢のリストを作る'
      }
      submitLabel="この内容にする"
      onClose={onClose}
      check={() => [
        ...(!ships && title.trim() === ''
          ? [{ target: 'own-list', message: 'リストの名前を入力してください。' }]
          : []),
        ...(!ships && lines.trim() === ''
          ? [{ target: 'own-options', message: '選択肢を1つ以上入力してください。' }]
          : []),
      ]}
      save={async () => {
        const options = optionsFrom(lines, before, publishedCodes(published));
        await keep(
          ships
            ? putOptions(extension, ships.id, options)
            : putList(extension, { id: list?.id ?? newId(), title: title.trim(), options }),
        );
        onClose();
      }}
    >
      {(errorAt) => (
        <>
          {ships && (
            <p>
              標準の選択肢：
              {ships.options
                .filter((option) => !option.local)
                .map((option) => option.label)
                .join('、')}
            </p>
          )}
          {!ships && (
            <TextInput
              id="own-list"
              label="リストの名前"
              required
              autoFocus
              value={title}
              onChange={setTitle}
              error={errorAt('own-list')}
            />
          )}
          <TextArea
            id="own-options"
            label={ships ? '加える選択肢' : '選択肢'}
            required={!ships}
            rows={8}
            support="1行に1つずつ入力します。公開した選択肢の行を消すと、その選択肢は廃止になります（選んである記録には残ります）。言い換えるときも、元の選択肢は廃止になり、新しい選択肢が加わります。"
            value={lines}
            onChange={setLines}
            error={errorAt('own-options')}
          />
        </>
      )}
    </FormDialog>
  );
}
