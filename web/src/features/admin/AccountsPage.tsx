import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import { useSession } from '../../app/session';
import { labelOf, ROLES } from '../../i18n/glossary';
import { problemText } from '../../i18n/problems';
import {
  Button,
  ConfirmDialog,
  DateInput,
  Empty,
  FormDialog,
  Menu,
  PageHead,
  Select,
  Table,
  Tag,
  TextInput,
  useToast,
  type SummaryItem,
} from '../../ui';
import type { Schema } from '../../api/types';
import { localDate } from '../cases/dates';
import { QueryState } from '../cases/parts';
import { PROFESSIONS, ROLES_BY_CLASS, type Account, type Agency, type Membership } from './api';
import { AdminTabs } from './AdminTabs';
import { Slip, type Issued } from './Slip';
import './admin.css';

type Asked =
  | { kind: 'stop' | 'reactivate' | 'reset-password' | 'reset-second-factor'; account: Account }
  | { kind: 'membership-stop' | 'membership-reactivate'; account: Account; membership: Membership };

type Editing =
  | { kind: 'new' }
  | { kind: 'account'; account: Account }
  | { kind: 'membership'; account: Account; membership: Membership | null };

/** One-time passwords come under this name from create and from both resets. */
interface IssuedAnswer {
  one_time_password?: string;
  account?: Account;
}

