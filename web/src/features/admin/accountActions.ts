/** What can be done to an account or one of its hats with one press, and the words for it. */
import type { Account, Membership } from './api';

export type Asked =
  | { kind: 'stop' | 'reactivate' | 'reset-password' | 'reset-second-factor'; account: Account }
  | { kind: 'membership-stop' | 'membership-reactivate'; account: Account; membership: Membership };

interface Action {
  title: (name: string) => string;
  label: string;
  /** Said before it is done. */
  consequence: string;
  /** Said afterwards; a new password is shown instead. */
  done: string;
}

export const ACTIONS: Readonly<Record<Asked['kind'], Action>> = {
  stop: {
    title: (name) => `${name}さんを停止しますか`,
    label: '停止する',
    consequence:
      'すぐにサインアウトされ、サインインできなくなります。記録は残り、あとで再開できます。',
    done: '停止しました。',
  },
  reactivate: {
    title: (name) => `${name}さんを再開しますか`,
    label: '再開する',
    consequence: 'もう一度サインインできるようになります。',
    done: '再開しました。',
  },
  'reset-password': {
    title: (name) => `${name}さんのパスワードを再設定しますか`,
    label: '再設定する',
    consequence:
      'いまのパスワードは使えなくなり、サインイン中の画面も終わります。一時パスワードを1度だけ表示します。',
    done: 'パスワードを再設定しました。',
  },
  'reset-second-factor': {
    title: (name) => `${name}さんの認証を再設定しますか`,
    label: '再設定する',
    consequence:
      '登録した認証アプリと回復コードは使えなくなります。次のサインインで登録し直します。本人であることを必ず確かめてください。',
    done: '認証を再設定しました。次のサインインで登録し直します。',
  },
  'membership-stop': {
    title: (name) => `${name}さんの所属を停止しますか`,
    label: '所属を停止する',
    consequence: 'この所属では使えなくなります。ほかの所属はそのままです。',
    done: '所属を停止しました。',
  },
  'membership-reactivate': {
    title: (name) => `${name}さんの所属を再開しますか`,
    label: '所属を再開する',
    consequence: 'この所属でもう一度使えるようになります。',
    done: '所属を再開しました。',
  },
};

/** Where an action is posted. */
export function pathOf(asked: Asked): string {
  return 'membership' in asked
    ? `memberships/${asked.membership.id}/${asked.kind.replace('membership-', '')}`
    : `accounts/${asked.account.id}/${asked.kind}`;
}
