import { ApiError } from '../api/client';

/** What happened and what to do, by the stable code of a problem. Plain, polite, specific. */
export const PROBLEM_WORDS: Readonly<Record<string, string>> = {
  offline: 'サーバーにつながりません。通信を確認して、もう一度お試しください。',
  invalid_credentials: 'ログインIDまたはパスワードが違います。入力し直してください。',
  totp_invalid:
    '確認コードが違います。認証アプリに表示されている6桁を入力してください。端末の時刻がずれていないかも確認してください。',
  totp_replayed: 'この確認コードは使用済みです。次のコードが表示されるまで待って入力してください。',
  locked:
    '入力の誤りが続いたため、一時的に受け付けを止めています。しばらく待ってからお試しください。',
  session_expired: 'サインインの有効期限が切れました。もう一度サインインしてください。',
  unauthenticated: 'サインインしてください。',
  stopped: 'この利用者は停止されています。管理者に連絡してください。',
  no_membership:
    'いま使える所属がありません。所属の期間が終わったか、停止されています。管理者に連絡してください。',
  cross_origin:
    'この画面からの操作と確認できませんでした。画面を読み込み直して、もう一度お試しください。',
  forbidden: 'この操作を行う権限がありません。必要な場合は主担当または管理者に連絡してください。',
  not_found: '見つかりませんでした。削除されたか、閲覧する権限がない可能性があります。',
  conflict: 'ほかの人が先に変更しました。最新の内容を読み込んでから、もう一度お試しください。',
  merged:
    'この方の登録は、ほかの登録にまとめられました。画面を閉じて、事案から開き直してください。入力した内容は保存されていません。',
  later_merge: 'この後に別の統合があります。新しい統合から順に元に戻してください。',
  address_withheld:
    '住所秘匿の方が含まれます。統合できるのは、両方の方の住所・連絡先を見られる機関だけです。',
  taken: 'すでに使われています。別のものを入力してください。',
  draft_gone:
    'この下書きは、別の画面で確定されたか、ほかの人が引き継ぎました。下の一覧を確かめてください。もう一度確定すると、別の記録になります。',
  sheet_exists: 'この記録は、ほかの人がもう作っています。画面を読み込み直しました。',
  draft_sheet: '前回の分がまだ確定していません。確定してから、次を作ってください。',
  requirements_missing:
    '先に済ませることが残っています。「支援の流れ」で「必須」を確かめてください。',
  reason_required: '済んでいないことがあります。このまま進める理由を書いてください。',
  request_open:
    '同じ相手への同じ依頼が、返事を待っています。返事を待つか、取り下げてから依頼してください。',
  not_in_meeting: '支援決定を依頼できるのは、段階が「会議付議中」のときだけです。',
  plan_changed:
    '依頼のあとでプランが変わりました。差し戻して、新しいプランで依頼を受けてください。',
  stale_draft: 'ほかの人が先に変更しました。最新の内容を読み込みました。もう一度お試しください。',
  nothing_to_publish: '公開していない変更はありません。',
  own_account: '自分自身の利用者は停止できません。別の管理者に依頼してください。',
  own_agency: '自分の所属する機関は停止できません。別の機関の管理者に依頼してください。',
  own_membership: '自分がいま使っている所属は変更できません。別の管理者に依頼してください。',
  invalid: '入力内容に誤りがあります。赤い印の項目を直してください。',
  malformed: '送った内容を読み取れませんでした。入力を見直して、もう一度お試しください。',
  too_long: '文字数が多すぎます。短くするか、いくつかに分けて入力してください。',
  too_large: 'データが大きすぎます。小さく分けて、もう一度お試しください。',
  unsupported_format: 'この形式は読み込めません。TXT、VTT、SRT、JSON のファイルを選んでください。',
  unencodable:
    'Shift_JIS（CP932）にない文字が含まれるため、この文字コードでは書き出せません。UTF-8 を選んで書き出してください。',
  broken_off:
    'ファイルが途中で切れたため、保存しませんでした。少し待ってから、もう一度お試しください。',
  unreadable: 'ファイルを読めません。CSVかExcelのファイルを選んでください。',
  too_many_rows: '行が多すぎます（5万行まで）。いくつかのファイルに分けてください。',
  import_errors: '誤りのある行があります。直して送り直すか、除いて取り込むことを選んでください。',
  import_unfit: '必ず要る列がないか、同じ項目の列が2つあります。見出しを確かめてください。',
  import_empty: '取り込む行がありません。',
  import_rights_changed:
    'このファイルを確認したあとで、あなたが見られる記録の範囲が変わりました。「もう一度確認する」を押してください。',
  personal_number:
    '個人番号（マイナンバー）とみられる12桁の数字が含まれています。このシステムには記録できません。番号を取り除いてください。',
  consent_confirmation_required:
    '同意が確認できていない方の情報が含まれます。共有の根拠を確認してください。',
  masks_pending:
    '確認していないマスクの候補が残っています。確認を続けるか、残して終える理由を書いてください。',
  final: 'この記録は確定しています。「訂正のために開く」で開いてから、もう一度お試しください。',
  too_many_versions:
    '残した版が多すぎます（200件まで）。これより多くは、名前を付けて残せません。自動の版は、これまでどおり残ります。',
  too_many_streams:
    '同じ利用者で開いている画面が多すぎます。使っていない画面を閉じてから、読み込み直してください。',
  out_of_turn: '通信の順番が合いませんでした。自動でつなぎ直します。',
  channel_ended: '通信が終わりました。自動でつなぎ直します。',
  overloaded: 'ただいま混み合っています。少し待ってからお試しください。',
  models_not_ready:
    '言語モデルを準備しています。入力した内容は失われません。少し待ってからお試しください。',
  model_unavailable:
    '言語モデルが動いていません。マスクの候補と類似事案は、復旧するまで更新されません。',
  search_not_ready: '検索の索引を開いています。1分ほど待ってから、もう一度お試しください。',
  font_unavailable:
    '図に使う文字の書体がサーバーにないため、図を書き出せません。管理者に連絡してください。画面の図は「印刷」から印刷できます。',
  internal: 'サーバーで問題が起きました。少し待ってからお試しください。',
};

