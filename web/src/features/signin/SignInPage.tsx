import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState, type FormEvent, type ReactNode } from 'react';
import { ApiError, api, appUrl, request } from '../../api/client';
import type { Schema, Session } from '../../api/types';
import { DemoRibbon } from '../../app/DemoRibbon';
import type { PageProps } from '../../app/routes';
import { SESSION_KEY } from '../../app/session';
import { useTitle } from '../../app/title';
import {
  Button,
  Checkbox,
  ErrorSummary,
  Notice,
  Progress,
  TextInput,
  type SummaryItem,
} from '../../ui';
import {
  checkPassword,
  checkRecovery,
  checkTotp,
  groupSecret,
  refusalText,
  remaining,
} from './rules';
import './signin.css';

type Stage = 'credentials' | 'totp' | 'recovery' | 'enrolment' | 'password';

/** A step's answer; finishing the enrolment also gives the recovery codes. */
type StageAnswer = Schema<'StageAnswer'> &
  Partial<Schema<'EnrolmentAnswer'>> & { stage: Session['stage'] };

/** What a refused step leaves on the screen. */
interface Failure {
  text: string;
  target: string;
  /** When the next try is allowed (`locked`), in ms since the epoch. */
  until?: number;
}

/** A step's own words for a code that the server shares between steps. */
type Words = Readonly<Record<string, string>>;

function failureOf(error: unknown, target: string, words: Words = {}): Failure {
  if (!(error instanceof ApiError)) return { text: refusalText({ code: '' }), target };
  const code = error.code === 'invalid' ? (error.fields[0]?.code ?? error.code) : error.code;
  const text = refusalText({ code: words[code] ?? code, retryAfter: error.retryAfter });
  return error.code === 'locked' && error.retryAfter
    ? { text, target, until: Date.now() + error.retryAfter * 1000 }
    : { text, target };
}

/**
 * Signing in, outside the shell and at any address: when it is done the screen that was asked for
 * (or was open before the session ran out) appears. `params.again` = the session ran out.
 */
export default function SignInPage({ params }: PageProps) {
  const client = useQueryClient();
  const instance = useQuery({
    queryKey: ['instance'],
    queryFn: () => api.get<Schema<'Instance'>>('instance'),
    staleTime: Infinity,
  });
  // A reload in the middle of signing in goes on where it was.
  const [stage, setStage] = useState<Stage>(() => {
    const waiting = client.getQueryData<Session | null>(SESSION_KEY)?.stage;
    return waiting && waiting !== 'ready' ? waiting : 'credentials';
  });
  const [loginId, setLoginId] = useState('');
  const [lost, setLost] = useState(false);

  const advance = useCallback(
    (next: StageAnswer['stage']) => {
      setLost(false);
      if (next === 'ready') void client.refetchQueries({ queryKey: SESSION_KEY });
      else setStage(next);
    },
    [client],
  );
  /** A half-finished sign-in that the server no longer knows starts again from the beginning. */
  const restart = useCallback(() => {
    setLost(true);
    setStage('credentials');
  }, []);

  return (
    <>
      {instance.data?.demo && <DemoRibbon />}
      <div className="signin">
        <header className="signin__brand">
          <img src={appUrl('mark.svg').href} alt="" width="40" height="40" />
          <span>
            結<small>むすび　相談記録プラットフォーム</small>
          </span>
        </header>
        <main className="signin__card" id="main">
          {params['again'] && stage === 'credentials' && !lost && (
            <Notice tone="warning" title="自動でサインアウトしました" live>
              {refusalText({ code: 'session_expired' })}入力中の内容はこの画面に残っています。
            </Notice>
          )}
          {lost && (
            <Notice tone="warning" live title="時間が経ったため、はじめからやり直してください">
              サインインの途中で時間切れになりました。もう一度、ログインIDから入力してください。
            </Notice>
          )}
          {stage === 'credentials' && (
            <Credentials loginId={loginId} onLoginId={setLoginId} onDone={advance} />
          )}
          {stage === 'totp' && (
            <Totp onDone={advance} onLost={restart} onRecovery={() => setStage('recovery')} />
          )}
          {stage === 'recovery' && (
            <Recovery onDone={advance} onLost={restart} onBack={() => setStage('totp')} />
          )}
          {stage === 'enrolment' && <Enrolment onDone={advance} onLost={restart} />}
          {stage === 'password' && (
            <NewPassword loginId={loginId} onDone={advance} onLost={restart} />
          )}
        </main>
        <footer className="signin__foot">
          <p>
            サインインできないときは、所属機関の管理者にお問い合わせください。個人情報を扱う画面です。離席するときは必ずサインアウトしてください。
          </p>
        </footer>
      </div>
    </>
  );
}

