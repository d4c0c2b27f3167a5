import { useState } from 'react';
import type { Choice } from '../../ui';
import {
  Button,
  Checkbox,
  DateInput,
  Dialog,
  ErrorSummary,
  RadioGroup,
  Select,
  TextInput,
  UnreadContext,
  useUnread,
} from '../../ui';
import {
  ECO_KINDS,
  FLOWS,
  GEN_KINDS,
  NODE_KINDS,
  type Household,
  type MapNode,
  type MapTie,
  type NodeKind,
} from './model';

const choices = (words: Readonly<Record<string, string>>): Choice[] =>
  Object.entries(words).map(([code, label]) => ({ code, label }));

const SEXES: readonly Choice[] = [
  { code: '1', label: '男性' },
  { code: '2', label: '女性' },
  { code: '3', label: 'その他' },
  { code: '9', label: '不明・回答しない' },
];

/** Somebody or something of the case that can be put on the map without typing. */
export interface Candidate {
  kind: 'person' | 'agency';
  id: string;
  label: string;
  sex?: string;
  birth_date?: string;
  index?: boolean;
  deceased?: boolean;
  /** Lives with the 支援対象者, as the case has it. */
  household?: boolean;
  /** Ids under which the person was registered too, before entries were merged. */
  former?: readonly string[];
}

/** Adds or changes a person, agency or group. */
export function NodeDialog({
  node,
  candidates,
  onSave,
  onDelete,
  onClose,
}: {
  /** null: a new one. */
  node: MapNode | null;
  candidates: readonly Candidate[];
  /** `seen`: what the dialog began with; others may have changed it since. */
  onSave: (values: Omit<MapNode, 'id'>, seen: Omit<MapNode, 'id'>) => void;
  onDelete?: () => void;
  onClose: () => void;
}) {
  const [start] = useState<Omit<MapNode, 'id'>>(() => {
    const { id: _, ...values } = node ?? { id: '', kind: 'person' as NodeKind, label: '' };
    return values;
  });
  const [draft, setDraft] = useState(start);
  const [attempt, setAttempt] = useState(0);
  const set = (change: Partial<MapNode>) => setDraft((now) => ({ ...now, ...change }));
  const missing = draft.label.trim() === '';
  const unread = useUnread();
  const save = () => {
    setAttempt((number) => number + 1);
    if (!missing && unread.problems().length === 0)
      onSave({ ...draft, label: draft.label.trim() }, start);
  };
  const shown = candidates.filter((candidate) => candidate.kind === draft.kind);
  return (
    <Dialog
      title={node ? '人・機関を直す' : '人・機関を足す'}
      isOpen
      onClose={onClose}
      footer={
        <>
          {onDelete && (
            <Button variant="danger" icon="trash" onClick={onDelete}>
              図から消す
            </Button>
          )}
          <Button variant="quiet" onClick={onClose}>
            やめる
          </Button>
          <Button variant="primary" onClick={save}>
            {node ? '直す' : '足す'}
          </Button>
        </>
      }
    >
      <form
        className="stack stack--wide"
        onSubmit={(event) => {
          event.preventDefault();
          save();
        }}
      >
        <UnreadContext value={unread}>
          <ErrorSummary
            attempt={attempt}
            items={
              attempt > 0 && missing
                ? [{ target: 'map-node-label', message: '「氏名・名称」を入力してください。' }]
                : []
            }
          />
          <RadioGroup
            label="種類"
            required
            options={choices(NODE_KINDS)}
            value={draft.kind}
            onChange={(code) => {
              const kind = code as NodeKind;
              // What came with a registered person or agency does not fit another kind.
              if (!node && (draft.person_id ?? draft.agency_id)) setDraft({ kind, label: '' });
              else set({ kind });
            }}
          />
          {!node && shown.length > 0 && (
            <Select
              label="この事案の登録から選ぶ"
              support="選ぶと氏名・名称などが入ります。図だけに足すときは選ばずに入力してください。"
              options={shown.map(({ id, label }) => ({ code: id, label }))}
              value={draft.person_id ?? draft.agency_id ?? ''}
              onChange={(id) => {
                const chosen = shown.find((candidate) => candidate.id === id);
                // Nothing of the one chosen before may stay with the next.
                setDraft({
                  kind: draft.kind,
                  label: chosen?.label ?? '',
                  ...(chosen?.kind === 'person' ? { person_id: id } : {}),
                  ...(chosen?.kind === 'agency' ? { agency_id: id } : {}),
                  ...(chosen?.sex ? { sex: chosen.sex } : {}),
                  ...(chosen?.birth_date ? { birth_date: chosen.birth_date } : {}),
                  ...(chosen?.deceased ? { deceased: true } : {}),
                  ...(chosen?.index ? { index: true } : {}),
                });
              }}
            />
          )}
          <TextInput
            id="map-node-label"
            label="氏名・名称"
            required
            maxLength={200}
            value={draft.label}
            error={attempt > 0 && missing ? '「氏名・名称」を入力してください。' : undefined}
            onChange={(label) => set({ label })}
          />
          {draft.kind === 'person' && (
            <>
              <RadioGroup
                label="性別"
                options={SEXES}
                value={draft.sex ?? ''}
                onChange={(sex) => set({ sex })}
              />
              <DateInput
                label="生年月日"
                support="年だけ、年と月だけでも入力できます。"
                value={draft.birth_date ?? ''}
                onChange={(birth_date) => set({ birth_date })}
                limits={{ partial: true }}
              />
              <div>
                <Checkbox
                  label="支援対象者（二重の線で囲みます）"
                  checked={draft.index ?? false}
                  onChange={(index) => set({ index })}
                />
                <Checkbox
                  label="キーパーソン"
                  checked={draft.key_person ?? false}
                  onChange={(key_person) => set({ key_person })}
                />
                <Checkbox
                  label="死亡"
                  checked={draft.deceased ?? false}
                  onChange={(deceased) => set({ deceased })}
                />
              </div>
              {draft.deceased && (
                <DateInput
                  label="死亡した日"
                  value={draft.death_date ?? ''}
                  onChange={(death_date) => set({ death_date })}
                  limits={{ partial: true }}
                />
              )}
            </>
          )}
        </UnreadContext>
      </form>
    </Dialog>
  );
}

