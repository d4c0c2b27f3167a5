import { useState } from 'react';
import { appUrl } from '../../api/client';
import { useSession } from '../../app/session';
import { Button, Checkbox, Dialog, Notice } from '../../ui';
import './admin.css';

/** What is handed to a person once: never stored, never shown again. */
export interface Issued {
  name: string;
  loginId: string;
  password: string;
  /** The second factor must be registered at the next sign-in. */
  enrol: boolean;
}

/** The one-time password with a slip to print. Closing needs a confirmation: it never comes back. */
export function Slip({ issued, onClose }: { issued: Issued; onClose: () => void }) {
  const { session } = useSession();
  const [handed, setHanded] = useState(false);
  const [error, setError] = useState<string | undefined>();
  return (
    <Dialog
      title="一時パスワードの発行"
      isOpen
      dismissable={false}
      onClose={onClose}
      footer={
        <>
          <Button icon="print" onClick={() => window.print()}>
            控えを印刷する
          </Button>
          <Button
            variant="primary"
            onClick={() => {
              if (handed) onClose();
              else
                setError(
                  '印刷するか書き写したら、チェックを入れてください。閉じると二度と表示できません。',
                );
            }}
          >
            閉じる
          </Button>
        </>
      }
    >
      <div className="stack">
        <Notice tone="warning" title="この画面を閉じると、もう表示できません">
          本人に直接手渡すか、封をして渡してください。メールやチャットで送らないでください。
        </Notice>
        <div className="slip">
          <p className="slip__title">結（むすび）　サインインの控え</p>
          <dl>
            <div>
              <dt>自治体</dt>
              <dd>{session.municipality.name}</dd>
            </div>
            <div>
              <dt>氏名</dt>
              <dd>{issued.name} 様</dd>
            </div>
            <div>
              <dt>アドレス</dt>
              <dd>{appUrl('').href}</dd>
            </div>
            <div>
              <dt>ログインID</dt>
              <dd>
                <code>{issued.loginId}</code>
              </dd>
            </div>
            <div>
              <dt>一時パスワード</dt>
              <dd>
                <code data-testid="one-time-password">{issued.password}</code>
              </dd>
            </div>
          </dl>
          <p className="soft">
            {issued.enrol &&
              'はじめてのサインインで、認証アプリの登録（スマートフォンなど）が必要です。'}
            サインインしたら、自分だけが知るパスワードに変えてください。変えたら、この控えは裁断してください。
          </p>
        </div>
        <Checkbox
          id="slip-handed"
          label="印刷した、または書き写しました"
          checked={handed}
          onChange={(checked) => {
            setHanded(checked);
            setError(undefined);
          }}
          {...(error ? { error } : {})}
        />
      </div>
    </Dialog>
  );
}
