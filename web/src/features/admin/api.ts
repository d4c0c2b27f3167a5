/** Shapes of the administration answers and the words for them. */
import type { Schema } from '../../api/types';

export type Account = Schema<'AccountAnswer'>;
export type Agency = Schema<'AgencyAnswer'>;
export type Membership = Schema<'MembershipAnswer'>;

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
  'session.totp': 'サインイン（確認コード）',
  'session.recovery': 'サインイン（回復コード）',
  'session.enrolment': '認証アプリの登録',
  'session.password': 'サインイン（パスワード）',
  'session.password_change': 'パスワードの変更',
  'session.membership': '所属の切り替え',
  'session.close': 'サインアウト',
  'account.list': '利用者の一覧',
  'account.view': '利用者の表示',
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
  'membership.list': '所属の一覧',
  'membership.create': '所属の登録',
  'membership.update': '所属の変更',
  'membership.stop': '所属の停止',
  'membership.reactivate': '所属の再開',
  'audit.list': '監査ログの閲覧',
  'audit.terms': '検索語の閲覧',
  'case.list': '事案の一覧',
  'case.search': '事案の検索',
  'case.create': '事案の受付',
  'case.view': '事案の閲覧',
  'case.follow': '事案の画面を開いた',
  'case.update': '事案の変更',
  'case.stage': '段階の変更',
  'case.person_add': '関係者の追加',
  'case.view_as': '見え方の確認',
  'case.access_log': '閲覧履歴の表示',
  'consent.list': '同意の閲覧',
  'consent.register': '同意の登録',
  'consent.override': '同意のない共有の確認',
  'consent.confirmation_required': '共有の確認を求めた',
  'consent.confirmation_refused': '共有の確認が足りず中止',
  'basis.add': '共有の根拠の登録',
  'disclosure.view': '開示の設定の閲覧',
  'disclosure.set': '開示の設定の変更',
  'member.list': '支援機関の閲覧',
  'member.add': '支援機関の追加',
  'member.remove': '支援機関を外した',
  'document.create': '記録の作成',
  'document.open': '記録を開いた（同時編集）',
  'document.view': '記録の閲覧',
  'document.print': '記録の印刷',
  'document.carry': 'ほかの記録からの引き継ぎ',
  'document.history': '記入の履歴の閲覧',
  'document.compare': '版の比較',
  'document.keep_version': '版を残した',
  'document.restore': '前の版に戻した',
  'document.finalise': '記録の確定',
  'document.reopen': '記録の再開',
  'forms.draft': '項目の追加（下書き）',
  'forms.draft_drop': '項目の追加（下書きの取り消し）',
  'forms.publish': '項目の追加（公開）',
  'erasure.request': '消去の申請',
  'erasure.approve': '消去の承認',
  'erasure.reject': '消去の却下',
  'erasure.done': '消去の完了（廃棄記録）',
  'masks.release': 'マスク確認の終了',
  'progress.list': '支援経過の閲覧',
  'progress.add': '支援経過の記録',
  'progress.amend': '支援経過の訂正',
  'person.search': '台帳の検索',
  'person.alike': '台帳の似た方の確認',
  'person.view': '台帳の閲覧',
  'person.create': '台帳への登録',
  'person.update': '台帳の変更',
  'transcript.list': '文字起こしの一覧',
  'transcript.read': '文字起こしの閲覧',
  'transcript.create': '文字起こしの取込',
  'transcript.speakers': '話し手の変更',
  'transcript.accept': '下書きの受け入れ',
  'transcript.withdraw': '下書きの受け入れの取消',
  'similar.search': '類似事案の検索',
  'statistics.view': '統計の閲覧',
  'statistics.read': '統計の閲覧',
  'statistics.export': '統計の出力',
  'network.view': '図の閲覧',
  'network.export': '図の出力',
  'token.create': 'APIトークンの発行',
  'worker.run': '自動処理',
};

/** What an entry of the log is about. */
const OBJECTS: Readonly<Record<string, string>> = {
  account: '利用者',
  agency: '機関',
  membership: '所属',
  municipality: '自治体',
  session: 'サインイン',
  case: '事案',
  person: '台帳の人',
  document: '記録',
  erasure: '消去',
  section: '記録',
  consent: '同意',
  basis: '共有の根拠',
  disclosure: '開示の設定',
  progress: '支援経過',
  progress_record: '支援経過',
  transcript: '文字起こし',
  network: '図',
  statistics: '統計',
  audit: '監査ログ',
  override: '共有の確認',
  register: '台帳',
  drawing: '図',
  svg: 'SVG',
  png: 'PNG',
  csv: 'CSV',
  json: '表',
  token: 'APIトークン',
  worker: '自動処理',
};

/** The kind of an entry's object in words; an unknown code is shown as it is. */
export function objectLabel(code: string | null | undefined): string {
  return code ? (OBJECTS[code] ?? code) : '';
}

/** What is counted, by the name it has in the log; every other id is opaque and shown as it is. */
export function objectId(id: string): string {
  return id === 'new_consultations' ? '新規相談受付' : id;
}

/** An action in words; an unknown code is shown as it is. */
export function actionLabel(code: string): string {
  return ACTIONS[code] ?? code;
}