/** What to mend in one field, by the code of its problem; the field's own label stands before it. */
export const FIELD_WORDS: Readonly<Record<string, string>> = {
  unknown_column: 'ここにない項目です',
  period: '終わりの日は、はじめの日以後にしてください',
  name: '名前を入力してください（60文字まで）',
  twice: '同じ機関種別が2つの行にあります。1つの行にまとめてください',
  department_period: '市町村所管課には期間を決められません。見える範囲だけを選んでください',
  overlap: '同じ種類の世帯の期間が重なっています。前の世帯を出た日より後の日にしてください',
  household: '種類の違う世帯です。選び直してください',
  required: '入力してください',
  invalid: '内容を確かめてください',
  bad_shape: '様式に加える内容の形が違います。画面を読み込み直してください',
  malformed: '形が違います。入力し直してください',
  unknown: '見つかりません。選び直してください',
  unknown_option: '選べない値です。選び直してください',
  unknown_field: 'この様式にない項目です。画面を読み込み直してください',
  unknown_agency: '選べない機関です。選び直してください',
  too_long: '長すぎます。短くしてください',
  too_many_words: '語が多すぎます。10語以内にしてください',
  too_large: '大きすぎます。小さく分けてください',
  too_high: '値が大きすぎます。入力し直してください',
  too_many: '数が多すぎます。減らしてください',
  taken: 'すでに使われています。別のものにしてください',
  unknown_form: 'この様式はここでは作れません。画面を読み込み直してください',
  date: '日付として読み取れません。入力し直してください',
  future: '未来の日付は入力できません',
  past: '今日以後の日付にしてください',
  reversed: '終わりが始まりより前になっています',
  personal_number: '個人番号（マイナンバー）とみられる12桁の数字があります。取り除いてください',
  personal_name: 'この事案の方の氏名が入っています。氏名を除いてください',
  case_number: '事案番号は「2026-0147」のように入力してください',
  kind: '選べない種類です。選び直してください',
  role: '選べない役割です。選び直してください',
  speaker: 'この話し手は文字起こしにありません。画面を読み込み直してください',
  person_or_person_id: '登録済みの方を選ぶか、新しい方の氏名を入力してください',
  same_person: '申請した人は承認できません。別の人が承認してください',
  same_entry: '同じ登録です。別の登録を選んでください',
  ground: '保存期限の満了は、事案全体の消去だけの根拠です',
  retention: 'この事案は終結していないか、保存期限が過ぎていません',
  objects: 'あわせて消すものが、この事案にありません。選び直してください',
  unknown_account: '担当にできない利用者です。選び直してください',
  password_wrong: 'いまのパスワードが違います。もう一度入力してください',
  password_too_short: '短すぎます。12文字以上にしてください',
  password_too_long: '長すぎます。128文字以内にしてください',
  password_is_login_id: 'ログインIDを含まないものにしてください',
  password_repetitive: '同じ文字や並びのくり返しは使えません',
  password_unchanged: 'いまと同じものは使えません。別のパスワードにしてください',
};