/** 「利用者と所属」: one row per account with its hats; every act asks first and says what follows. */
export default function AccountsPage() {
  const { session, can } = useSession();
  const client = useQueryClient();
  const toast = useToast();
  const accounts = useQuery({
    queryKey: ['admin', 'accounts'],
    queryFn: ({ signal }) => api.get<Schema<'AccountList'>>('accounts', undefined, signal),
  });
  const memberships = useQuery({
    queryKey: ['admin', 'memberships'],
    queryFn: ({ signal }) => api.get<Schema<'MembershipList'>>('memberships', undefined, signal),
  });
  const agencies = useQuery({
    queryKey: ['admin', 'agencies'],
    queryFn: ({ signal }) => api.get<Schema<'AgencyList'>>('agencies', undefined, signal),
  });
  const [words, setWords] = useState('');
  const [agency, setAgency] = useState('');
  const [state, setState] = useState('');
  const [asked, setAsked] = useState<Asked | null>(null);
  const [editing, setEditing] = useState<Editing | null>(null);
  const [issued, setIssued] = useState<Issued | null>(null);
  const [busy, setBusy] = useState(false);
  const today = localDate(new Date(), session.municipality.zone);

  const hats = (account: Account): readonly Membership[] => {
    const own = (memberships.data?.items ?? []).filter((entry) => entry.account_id === account.id);
    return own.length > 0 ? own : (account.memberships ?? []);
  };
  const plain = words.normalize('NFKC').replace(/\s/g, '').toLowerCase();
  const rows = (accounts.data?.items ?? []).filter((account) => {
    const text = `${account.name}${account.kana ?? ''}${account.login_id}`
      .normalize('NFKC')
      .replace(/\s/g, '')
      .toLowerCase();
    return (
      (plain === '' || text.includes(plain)) &&
      (agency === '' || hats(account).some((entry) => entry.agency.id === agency)) &&
      (state === '' || (state === 'active') === account.active)
    );
  });
  const refresh = (): Promise<void> => client.invalidateQueries({ queryKey: ['admin'] });

  const act = async (): Promise<void> => {
    if (!asked || busy) return;
    setBusy(true);
    try {
      const membership = 'membership' in asked ? asked.membership : null;
      const path = membership
        ? `memberships/${membership.id}/${asked.kind.replace('membership-', '')}`
        : `accounts/${asked.account.id}/${asked.kind}`;
      const answer = await api.post<IssuedAnswer | undefined>(path);
      if (answer?.one_time_password)
        setIssued({
          name: asked.account.name,
          loginId: asked.account.login_id,
          password: answer.one_time_password,
          enrol: asked.kind === 'reset-second-factor' || !asked.account.enrolled,
        });
      else toast(DONE[asked.kind]);
      setAsked(null);
      await refresh();
    } catch (error) {
      toast(problemText(error), { tone: 'error' });
      setAsked(null);
    } finally {
      setBusy(false);
    }
  };

  return (
    <>
      <PageHead
        title="利用者と所属"
        lead={
          can('admin_accounts')
            ? session.municipality.name
            : `${session.membership.agency.name} の利用者`
        }
        actions={
          <Button variant="primary" icon="plus" onClick={() => setEditing({ kind: 'new' })}>
            利用者を登録する
          </Button>
        }
      />
      <AdminTabs current="accounts" />
      <div className="card">
        <div className="filters">
          <div className="filters__grow">
            <TextInput
              label="氏名・かな・ログインIDで絞り込む"
              type="search"
              value={words}
              onChange={setWords}
            />
          </div>
          <Select
            label="機関"
            value={agency}
            empty="すべて"
            options={(agencies.data?.items ?? []).map((entry) => ({
              code: entry.id,
              label: entry.name,
            }))}
            onChange={setAgency}
          />
          <Select
            label="状態"
            value={state}
            empty="すべて"
            options={[
              { code: 'active', label: '利用中' },
              { code: 'stopped', label: '停止中' },
            ]}
            onChange={setState}
          />
        </div>
        {!accounts.data && (
          <div className="card__body">
            <QueryState query={accounts} what="利用者" />
          </div>
        )}
        {accounts.data && (
          <>
            <p className="visually-hidden" role="status">{`${rows.length}人`}</p>
            <Table
              caption="利用者"
              captionHidden
              rows={rows}
              rowKey={(account) => account.id}
              empty={
                <Empty
                  icon="people"
                  title={
                    words || agency || state
                      ? '条件に合う利用者はいません'
                      : '利用者がまだ登録されていません'
                  }
                >
                  「利用者を登録する」から加えます。
                </Empty>
              }
              columns={[
                {
                  key: 'name',
                  head: '氏名・ログインID',
                  header: true,
                  cell: (account) => (
                    <>
                      <strong>{account.name}</strong>
                      <div className="soft">
                        <code>{account.login_id}</code>
                        {account.profession && `　${labelOf(PROFESSIONS, account.profession)}`}
                      </div>
                    </>
                  ),
                },
                {
                  key: 'hats',
                  head: '所属と役割',
                  cell: (account) => (
                    <Hats
                      account={account}
                      list={hats(account)}
                      today={today}
                      onEdit={(membership) =>
                        setEditing({ kind: 'membership', account, membership })
                      }
                      onAsk={(kind, membership) => setAsked({ kind, account, membership })}
                    />
                  ),
                },
                {
                  key: 'state',
                  head: '状態',
                  cell: (account) => (
                    <span className="chips">
                      {account.active ? (
                        <Tag tone="green" icon="check" small>
                          利用中
                        </Tag>
                      ) : (
                        <Tag tone="grey" icon="lock" small>
                          停止中
                        </Tag>
                      )}
                      {!account.enrolled && (
                        <Tag tone="yellow" icon="clock" small>
                          認証 未登録
                        </Tag>
                      )}
                      {account.must_change_password && (
                        <Tag tone="yellow" icon="clock" small>
                          一時パスワード
                        </Tag>
                      )}
                    </span>
                  ),
                },
                {
                  key: 'act',
                  head: '操作',
                  cell: (account) => (
                    <Menu
                      label="操作"
                      ariaLabel={`${account.name}さんの操作`}
                      entries={[
                        {
                          id: 'edit',
                          label: '変更する',
                          icon: 'pencil',
                          onSelect: () => setEditing({ kind: 'account', account }),
                        },
                        {
                          id: 'hat',
                          label: '所属を加える',
                          icon: 'plus',
                          onSelect: () =>
                            setEditing({ kind: 'membership', account, membership: null }),
                        },
                        {
                          id: 'factor',
                          label: '認証を再設定する',
                          support: 'スマートフォンをなくしたとき',
                          icon: 'shield',
                          separator: true,
                          onSelect: () => setAsked({ kind: 'reset-second-factor', account }),
                        },
                        {
                          id: 'password',
                          label: 'パスワードを再設定する',
                          support: '一時パスワードを発行します',
                          icon: 'refresh',
                          onSelect: () => setAsked({ kind: 'reset-password', account }),
                        },
                        account.active
                          ? {
                              id: 'stop',
                              label: '停止する',
                              icon: 'lock',
                              separator: true,
                              onSelect: () => setAsked({ kind: 'stop', account }),
                            }
                          : {
                              id: 'reactivate',
                              label: '再開する',
                              icon: 'check',
                              separator: true,
                              onSelect: () => setAsked({ kind: 'reactivate', account }),
                            },
                      ]}
                    />
                  ),
                },
              ]}
            />
          </>
        )}
      </div>
      {asked && (
        <ConfirmDialog
          title={TITLES[asked.kind](asked.account.name)}
          isOpen
          onCancel={() => setAsked(null)}
          onConfirm={() => void act()}
          confirmLabel={LABELS[asked.kind]}
          danger={asked.kind === 'stop' || asked.kind === 'membership-stop'}
          busy={busy}
        >
          <p>
            {'membership' in asked &&
              `${asked.membership.agency.name}（${labelOf(ROLES, asked.membership.role)}）。`}
            {FOLLOWS[asked.kind]}
          </p>
        </ConfirmDialog>
      )}
      {editing?.kind === 'new' && (
        <NewAccount
          agencies={(agencies.data?.items ?? []).filter((entry) => entry.active)}
          today={today}
          onClose={() => setEditing(null)}
          onDone={(made) => {
            setEditing(null);
            setIssued(made);
            void refresh();
          }}
        />
      )}
      {editing?.kind === 'account' && (
        <EditAccount
          account={editing.account}
          onClose={() => setEditing(null)}
          onDone={() => {
            setEditing(null);
            toast('変更しました。');
            void refresh();
          }}
        />
      )}
      {editing?.kind === 'membership' && (
        <EditMembership
          account={editing.account}
          membership={editing.membership}
          agencies={(agencies.data?.items ?? []).filter((entry) => entry.active)}
          today={today}
          onClose={() => setEditing(null)}
          onDone={() => {
            toast(editing.membership ? '所属を変更しました。' : '所属を加えました。');
            setEditing(null);
            void refresh();
          }}
        />
      )}
      {issued && <Slip issued={issued} onClose={() => setIssued(null)} />}
    </>
  );
}

