import { useState } from 'react';
import { ApiError, request } from '../../api/client';
import type { Schema } from '../../api/types';
import { useSession } from '../../app/session';
import { Checkbox, FormDialog, Notice, TextInput, useToast } from '../../ui';
import { checkPassword } from './rules';

const IDS = { current: 'own-current', next: 'own-next', again: 'own-again' } as const;

/** 「パスワードを変える」, from the user's own menu. */
export function PasswordDialog({ onClose }: { onClose: () => void }) {
  const { session, refresh } = useSession();
  const toast = useToast();
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const [again, setAgain] = useState('');
  const [shown, setShown] = useState(false);
  const type = shown ? 'text' : 'password';
  return (
    <FormDialog
      title="パスワードを変える"
      submitLabel="パスワードを変える"
      width="s"
      labels={{
        current: { id: IDS.current, label: 'いまのパスワード' },
        next: { id: IDS.next, label: '新しいパスワード' },
        ...Object.fromEntries(
          ['too_short', 'too_long', 'is_login_id', 'repetitive'].map((code) => [
            `password_${code}`,
            { id: IDS.next, label: '新しいパスワード' },
          ]),
        ),
      }}
      check={() => {
        const found = checkPassword(next, again, session.account.login_id);
        return [
          ...(current === ''
            ? [{ target: IDS.current, message: 'いまのパスワードを入力してください。' }]
            : []),
          ...(found.next ? [{ target: IDS.next, message: found.next }] : []),
          ...(found.again ? [{ target: IDS.again, message: found.again }] : []),
        ];
      }}
      save={async () => {
        try {
          await request<Schema<'StageAnswer'>>('POST', 'session/password', {
            body: { current, next },
            // A wrong password is 401 too, and no reason to be signed out.
            expectUnauthenticated: true,
          });
        } catch (error) {
          if (error instanceof ApiError && error.code === 'invalid_credentials')
            throw new ApiError(422, 'invalid', [{ path: 'current', code: 'password_wrong' }]);
          if (error instanceof ApiError && error.status === 401) await refresh();
          throw error;
        }
        toast('パスワードを変えました。ほかの端末のサインインは終わりました。');
        onClose();
      }}
      onClose={onClose}
    >
      {(errorAt) => (
        <>
          <Notice tone="info">変えると、ほかの端末やブラウザのサインインは終わります。</Notice>
          <TextInput
            id={IDS.current}
            label="いまのパスワード"
            required
            autoFocus
            type={type}
            autoComplete="current-password"
            value={current}
            onChange={setCurrent}
            error={errorAt(IDS.current)}
          />
          <TextInput
            id={IDS.next}
            label="新しいパスワード"
            required
            support="12文字以上。ログインIDを含まないもの。空白や日本語も使えます。"
            type={type}
            autoComplete="new-password"
            value={next}
            onChange={setNext}
            error={errorAt(IDS.next)}
          />
          <TextInput
            id={IDS.again}
            label="新しいパスワード（確認）"
            required
            type={type}
            autoComplete="new-password"
            value={again}
            onChange={setAgain}
            error={errorAt(IDS.again)}
          />
          <Checkbox label="入力した文字を表示する" checked={shown} onChange={setShown} />
        </>
      )}
    </FormDialog>
  );
}