/** Adds or changes a tie. */
export function TieDialog({
  tie,
  nodes,
  from,
  onSave,
  onDelete,
  onClose,
}: {
  tie: MapTie | null;
  nodes: readonly MapNode[];
  /** Node that was selected when the dialog was opened. */
  from?: string | undefined;
  onSave: (values: Omit<MapTie, 'id'>, seen: Omit<MapTie, 'id'>) => void;
  onDelete?: () => void;
  onClose: () => void;
}) {
  const client = nodes.find((node) => node.index && node.id !== from)?.id ?? '';
  const [start] = useState<Omit<MapTie, 'id'>>(() => {
    const { id: _, ...values } = tie ?? {
      id: '',
      family: 'eco' as const,
      from: from ?? '',
      to: client,
      kind: 'normal',
      direction: 'to_client',
    };
    return values;
  });
  const [draft, setDraft] = useState(start);
  const [attempt, setAttempt] = useState(0);
  const set = (change: Partial<MapTie>) => setDraft((now) => ({ ...now, ...change }));
  const options = nodes.map((node) => ({ code: node.id, label: node.label }));
  const errors = [
    draft.from === '' && { target: 'map-tie-from', message: '「だれ・どこ」を選んでください。' },
    draft.to === '' && { target: 'map-tie-to', message: '「相手」を選んでください。' },
    draft.from !== '' &&
      draft.from === draft.to && {
        target: 'map-tie-to',
        message: '「相手」には別の人・機関を選んでください。',
      },
  ].filter((error) => error !== false);
  const errorAt = (target: string) =>
    attempt > 0 ? errors.find((error) => error.target === target)?.message : undefined;
  const save = () => {
    setAttempt((number) => number + 1);
    if (errors.length === 0) onSave(draft, start);
  };
  return (
    <Dialog
      title={tie ? 'つながりを直す' : 'つながりを足す'}
      isOpen
      onClose={onClose}
      footer={
        <>
          {onDelete && (
            <Button variant="danger" icon="trash" onClick={onDelete}>
              消す
            </Button>
          )}
          <Button variant="quiet" onClick={onClose}>
            やめる
          </Button>
          <Button variant="primary" onClick={save}>
            {tie ? '直す' : '足す'}
          </Button>
        </>
      }
    >
      <form
        className="stack stack--wide"
        onSubmit={(event) => {
          event.preventDefault();
          save();
        }}
      >
        <ErrorSummary attempt={attempt} items={attempt > 0 ? errors : []} />
        <Select
          id="map-tie-from"
          label="だれ・どこ"
          required
          options={options}
          value={draft.from}
          error={errorAt('map-tie-from')}
          onChange={(value) => set({ from: value })}
        />
        <Select
          id="map-tie-to"
          label="相手"
          required
          options={options}
          value={draft.to}
          error={errorAt('map-tie-to')}
          onChange={(to) => set({ to })}
        />
        <RadioGroup
          label="分類"
          required
          options={[
            { code: 'eco', label: '関わり（エコマップ）' },
            { code: 'gen', label: '家族関係' },
          ]}
          value={draft.family}
          onChange={(family) =>
            set(
              family === 'gen'
                ? { family: 'gen', kind: 'marriage', direction: 'none' }
                : { family: 'eco', kind: 'normal' },
            )
          }
        />
        <Select
          label="種類"
          required
          empty={null}
          options={choices(draft.family === 'eco' ? ECO_KINDS : GEN_KINDS)}
          value={draft.kind}
          onChange={(kind) => set({ kind })}
          support={
            draft.family === 'gen' ? '親子のときは「だれ・どこ」に親を選んでください。' : undefined
          }
        />
        {draft.family === 'eco' && (
          <>
            <RadioGroup
              label="向き"
              options={choices(FLOWS)}
              value={draft.direction ?? 'none'}
              onChange={(direction) => set({ direction })}
            />
            <TextInput
              label="頻度"
              support="例：週1回の訪問、月1回の電話"
              maxLength={200}
              value={draft.frequency ?? ''}
              onChange={(frequency) => set({ frequency })}
            />
          </>
        )}
        <TextInput
          label="メモ"
          maxLength={1000}
          value={draft.note ?? ''}
          onChange={(note) => set({ note })}
        />
      </form>
    </Dialog>
  );
}