/** One field's problem as a sentence with the field's label. */
export function fieldProblemText(code: string, label: string): string {
  return `「${label}」：${FIELD_WORDS[code] ?? '内容を確かめてください'}。`;
}

/** Wording for any error. Unknown server errors show the request id to tell the administrator. */
export function problemText(error: unknown): string {
  if (!(error instanceof ApiError))
    return '画面の処理で問題が起きました。読み込み直しても直らないときは、管理者に連絡してください。';
  if (error.code === 'locked' && error.retryAfter !== undefined)
    return `入力の誤りが続いたため、一時的に受け付けを止めています。${waitText(error.retryAfter)}待ってからお試しください。`;
  const [field] = error.fields;
  // A screen that knows the field marks it; whoever asks here does not, so say what is wrong.
  if (error.code === 'invalid' && field)
    return `受け付けられない内容がありました：${FIELD_WORDS[field.code] ?? '内容を確かめてください'}。`;
  const known = error.code === 'internal' ? undefined : PROBLEM_WORDS[error.code];
  if (known) return known;
  const id = error.body.request_id;
  const trace = typeof id === 'string' ? `（問い合わせ番号 ${id}）` : '';
  if (error.status >= 500)
    return `サーバーで問題が起きました。少し待ってからお試しください。続くときは管理者に連絡してください。${trace}`;
  if (error.status === 403) return PROBLEM_WORDS.forbidden ?? '';
  if (error.status === 404) return PROBLEM_WORDS.not_found ?? '';
  if (error.status === 401) return PROBLEM_WORDS.session_expired ?? '';
  return `処理できませんでした（${error.code}）。入力を見直しても直らないときは、管理者に連絡してください。${trace}`;
}

function waitText(seconds: number): string {
  return seconds < 90 ? `約${Math.max(1, Math.ceil(seconds))}秒` : `約${Math.ceil(seconds / 60)}分`;
}

/** Refusals of the live-editing socket, by number. */
export const REFUSALS: Record<number, { title: string; text: string }> = {
  1: {
    title: '変更を受け付けられませんでした',
    text: '送った内容を読み取れませんでした。画面を新しくして、もう一度入力してください。',
  },
  2: {
    title: '変更が大きすぎます',
    text: '一度に送れるのは約1 MBまでです。小さく分けて貼り付けてください。',
  },
  3: {
    title: 'この記録を編集する権限がありません',
    text: '開示範囲が変わった可能性があります。必要な場合は主担当に連絡してください。',
  },
  4: {
    title: '変更を受け付けられませんでした',
    text: 'この様式にない項目への変更でした。画面が古い可能性があります。読み込み直してください。',
  },
  5: {
    title: '変更を受け付けられませんでした',
    text: '入力した人を確認できませんでした。読み込み直してから、もう一度入力してください。',
  },
  6: {
    title: 'この記録は作り直されました',
    text: '消去または復元が行われました。最新の内容を読み込みました。',
  },
  7: {
    title: '混み合っています',
    text: '自動で接続し直します。入力はこの画面に残っています。',
  },
  8: {
    title: 'この記録はマスク済みで表示します',
    text: 'あなたの機関にはマスク済みの内容だけが開示されています。',
  },
  9: {
    title: '個人番号（マイナンバー）は記録できません',
    text: '12桁の個人番号とみられる数字が含まれていたため、受け付けませんでした。番号を取り除いて入力してください。',
  },
};