const TITLES: Readonly<Record<Asked['kind'], (name: string) => string>> = {
  stop: (name) => `${name}さんを停止しますか`,
  reactivate: (name) => `${name}さんを再開しますか`,
  'reset-password': (name) => `${name}さんのパスワードを再設定しますか`,
  'reset-second-factor': (name) => `${name}さんの認証を再設定しますか`,
  'membership-stop': (name) => `${name}さんの所属を停止しますか`,
  'membership-reactivate': (name) => `${name}さんの所属を再開しますか`,
};

const LABELS: Readonly<Record<Asked['kind'], string>> = {
  stop: '停止する',
  reactivate: '再開する',
  'reset-password': '再設定する',
  'reset-second-factor': '再設定する',
  'membership-stop': '所属を停止する',
  'membership-reactivate': '所属を再開する',
};

const FOLLOWS: Readonly<Record<Asked['kind'], string>> = {
  stop: 'すぐにサインアウトされ、サインインできなくなります。記録は残り、あとで再開できます。',
  reactivate: 'もう一度サインインできるようになります。',
  'reset-password':
    'いまのパスワードは使えなくなり、サインイン中の画面も終わります。一時パスワードを1度だけ表示します。',
  'reset-second-factor':
    '登録した認証アプリと回復コードは使えなくなります。次のサインインで登録し直します。本人であることを必ず確かめてください。',
  'membership-stop': 'この所属では使えなくなります。ほかの所属はそのままです。',
  'membership-reactivate': 'この所属でもう一度使えるようになります。',
};

const DONE: Readonly<Record<Asked['kind'], string>> = {
  stop: '停止しました。',
  reactivate: '再開しました。',
  'reset-password': 'パスワードを再設定しました。',
  'reset-second-factor': '認証を再設定しました。次のサインインで登録し直します。',
  'membership-stop': '所属を停止しました。',
  'membership-reactivate': '所属を再開しました。',
};

