/** The plain logic of signing in: what counts as a code, what to say, and where to go afterwards. */

/** Full-width digits and letters become half-width; spaces and hyphens people type are dropped. */
export function normaliseCode(input: string): string {
  return input
    .normalize('NFKC')
    .replace(/[\s\u200b\-‐‑‒–—―ーｰ−]/g, '')
    .toUpperCase();
}

/** Six digits once normalised, or the sentence that says what is wrong. */
export function checkTotp(input: string): { code: string } | { error: string } {
  const code = normaliseCode(input);
  if (code === '')
    return { error: '確認コードを入力してください。認証アプリに表示される6桁の数字です。' };
  if (!/^\d+$/.test(code))
    return {
      error: '確認コードは数字だけです。認証アプリに表示される6桁の数字を入力してください。',
    };
  if (code.length !== 6)
    return { error: `確認コードは6桁です。いまは${code.length}桁入力されています。` };
  return { code };
}

export function checkRecovery(input: string): { code: string } | { error: string } {
  const code = normaliseCode(input);
  if (code === '')
    return { error: '回復コードを入力してください。登録のときに印刷・保管したコードです。' };
  if (code.length < 8)
    return {
      error:
        '回復コードが短いようです。印刷した紙のとおりに、はじめから終わりまで入力してください。',
    };
  return { code: input.normalize('NFKC').trim() };
}

/** 「4分30秒」; rounds up so that the promised moment is never too early. */
export function remaining(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole >= 3600) {
    const hours = Math.floor(whole / 3600);
    const minutes = Math.ceil((whole % 3600) / 60);
    return minutes === 0 ? `${hours}時間` : `${hours}時間${minutes}分`;
  }
  if (whole >= 60) {
    const seconds_ = whole % 60;
    return seconds_ === 0 ? `${whole / 60}分` : `${Math.floor(whole / 60)}分${seconds_}秒`;
  }
  return `${whole}秒`;
}

export interface Refusal {
  code: string;
  /** Seconds until the next try is allowed (`locked`). */
  retryAfter?: number | undefined;
}

/** What the person reads when a step was refused. Never says which of id and password was wrong. */
export function refusalText(refusal: Refusal): string {
  switch (refusal.code) {
    case 'invalid_credentials':
      return 'ログインIDかパスワードが違います。大文字・小文字と、日本語入力になっていないかを確かめて、もう一度入力してください。';
    case 'totp_invalid':
      return '確認コードが違います。認証アプリの新しい数字を入力してください。続けて合わないときは、端末の時刻が合っているか確かめてください。';
    case 'totp_replayed':
      return 'この確認コードはすでに使われました。数字が変わるまで（30秒ほど）待って、新しい数字を入力してください。';
    case 'recovery_invalid':
      return '回復コードが違うか、すでに使われています。別の回復コードを入力してください。なくしたときは管理者に再設定を依頼してください。';
    case 'locked':
      return refusal.retryAfter && refusal.retryAfter > 0
        ? `続けて間違えたため、安全のため一時的にサインインを止めています。あと${remaining(refusal.retryAfter)}で入力できるようになります。`
        : '続けて間違えたため、安全のため一時的にサインインを止めています。しばらく待ってから、もう一度お試しください。';
    case 'stopped':
      return 'このアカウントは停止されています。所属機関の管理者にお問い合わせください。';
    case 'no_membership':
      return '有効な所属がありません。所属機関の管理者に、所属と期間の登録を確かめてもらってください。';
    case 'session_expired':
    case 'unauthenticated':
      return '操作のない時間が続いたため、サインアウトしました。もう一度サインインすると、見ていた画面に戻ります。';
    case 'password_too_short':
      return '短すぎます。12文字以上にしてください。';
    case 'password_too_long':
      return '長すぎます。128文字以内にしてください。';
    case 'password_is_login_id':
      return 'ログインIDを含まないものにしてください。';
    case 'password_repetitive':
      return '同じ文字や並びのくり返しは使えません。';
    case 'password_unchanged':
      return 'いまと同じパスワードは使えません。別のものにしてください。';
    case 'password_weak':
      return 'このパスワードは使えません。12文字以上で、推測されやすい語やログインIDを含まないものにしてください。';
    case 'password_wrong':
      return 'いまのパスワードが違います。もう一度入力してください。';
    case 'offline':
      return 'サーバーにつながりません。ネットワークを確かめて、もう一度押してください。入力した内容は残っています。';
    default:
      return 'うまく処理できませんでした。少し待ってから、もう一度お試しください。続くときは管理者にお知らせください。';
  }
}

export interface PasswordCheck {
  next?: string;
  again?: string;
}

/** The rules a browser can check; the server decides about leaked and guessable words. */
export function checkPassword(next: string, again: string, loginId: string): PasswordCheck {
  const errors: PasswordCheck = {};
  if (next === '') errors.next = '新しいパスワードを入力してください。';
  else if ([...next].length < 12)
    errors.next = `12文字以上にしてください。いまは${[...next].length}文字です。`;
  else if (loginId && next.toLowerCase().includes(loginId.toLowerCase()))
    errors.next = 'ログインIDを含まないものにしてください。';
  else if (new Set(next).size < 4) errors.next = '同じ文字のくり返しは使えません。';
  if (!errors.next && again !== next)
    errors.again = '確認用のパスワードが一致しません。同じものを入力してください。';
  return errors;
}

/** Groups of four are easier to copy by hand into an authenticator. */
export function groupSecret(secret: string): string {
  return secret.replace(/\s/g, '').replace(/(.{4})(?=.)/g, '$1 ');
}