/** One step: heading, error summary, fields, one button. */
function Step({
  title,
  lead,
  step,
  failure,
  errors,
  attempt,
  submitLabel,
  busy,
  onSubmit,
  children,
  foot,
}: {
  title: string;
  lead?: ReactNode;
  step?: string;
  failure: Failure | null;
  errors: readonly SummaryItem[];
  attempt: number;
  submitLabel: string;
  busy: boolean;
  onSubmit: () => void;
  children: ReactNode;
  foot?: ReactNode;
}) {
  useTitle(title);
  const left = useCountdown(failure?.until);
  // The seconds left are said at the button: an alert that changes every second is read out each time.
  const items = failure ? [{ target: failure.target, message: failure.text }] : errors;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    // A step whose fields do not take the focus themselves begins at its heading.
    if (document.activeElement === null || document.activeElement === document.body)
      heading.current?.focus();
  }, []);
  return (
    <form
      noValidate
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        if (!busy && left <= 0) onSubmit();
      }}
    >
      {step && <p className="soft">{step}</p>}
      <h1 tabIndex={-1} ref={heading}>
        {title}
      </h1>
      {lead && <div className="signin__lead">{lead}</div>}
      <ErrorSummary items={items} attempt={attempt} />
      <div className="stack--wide">
        {children}
        <Button
          type="submit"
          variant="primary"
          size="l"
          busy={busy}
          className="signin__submit"
          reason={left > 0 ? `あと${remaining(left)}お待ちください` : undefined}
        >
          {submitLabel}
        </Button>
      </div>
      {foot && <div className="signin__more">{foot}</div>}
    </form>
  );
}

/** Seconds until a moment, counted down on the screen; 0 when there is none. */
function useCountdown(until: number | undefined): number {
  const [now, setNow] = useState(() => Date.now());
  const over = until === undefined || until <= now;
  useEffect(() => {
    if (until === undefined) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [until]);
  return over || until === undefined ? 0 : (until - now) / 1000;
}

/** Sends one step and sorts the answer: on, again, or back to the beginning. */
function useSend(
  onDone: (stage: StageAnswer['stage']) => void,
  onLost: (() => void) | null,
  words: Words = {},
  /** Fields to which a code belongs, where it is not the step's own. */
  targets: Words = {},
) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const [attempt, setAttempt] = useState(0);
  const send = async (path: string, body: unknown, target: string): Promise<StageAnswer | null> => {
    setBusy(true);
    setFailure(null);
    try {
      const answer = await request<StageAnswer>('POST', path, {
        body,
        expectUnauthenticated: true,
      });
      if (!answer.recovery_codes) onDone(answer.stage);
      return answer;
    } catch (error) {
      const code = error instanceof ApiError ? error.code : '';
      if (onLost && (code === 'unauthenticated' || code === 'session_expired')) onLost();
      else {
        setFailure(failureOf(error, targets[code] ?? target, words));
        setAttempt((count) => count + 1);
      }
      return null;
    } finally {
      setBusy(false);
    }
  };
  const refuse = (): void => {
    setFailure(null);
    setAttempt((count) => count + 1);
  };
  return { busy, failure, attempt, send, refuse };
}

