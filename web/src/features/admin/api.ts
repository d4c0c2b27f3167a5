/** Shapes of the administration answers and the words for them. */
import type { Many } from '../cases/api';

export interface Account {
  id: string;
  login_id: string;
  name: string;
  kana?: string | null;
  email?: string | null;
  profession?: string | null;
  active: boolean;
  /** A second factor is registered. */
  enrolled: boolean;
  must_change_password?: boolean;
  version?: number;
  memberships?: Membership[];
}

export interface Agency {
  id: string;
  name: string;
  class: string;
  org_type?: string | null;
  phone?: string | null;
  active: boolean;
  version?: number;
}

export interface Membership {
  id: string;
  account_id: string;
  agency: { id: string; name: string };
  role: string;
  valid_from: string;
  valid_to?: string | null;
  active: boolean;
  version?: number;
}

export interface AuditEvent {
  seq: number | string;
  at: string;
  account?: { id?: string; name?: string | null; login_id?: string | null } | string | null;
  agency?: { id?: string; name?: string | null } | string | null;
  action: string;
  target_kind?: string | null;
  target?: string | null;
  outcome?: string | null;
}

export type Page<T> = Many<T>;

export const PROFESSIONS: Readonly<Record<string, string>> = {
  sw: '社会福祉士',
  psw: '精神保健福祉士',
  phn: '保健師',
  ns: '看護師',
  cm: '介護支援専門員（主任含む）',
  sodan: '相談支援専門員',
  shuunin: '主任相談支援員（困窮）',
  ssw: 'スクールソーシャルワーカー',
  cp: '公認心理師・臨床心理士',
  cw: 'ケースワーカー',
  csw: 'コミュニティソーシャルワーカー',
  law: '弁護士・司法書士',
  dr: '医師',
  office: '一般事務',
  other: 'その他',
};

/** Roles that fit an agency's class; the server refuses the others. */
export const ROLES_BY_CLASS: Readonly<Record<string, readonly string[]>> = {
  coordinator: ['coordinator', 'coord_mgr', 'viewer'],
  department: ['department_staff', 'department_approver', 'sysadmin', 'viewer', 'auditor', 'stat'],
  agency: ['agency', 'agency_mgr', 'viewer'],
};

const ACTIONS: Readonly<Record<string, string>> = {
  'session.open': 'サインイン（1段目）',
  'session.ready': 'サインイン',
  'session.totp': '確認コード',
  'session.recovery': '回復コード',
  'session.close': 'サインアウト',
  'session.enrolment': '認証アプリの登録',
  'session.password_change': 'パスワードの変更',
  'session.switch_membership': '所属の切り替え',
  'account.create': '利用者の登録',
  'account.update': '利用者の変更',
  'account.stop': '利用者の停止',
  'account.reactivate': '利用者の再開',
  'account.reset_password': 'パスワードの再設定',
  'account.reset_second_factor': '認証の再設定',
  'agency.create': '機関の登録',
  'agency.update': '機関の変更',
  'agency.stop': '機関の停止',
  'agency.reactivate': '機関の再開',
  'membership.create': '所属の登録',
  'membership.update': '所属の変更',
  'membership.stop': '所属の停止',
  'membership.reactivate': '所属の再開',
  'case.list': '事案の一覧',
  'case.search': '事案の検索',
  'case.create': '事案の受付',
  'case.read': '事案の閲覧',
  'case.update': '事案の変更',
  'case.disclose': '開示範囲の変更',
  'case.disclosures': '開示範囲の変更',
  'case.member_add': '支援機関の追加',
  'case.member_remove': '支援機関を外す',
  'case.consent': '同意の登録',
  'case.sharing_confirmed': '同意のない共有の確認',
  'case.view_as': '見え方の確認',
  'document.open': '記録を開く',
  'document.read': '記録の閲覧',
  'projection.read': 'マスク済みの閲覧',
  'progress.create': '支援経過の記録',
  'progress.amend': '支援経過の訂正',
  'masks.finish': 'マスク確認の終了',
  'transcript.create': '文字起こしの取込',
  'transcript.accept': '下書きの受け入れ',
  'similar.search': '類似事案の検索',
  'statistics.read': '統計の閲覧',
  'statistics.export': '統計の出力',
  'person.search': '台帳の検索',
  'person.read': '台帳の閲覧',
  'person.create': '台帳への登録',
  'person.update': '台帳の変更',
  'audit.read': '監査ログの閲覧',
};

/** An action in words; an unknown code is shown as it is. */
export function actionLabel(code: string): string {
  return ACTIONS[code] ?? code;
}

export function nameIn(
  value:
    { name?: string | null; login_id?: string | null; id?: string } | string | null | undefined,
): string {
  if (!value) return '—';
  if (typeof value === 'string') return value;
  return value.name ?? value.login_id ?? value.id ?? '—';
}
