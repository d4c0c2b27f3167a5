import { useState, type ReactNode } from 'react';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { useSession } from '../../app/session';
import { labelOf, ROLES } from '../../i18n/glossary';
import { DateInput, FormDialog, Select, TextInput, type SummaryItem } from '../../ui';
import { PROFESSIONS, ROLES_BY_CLASS, type Account, type Agency, type Membership } from './api';
import type { Issued } from './Slip';

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

/** A new account with its first hat. */
export function NewAccount({
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
        role: { id: 'hat-role', label: '役割' },
        agency_id: { id: 'hat-agency', label: '機関' },
        valid_from: { id: 'hat-from', label: '所属の始まり' },
        valid_to: { id: 'hat-to', label: '所属の終わり' },
      }}
      check={() => [
        ...required({
          'account-name': { value: form.name, message: '氏名を入力してください。' },
          'account-login': { value: form.login_id, message: 'ログインIDを入力してください。' },
        }),
        ...hatProblems(form),
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
        const answer = await api.post<Schema<'CreatedAccount'>>('accounts', {
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
        onDone({
          name: answer.account.name,
          loginId: answer.account.login_id,
          password: answer.one_time_password,
          enrol: true,
        });
      }}
    >
      {(errorAt) => (
        <>
          <NameInputs form={form} set={set} errorAt={errorAt}>
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
          </NameInputs>
          <HatInputs
            form={form}
            change={(part) => setForm((old) => ({ ...old, ...part }))}
            errorAt={errorAt}
            agencies={agencies}
          />
        </>
      )}
    </FormDialog>
  );
}

/** What an account is called and reached by. */
export function EditAccount({
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
          version: account.version,
        });
        onDone();
      }}
    >
      {(errorAt) => <NameInputs form={form} set={set} errorAt={errorAt} />}
    </FormDialog>
  );
}

/** A hat: where, as what, how long. */
export function EditMembership({
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
  const [form, setForm] = useState({
    agency_id: membership?.agency.id ?? '',
    role: membership?.role ?? '',
    valid_from: membership?.valid_from ?? today,
    valid_to: membership?.valid_to ?? '',
  });
  return (
    <FormDialog
      title={membership ? `${account.name}さんの所属を変える` : `${account.name}さんに所属を加える`}
      submitLabel={membership ? '変更を保存する' : '所属を加える'}
      onClose={onClose}
      labels={{
        agency_id: { id: 'hat-agency', label: '機関' },
        role: { id: 'hat-role', label: '役割' },
        valid_from: { id: 'hat-from', label: '所属の始まり' },
        valid_to: { id: 'hat-to', label: '所属の終わり' },
      }}
      check={() => hatProblems(form)}
      save={async () => {
        if (membership)
          await api.patch(`memberships/${membership.id}`, {
            role: form.role,
            valid_to: form.valid_to || null,
            version: membership.version,
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
        <HatInputs
          form={form}
          change={(part) => setForm((old) => ({ ...old, ...part }))}
          errorAt={errorAt}
          agencies={agencies}
          worn={membership}
        />
      )}
    </FormDialog>
  );
}

interface Names {
  name: string;
  kana: string;
  email: string;
  profession: string;
}

/** Name and address of an account; `children` stand after the name. */
function NameInputs({
  form,
  set,
  errorAt,
  children,
}: {
  form: Names;
  set: (field: keyof Names) => (value: string) => void;
  errorAt: (target: string) => string | undefined;
  children?: ReactNode;
}) {
  return (
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
      {children}
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
  );
}

interface Hat {
  agency_id: string;
  role: string;
  valid_from: string;
  valid_to: string;
}

/** What is missing or wrong in a hat. */
export function hatProblems(hat: Hat): SummaryItem[] {
  return [
    ...required({
      'hat-agency': { value: hat.agency_id, message: '機関を選んでください。' },
      'hat-role': { value: hat.role, message: '役割を選んでください。' },
      'hat-from': { value: hat.valid_from, message: '所属の始まりの日を入力してください。' },
    }),
    ...(hat.valid_to !== '' && hat.valid_from !== '' && hat.valid_to < hat.valid_from
      ? [{ target: 'hat-to', message: '終わりの日は、始まりの日より後にしてください。' }]
      : []),
  ];
}

/** Where, as what, how long. Of a hat that is `worn`, agency and beginning stay as they are. */
function HatInputs({
  form,
  change,
  errorAt,
  agencies,
  worn = null,
}: {
  form: Hat;
  change: (part: Partial<Hat>) => void;
  errorAt: (target: string) => string | undefined;
  agencies: readonly Agency[];
  worn?: Membership | null;
}) {
  const { can } = useSession();
  const agency = agencies.find((entry) => entry.id === form.agency_id);
  return (
    <div className="two">
      {worn ? (
        <p>
          機関
          <br />
          <strong>{worn.agency.name}</strong>
        </p>
      ) : (
        <Select
          id="hat-agency"
          label="機関"
          required
          value={form.agency_id}
          options={agencies.map((entry) => ({ code: entry.id, label: entry.name }))}
          onChange={(agency_id) => change({ agency_id, role: '' })}
          error={errorAt('hat-agency')}
        />
      )}
      <Select
        id="hat-role"
        label="役割"
        required
        support={agency ? undefined : '先に機関を選びます'}
        value={form.role}
        options={roleOptions(agency, can('admin_accounts'))}
        onChange={(role) => change({ role })}
        error={errorAt('hat-role')}
      />
      {!worn && (
        <DateInput
          id="hat-from"
          label="所属の始まり"
          required
          value={form.valid_from}
          onChange={(valid_from) => change({ valid_from })}
          error={errorAt('hat-from')}
        />
      )}
      <DateInput
        id="hat-to"
        label="所属の終わり"
        support="決まっていなければ空のまま"
        value={form.valid_to}
        onChange={(valid_to) => change({ valid_to })}
        error={errorAt('hat-to')}
      />
    </div>
  );
}