function Credentials({
  loginId,
  onLoginId,
  onDone,
}: {
  loginId: string;
  onLoginId: (id: string) => void;
  onDone: (stage: StageAnswer['stage']) => void;
}) {
  const [password, setPassword] = useState('');
  const [shown, setShown] = useState(false);
  const [errors, setErrors] = useState<{ id?: string; password?: string }>({});
  const { busy, failure, attempt, send, refuse } = useSend(onDone, null);
  const submit = (): void => {
    const found = {
      ...(loginId.trim() === '' ? { id: 'ログインIDを入力してください。' } : {}),
      ...(password === '' ? { password: 'パスワードを入力してください。' } : {}),
    };
    setErrors(found);
    if (Object.keys(found).length > 0) refuse();
    else
      void send('session', { login_id: loginId.normalize('NFKC').trim(), password }, 'signin-id');
  };
  return (
    <Step
      title="サインイン"
      failure={failure}
      attempt={attempt}
      errors={summaryOf({ 'signin-id': errors.id, 'signin-password': errors.password })}
      busy={busy}
      submitLabel="次へ"
      onSubmit={submit}
    >
      <TextInput
        id="signin-id"
        label="ログインID"
        required
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        value={loginId}
        onChange={onLoginId}
        error={errors.id}
      />
      <div>
        <TextInput
          id="signin-password"
          label="パスワード"
          required
          type={shown ? 'text' : 'password'}
          autoComplete="current-password"
          value={password}
          onChange={setPassword}
          error={errors.password}
        />
        <Checkbox label="パスワードを表示する" checked={shown} onChange={setShown} />
      </div>
    </Step>
  );
}

function Totp({
  onDone,
  onLost,
  onRecovery,
}: {
  onDone: (stage: StageAnswer['stage']) => void;
  onLost: () => void;
  onRecovery: () => void;
}) {
  const [code, setCode] = useState('');
  const [error, setError] = useState<string | undefined>();
  const { busy, failure, attempt, send, refuse } = useSend(onDone, onLost);
  const input = useFocus();
  const submit = (): void => {
    const checked = checkTotp(code);
    if ('error' in checked) {
      setError(checked.error);
      refuse();
      return;
    }
    setError(undefined);
    void send('session/totp', { code: checked.code }, 'signin-totp').then((answer) => {
      if (!answer) setCode('');
    });
  };
  return (
    <Step
      title="確認コードの入力"
      lead="認証アプリに表示されている6桁の数字を入力してください。"
      failure={failure}
      attempt={attempt}
      errors={summaryOf({ 'signin-totp': error })}
      busy={busy}
      submitLabel="サインイン"
      onSubmit={submit}
      foot={
        <Button variant="text" size="s" onClick={onRecovery}>
          認証アプリを使えないとき（回復コードを使う）
        </Button>
      }
    >
      <TextInput
        id="signin-totp"
        label="確認コード"
        required
        support="全角で入力しても、間に空白があってもかまいません。"
        inputMode="numeric"
        autoComplete="one-time-code"
        maxLength={12}
        inputRef={input}
        value={code}
        onChange={setCode}
        error={error}
      />
    </Step>
  );
}

function Recovery({
  onDone,
  onLost,
  onBack,
}: {
  onDone: (stage: StageAnswer['stage']) => void;
  onLost: () => void;
  onBack: () => void;
}) {
  const [code, setCode] = useState('');
  const [error, setError] = useState<string | undefined>();
  const { busy, failure, attempt, send, refuse } = useSend(onDone, onLost, {
    totp_invalid: 'recovery_invalid',
  });
  const input = useFocus();
  const submit = (): void => {
    const checked = checkRecovery(code);
    if ('error' in checked) {
      setError(checked.error);
      refuse();
      return;
    }
    setError(undefined);
    void send('session/recovery', { code: checked.code }, 'signin-recovery');
  };
  return (
    <Step
      title="回復コードの入力"
      lead="登録のときに印刷・保管した回復コードを1つ入力してください。1つのコードは1回だけ使えます。"
      failure={failure}
      attempt={attempt}
      errors={summaryOf({ 'signin-recovery': error })}
      busy={busy}
      submitLabel="サインイン"
      onSubmit={submit}
      foot={
        <>
          <Button variant="text" size="s" onClick={onBack}>
            確認コードの入力に戻る
          </Button>
          <p className="soft">回復コードもないときは、管理者に認証の再設定を依頼してください。</p>
        </>
      }
    >
      <TextInput
        id="signin-recovery"
        label="回復コード"
        required
        autoCapitalize="characters"
        spellCheck={false}
        inputRef={input}
        value={code}
        onChange={setCode}
        error={error}
      />
    </Step>
  );
}