function Hats({
  account,
  list,
  today,
  onEdit,
  onAsk,
}: {
  account: Account;
  list: readonly Membership[];
  today: string;
  onEdit: (membership: Membership) => void;
  onAsk: (kind: 'membership-stop' | 'membership-reactivate', membership: Membership) => void;
}) {
  if (list.length === 0)
    return (
      <Tag tone="orange" icon="warning" small>
        所属なし（サインインできません）
      </Tag>
    );
  return (
    <ul className="hats">
      {list.map((entry) => {
        const over =
          entry.valid_to !== null && entry.valid_to !== undefined && entry.valid_to < today;
        return (
          <li key={entry.id}>
            <span>
              {entry.agency.name}
              <span className="soft">
                {'　'}
                {labelOf(ROLES, entry.role)}　{entry.valid_from.replaceAll('-', '/')}〜
                {entry.valid_to?.replaceAll('-', '/') ?? ''}
              </span>
              {(over || !entry.active) && (
                <>
                  {' '}
                  <Tag tone="grey" small>
                    {entry.active ? '期間終了' : '停止中'}
                  </Tag>
                </>
              )}
            </span>
            <Menu
              label="…"
              className="button button--quiet button--xs"
              ariaLabel={`${account.name}さん ${entry.agency.name} の所属の操作`}
              entries={[
                {
                  id: 'edit',
                  label: '役割・期間を変える',
                  icon: 'pencil',
                  onSelect: () => onEdit(entry),
                },
                entry.active
                  ? {
                      id: 'stop',
                      label: 'この所属を停止する',
                      icon: 'lock',
                      onSelect: () => onAsk('membership-stop', entry),
                    }
                  : {
                      id: 'go',
                      label: 'この所属を再開する',
                      icon: 'check',
                      onSelect: () => onAsk('membership-reactivate', entry),
                    },
              ]}
            />
          </li>
        );
      })}
    </ul>
  );
}

function required(
  entries: Readonly<Record<string, { value: string; message: string }>>,
): SummaryItem[] {
  return Object.entries(entries).flatMap(([target, entry]) =>
    entry.value.trim() === '' ? [{ target, message: entry.message }] : [],
  );
}

const PROFESSION_OPTIONS = Object.entries(PROFESSIONS).map(([code, label]) => ({ code, label }));

function roleOptions(agency: Agency | undefined, sysadmin: boolean) {
  const codes = agency ? (ROLES_BY_CLASS[agency.class] ?? Object.keys(ROLES)) : [];
  return codes
    .filter((code) => sysadmin || !['sysadmin', 'auditor', 'stat'].includes(code))
    .map((code) => ({ code, label: labelOf(ROLES, code) }));
}