/** Adds or changes a household: its name and who lives there. */
export function HouseholdDialog({
  household,
  nodes,
  start,
  onSave,
  onDelete,
  onClose,
}: {
  /** null: a new one. */
  household: Household | null;
  nodes: readonly MapNode[];
  /** Ids that are ticked in a new one. */
  start: readonly string[];
  onSave: (values: Omit<Household, 'id'>, seen: Omit<Household, 'id'>) => void;
  onDelete?: () => void;
  onClose: () => void;
}) {
  const [seen] = useState({
    name: household?.name ?? '',
    members: household?.members ?? [...start],
  });
  const [name, setName] = useState(seen.name);
  const [members, setMembers] = useState<readonly string[]>(seen.members);
  const [attempt, setAttempt] = useState(0);
  const people = nodes.filter((node) => node.kind === 'person' || node.kind === 'pet');
  const errors = [
    name.trim() === '' && {
      target: 'map-house-name',
      message: '「世帯の名前」を入力してください。',
    },
    members.length === 0 && {
      target: 'map-house-members',
      message: '「いっしょに暮らす人」を1人以上選んでください。',
    },
  ].filter((error) => error !== false);
  const errorAt = (target: string) =>
    attempt > 0 ? errors.find((error) => error.target === target)?.message : undefined;
  const save = () => {
    setAttempt((number) => number + 1);
    if (errors.length === 0) onSave({ name: name.trim(), members: [...members] }, seen);
  };
  return (
    <Dialog
      title={household ? '世帯を直す' : '世帯を足す'}
      isOpen
      onClose={onClose}
      footer={
        <>
          {onDelete && (
            <Button variant="danger" icon="trash" onClick={onDelete}>
              囲みを消す
            </Button>
          )}
          <Button variant="quiet" onClick={onClose}>
            やめる
          </Button>
          <Button variant="primary" onClick={save}>
            {household ? '直す' : '足す'}
          </Button>
        </>
      }
    >
      <form
        className="stack stack--wide"
        onSubmit={(event) => {
          event.preventDefault();
          save();
        }}
      >
        <ErrorSummary attempt={attempt} items={attempt > 0 ? errors : []} />
        <TextInput
          id="map-house-name"
          label="世帯の名前"
          support="例：本人世帯、長女世帯"
          required
          maxLength={200}
          value={name}
          error={errorAt('map-house-name')}
          onChange={setName}
        />
        <fieldset className="field" id="map-house-members" tabIndex={-1}>
          <legend className="field__label">
            いっしょに暮らす人 <span className="field__required">※必須</span>
          </legend>
          {people.map((node) => (
            <Checkbox
              key={node.id}
              label={node.label || '名称なし'}
              checked={members.includes(node.id)}
              onChange={(on) =>
                setMembers(
                  on ? [...members, node.id] : members.filter((member) => member !== node.id),
                )
              }
            />
          ))}
          {errorAt('map-house-members') && (
            <p className="field__error">{errorAt('map-house-members')}</p>
          )}
        </fieldset>
      </form>
    </Dialog>
  );
}
