import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { useSession } from '../../app/session';
import { labelOf, ROLES } from '../../i18n/glossary';
import { problemText } from '../../i18n/problems';
import {
  Button,
  ConfirmDialog,
  Empty,
  Menu,
  PageHead,
  Select,
  Table,
  Tag,
  TextInput,
  useToast,
} from '../../ui';
import { localDate } from '../cases/dates';
import { QueryState } from '../cases/parts';
import { ACTIONS, pathOf, type Asked } from './accountActions';
import { EditAccount, EditMembership, NewAccount } from './accountForms';
import { AdminTabs } from './AdminTabs';
import { PROFESSIONS, type Account, type Membership } from './api';
import { Hats } from './Hats';
import { Slip, type Issued } from './Slip';
import './admin.css';

type Editing =
  | { kind: 'new' }
  | { kind: 'account'; account: Account }
  | { kind: 'membership'; account: Account; membership: Membership | null };

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
    return own.length > 0 ? own : account.memberships;
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
      // Only a new password answers with something.
      const answer = await api.post<Schema<'OneTimePassword'> | undefined>(pathOf(asked));
      if (answer)
        setIssued({
          name: asked.account.name,
          loginId: asked.account.login_id,
          password: answer.one_time_password,
          enrol: asked.kind === 'reset-second-factor' || !asked.account.enrolled,
        });
      else toast(ACTIONS[asked.kind].done);
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
          title={ACTIONS[asked.kind].title(asked.account.name)}
          isOpen
          onCancel={() => setAsked(null)}
          onConfirm={() => void act()}
          confirmLabel={ACTIONS[asked.kind].label}
          danger={asked.kind === 'stop' || asked.kind === 'membership-stop'}
          busy={busy}
        >
          <p>
            {'membership' in asked &&
              `${asked.membership.agency.name}（${labelOf(ROLES, asked.membership.role)}）。`}
            {ACTIONS[asked.kind].consequence}
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