function NewAccount({
  agencies,
  today,
  onClose,
  onDone,
}: {
  agencies: readonly Agency[];
  today: string;
  onClose: () => void;
  onDone: (issued: Issued) => void;
}) {
  const { can } = useSession();
  const only = agencies.length === 1 ? (agencies[0]?.id ?? '') : '';
  const [form, setForm] = useState({
    login_id: '',
    name: '',
    kana: '',
    email: '',
    profession: '',
    agency_id: only,
    role: '',
    valid_from: today,
    valid_to: '',
  });
  const set = (name: keyof typeof form) => (value: string) =>
    setForm((old) => ({ ...old, [name]: value }));
  const agency = agencies.find((entry) => entry.id === form.agency_id);
  return (
    <FormDialog
      title="利用者を登録する"
      submitLabel="登録して一時パスワードを出す"
      onClose={onClose}
      labels={{
        login_id: { id: 'account-login', label: 'ログインID' },
        name: { id: 'account-name', label: '氏名' },
        kana: { id: 'account-kana', label: 'ふりがな' },
        email: { id: 'account-email', label: 'メールアドレス' },
        role: { id: 'account-role', label: '役割' },
        agency_id: { id: 'account-agency', label: '機関' },
      }}
      check={() => [
        ...required({
          'account-name': { value: form.name, message: '氏名を入力してください。' },
          'account-login': { value: form.login_id, message: 'ログインIDを入力してください。' },
          'account-agency': { value: form.agency_id, message: '機関を選んでください。' },
          'account-role': { value: form.role, message: '役割を選んでください。' },
          'account-from': {
            value: form.valid_from,
            message: '所属の始まりの日を入力してください。',
          },
        }),
        ...(form.login_id.trim() !== '' &&
        !/^[a-z0-9._@-]{3,64}$/i.test(form.login_id.normalize('NFKC').trim())
          ? [
              {
                target: 'account-login',
                message: 'ログインIDは半角の英数字と . _ - @ で、3文字以上にしてください。',
              },
            ]
          : []),
      ]}
      save={async () => {
        const login = form.login_id.normalize('NFKC').trim();
        const answer = await api.post<IssuedAnswer & Partial<Account>>('accounts', {
          login_id: login,
          name: form.name.trim(),
          kana: form.kana.trim() || null,
          email: form.email.trim() || null,
          profession: form.profession || null,
          // The first hat comes with the account, so that an account without one never waits about.
          membership: {
            agency_id: form.agency_id,
            role: form.role,
            valid_from: form.valid_from,
            valid_to: form.valid_to || null,
          },
        });
        const account = answer.account ?? answer;
        onDone({
          name: account.name ?? form.name.trim(),
          loginId: account.login_id ?? login,
          password: answer.one_time_password ?? '',
          enrol: true,
        });
      }}
    >
      {(errorAt) => (
        <>
          <div className="two">
            <TextInput
              id="account-name"
              label="氏名"
              required
              autoFocus
              value={form.name}
              onChange={set('name')}
              error={errorAt('account-name')}
            />
            <TextInput
              id="account-kana"
              label="ふりがな"
              value={form.kana}
              onChange={set('kana')}
              error={errorAt('account-kana')}
            />
            <TextInput
              id="account-login"
              label="ログインID"
              required
              support="半角の英数字"
              autoCapitalize="none"
              spellCheck={false}
              value={form.login_id}
              onChange={set('login_id')}
              error={errorAt('account-login')}
            />
            <TextInput
              id="account-email"
              label="メールアドレス"
              type="email"
              support="お知らせ用。個人情報は書きません"
              value={form.email}
              onChange={set('email')}
              error={errorAt('account-email')}
            />
            <Select
              label="職種"
              value={form.profession}
              options={PROFESSION_OPTIONS}
              empty="選ばない"
              onChange={set('profession')}
            />
          </div>
          <div className="two">
            <Select
              id="account-agency"
              label="機関"
              required
              value={form.agency_id}
              options={agencies.map((entry) => ({ code: entry.id, label: entry.name }))}
              onChange={(agency_id) => setForm((old) => ({ ...old, agency_id, role: '' }))}
              error={errorAt('account-agency')}
            />
            <Select
              id="account-role"
              label="役割"
              required
              support={agency ? undefined : '先に機関を選びます'}
              value={form.role}
              options={roleOptions(agency, can('admin_accounts'))}
              onChange={set('role')}
              error={errorAt('account-role')}
            />
            <DateInput
              id="account-from"
              label="所属の始まり"
              required
              value={form.valid_from}
              onChange={set('valid_from')}
              error={errorAt('account-from')}
            />
            <DateInput
              id="account-to"
              label="所属の終わり"
              support="決まっていなければ空のまま"
              value={form.valid_to}
              onChange={set('valid_to')}
              error={errorAt('account-to')}
            />
          </div>
        </>
      )}
    </FormDialog>
  );
}

function EditAccount({
  account,
  onClose,
  onDone,
}: {
  account: Account;
  onClose: () => void;
  onDone: () => void;
}) {
  const [form, setForm] = useState({
    name: account.name,
    kana: account.kana ?? '',
    email: account.email ?? '',
    profession: account.profession ?? '',
  });
  const set = (name: keyof typeof form) => (value: string) =>
    setForm((old) => ({ ...old, [name]: value }));
  return (
    <FormDialog
      title={`${account.name}さんを変更する`}
      submitLabel="変更を保存する"
      onClose={onClose}
      labels={{
        name: { id: 'account-name', label: '氏名' },
        kana: { id: 'account-kana', label: 'ふりがな' },
        email: { id: 'account-email', label: 'メールアドレス' },
      }}
      check={() =>
        required({ 'account-name': { value: form.name, message: '氏名を入力してください。' } })
      }
      save={async () => {
        await api.patch(`accounts/${account.id}`, {
          name: form.name.trim(),
          kana: form.kana.trim() || null,
          email: form.email.trim() || null,
          profession: form.profession || null,
          ...(account.version === undefined ? {} : { version: account.version }),
        });
        onDone();
      }}
    >
      {(errorAt) => (
        <div className="two">
          <TextInput
            id="account-name"
            label="氏名"
            required
            autoFocus
            value={form.name}
            onChange={set('name')}
            error={errorAt('account-name')}
          />
          <TextInput
            id="account-kana"
            label="ふりがな"
            value={form.kana}
            onChange={set('kana')}
            error={errorAt('account-kana')}
          />
          <TextInput
            id="account-email"
            label="メールアドレス"
            type="email"
            value={form.email}
            onChange={set('email')}
            error={errorAt('account-email')}
          />
          <Select
            label="職種"
            value={form.profession}
            options={PROFESSION_OPTIONS}
            empty="選ばない"
            onChange={set('profession')}
          />
        </div>
      )}
    </FormDialog>
  );
}