/** The secret is made anew by each POST, so it is asked for once per visit, not per render. */
function Enrolment({
  onDone,
  onLost,
}: {
  onDone: (stage: StageAnswer['stage']) => void;
  onLost: () => void;
}) {
  const [secret, setSecret] = useState<Schema<'EnrolmentOffer'> | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [again, setAgain] = useState(0);
  const [code, setCode] = useState('');
  const [error, setError] = useState<string | undefined>();
  const [codes, setCodes] = useState<{ list: string[]; next: StageAnswer['stage'] } | null>(null);
  const { busy, failure, attempt, send, refuse } = useSend(onDone, onLost);
  const asked = useRef(-1);
  useEffect(() => {
    if (asked.current === again) return;
    asked.current = again;
    setProblem(null);
    request<Schema<'EnrolmentOffer'>>('POST', 'session/enrolment', { expectUnauthenticated: true })
      .then(setSecret)
      .catch((cause: unknown) => {
        if (cause instanceof ApiError && cause.status === 401) onLost();
        else setProblem(failureOf(cause, '').text);
      });
  }, [again, onLost]);

  if (codes) return <RecoveryCodes codes={codes.list} onConfirm={() => onDone(codes.next)} />;
  const submit = (): void => {
    const checked = checkTotp(code);
    if ('error' in checked) {
      setError(checked.error);
      refuse();
      return;
    }
    setError(undefined);
    void send('session/enrolment/confirm', { code: checked.code }, 'signin-enrol').then(
      (answer) => {
        if (answer?.recovery_codes) setCodes({ list: answer.recovery_codes, next: answer.stage });
        else if (!answer) setCode('');
      },
    );
  };
  return (
    <Step
      title="認証アプリの登録"
      step="はじめてのサインイン　1 / 2"
      lead="サインインのたびに使う確認コードを、スマートフォンなどの認証アプリで作れるようにします。"
      failure={failure}
      attempt={attempt}
      errors={summaryOf({ 'signin-enrol': error })}
      busy={busy}
      submitLabel="登録を確かめる"
      onSubmit={submit}
    >
      <ol className="signin__steps">
        <li>
          認証アプリ（Google Authenticator、Microsoft Authenticator
          など）で「追加」を選び、下の図を読み取ります。
          {problem && (
            <Notice
              tone="error"
              live
              title="登録用の図を用意できませんでした"
              actions={
                <Button size="s" onClick={() => setAgain((count) => count + 1)}>
                  もう一度試す
                </Button>
              }
            >
              {problem}
            </Notice>
          )}
          {!secret && !problem && <Progress label="登録用の図を用意しています" />}
          {secret && (
            <div className="signin__qr">
              <img
                src={`data:image/png;base64,${secret.qr_png_base64}`}
                alt="認証アプリで読み取るQRコード。読み取れないときは、下の文字を入力してください。"
                width="200"
                height="200"
              />
              <div>
                <p className="soft">
                  読み取れないときは、この文字をアプリに入力します（種類は「時間ベース」）。
                </p>
                <p className="signin__secret" data-testid="totp-secret">
                  {groupSecret(secret.secret)}
                </p>
                <CopyButton text={secret.secret} label="文字をコピー" />
              </div>
            </div>
          )}
        </li>
        <li>
          <TextInput
            id="signin-enrol"
            label="アプリに表示された6桁の数字"
            required
            inputMode="numeric"
            autoComplete="one-time-code"
            maxLength={12}
            value={code}
            onChange={setCode}
            error={error}
          />
        </li>
      </ol>
    </Step>
  );
}

function RecoveryCodes({ codes, onConfirm }: { codes: readonly string[]; onConfirm: () => void }) {
  useTitle('回復コードの保管');
  const [kept, setKept] = useState(false);
  const [error, setError] = useState<string | undefined>();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (kept) onConfirm();
        else
          setError(
            '印刷またはコピーして保管したら、チェックを入れてください。この画面は二度と出ません。',
          );
      }}
    >
      <p className="soft no-print">はじめてのサインイン　2 / 2</p>
      <h1 tabIndex={-1} ref={heading}>
        回復コードの保管
      </h1>
      <Notice tone="warning" title="この画面を閉じると、もう表示できません">
        スマートフォンをなくしたときは、この中の1つでサインインできます。1つのコードは1回だけ使えます。印刷して、パスワードとは別の、鍵のかかる場所に保管してください。
      </Notice>
      <ol className="signin__codes" aria-label="回復コード">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ol>
      <div className="row no-print">
        <Button icon="print" onClick={() => window.print()}>
          印刷する
        </Button>
        <CopyButton text={codes.join('\n')} label="すべてコピー" />
      </div>
      <div className="signin__confirm no-print">
        <Checkbox
          id="codes-kept"
          label="回復コードを保管しました"
          checked={kept}
          onChange={(checked) => {
            setKept(checked);
            setError(undefined);
          }}
          {...(error ? { error } : {})}
        />
        <Button type="submit" variant="primary" size="l" className="signin__submit">
          次へ進む
        </Button>
      </div>
    </form>
  );
}

function NewPassword({
  loginId,
  onDone,
  onLost,
}: {
  loginId: string;
  onDone: (stage: StageAnswer['stage']) => void;
  onLost: () => void;
}) {
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const [again, setAgain] = useState('');
  const [shown, setShown] = useState(false);
  const [errors, setErrors] = useState<{ current?: string; next?: string; again?: string }>({});
  const { busy, failure, attempt, send, refuse } = useSend(
    onDone,
    onLost,
    { invalid_credentials: 'password_wrong' },
    { invalid_credentials: 'password-current' },
  );
  const submit = (): void => {
    const found: typeof errors = checkPassword(next, again, loginId);
    if (current === '')
      found.current = 'いまのパスワード（渡された一時パスワード）を入力してください。';
    else if (!found.next && current === next)
      found.next = 'いまと同じパスワードは使えません。別のものにしてください。';
    setErrors(found);
    if (Object.keys(found).length > 0) refuse();
    else void send('session/password', { current, next }, 'password-next');
  };
  const type = shown ? 'text' : 'password';
  return (
    <Step
      title="パスワードの変更"
      lead="渡された一時パスワードを、自分だけが知るパスワードに変えてください。"
      failure={failure}
      attempt={attempt}
      errors={summaryOf({
        'password-current': errors.current,
        'password-next': errors.next,
        'password-again': errors.again,
      })}
      busy={busy}
      submitLabel="変更して進む"
      onSubmit={submit}
    >
      <TextInput
        id="password-current"
        label="いまのパスワード"
        required
        type={type}
        autoComplete="current-password"
        value={current}
        onChange={setCurrent}
        error={errors.current}
      />
      <TextInput
        id="password-next"
        label="新しいパスワード"
        required
        support="12文字以上。覚えやすい言葉をいくつか並べた長いものが安全です。"
        type={type}
        autoComplete="new-password"
        value={next}
        onChange={setNext}
        error={errors.next}
      />
      <div>
        <TextInput
          id="password-again"
          label="新しいパスワード（確認）"
          required
          type={type}
          autoComplete="new-password"
          value={again}
          onChange={setAgain}
          error={errors.again}
        />
        <Checkbox label="パスワードを表示する" checked={shown} onChange={setShown} />
      </div>
    </Step>
  );
}

function CopyButton({ text, label }: { text: string; label: string }) {
  const [state, setState] = useState<'idle' | 'done' | 'failed'>('idle');
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setState('done');
    } catch {
      setState('failed');
    }
  };
  return (
    <span className="row">
      <Button size="s" variant="quiet" icon="copy" onClick={() => void copy()}>
        {label}
      </Button>
      <span role="status" className="soft">
        {state === 'done' && 'コピーしました'}
        {state === 'failed' && 'コピーできませんでした。文字を選んで Ctrl+C を押してください。'}
      </span>
    </span>
  );
}

/** Gives a field the focus when its step appears. */
function useFocus() {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  return input;
}

function summaryOf(errors: Readonly<Record<string, string | undefined>>): SummaryItem[] {
  return Object.entries(errors).flatMap(([target, message]) =>
    message ? [{ target, message }] : [],
  );
}