function EditMembership({
  account,
  membership,
  agencies,
  today,
  onClose,
  onDone,
}: {
  account: Account;
  membership: Membership | null;
  agencies: readonly Agency[];
  today: string;
  onClose: () => void;
  onDone: () => void;
}) {
  const { can } = useSession();
  const [form, setForm] = useState({
    agency_id: membership?.agency.id ?? '',
    role: membership?.role ?? '',
    valid_from: membership?.valid_from ?? today,
    valid_to: membership?.valid_to ?? '',
  });
  const set = (name: keyof typeof form) => (value: string) =>
    setForm((old) => ({ ...old, [name]: value }));
  const agency = agencies.find((entry) => entry.id === form.agency_id);
  return (
    <FormDialog
      title={membership ? `${account.name}さんの所属を変える` : `${account.name}さんに所属を加える`}
      submitLabel={membership ? '変更を保存する' : '所属を加える'}
      onClose={onClose}
      labels={{
        agency_id: { id: 'hat-agency', label: '機関' },
        role: { id: 'hat-role', label: '役割' },
        valid_from: { id: 'hat-from', label: '始まり' },
        valid_to: { id: 'hat-to', label: '終わり' },
      }}
      check={() => [
        ...required({
          'hat-agency': { value: form.agency_id, message: '機関を選んでください。' },
          'hat-role': { value: form.role, message: '役割を選んでください。' },
          'hat-from': { value: form.valid_from, message: '所属の始まりの日を入力してください。' },
        }),
        ...(form.valid_to !== '' && form.valid_to < form.valid_from
          ? [{ target: 'hat-to', message: '終わりの日は、始まりの日より後にしてください。' }]
          : []),
      ]}
      save={async () => {
        if (membership)
          await api.patch(`memberships/${membership.id}`, {
            role: form.role,
            valid_to: form.valid_to || null,
            ...(membership.version === undefined ? {} : { version: membership.version }),
          });
        else
          await api.post('memberships', {
            account_id: account.id,
            agency_id: form.agency_id,
            role: form.role,
            valid_from: form.valid_from,
            valid_to: form.valid_to || null,
          });
        onDone();
      }}
    >
      {(errorAt) => (
        <div className="two">
          {membership ? (
            <p>
              機関
              <br />
              <strong>{membership.agency.name}</strong>
            </p>
          ) : (
            <Select
              id="hat-agency"
              label="機関"
              required
              value={form.agency_id}
              options={agencies.map((entry) => ({ code: entry.id, label: entry.name }))}
              onChange={(agency_id) => setForm((old) => ({ ...old, agency_id, role: '' }))}
              error={errorAt('hat-agency')}
            />
          )}
          <Select
            id="hat-role"
            label="役割"
            required
            value={form.role}
            options={roleOptions(agency, can('admin_accounts'))}
            onChange={set('role')}
            error={errorAt('hat-role')}
          />
          {!membership && (
            <DateInput
              id="hat-from"
              label="始まり"
              required
              value={form.valid_from}
              onChange={set('valid_from')}
              error={errorAt('hat-from')}
            />
          )}
          <DateInput
            id="hat-to"
            label="終わり"
            support="決まっていなければ空のまま"
            value={form.valid_to}
            onChange={set('valid_to')}
            error={errorAt('hat-to')}
          />
        </div>
      )}
    </FormDialog>
  );
}
