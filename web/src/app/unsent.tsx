import { REFUSALS } from '../i18n/problems';
import { labelAt } from '../forms/definition';
import { useForm } from '../forms/use-form';
import { dismissRefusal, useUnsent, type ShownRefusal } from '../sync/unsent';
import { Button, Dialog, Icon, useToast } from '../ui';

/** Says on every page that a sheet which was left is not saved yet, and what came of it. */
export function UnsentNotices() {
  const { waiting, refusals } = useUnsent();
  const [refusal] = refusals;
  return (
    <>
      <div role="status">
        {waiting > 0 && (
          <p className="offline-banner">
            <Icon name="warning" />
            保存待ちの記録があります（{waiting}
            件）。つながると自動で保存します。この画面を閉じないでください。
          </p>
        )}
      </div>
      {refusal && <RefusalDialog refusal={refusal} onClose={() => dismissRefusal(refusal)} />}
    </>
  );
}

/** Says why the server refused, and offers the unsent words for copying. */
function RefusalDialog({ refusal, onClose }: { refusal: ShownRefusal; onClose: () => void }) {
  const showToast = useToast();
  const form = useForm(refusal.form).data;
  const words = REFUSALS[refusal.code];
  const copy = async (text: string) => {
    try {
      await navigator.clipboard.writeText(text);
      showToast('コピーしました。');
    } catch {
      showToast('コピーできませんでした。文章を選択して Ctrl+C を押してください。', {
        tone: 'error',
      });
    }
  };
  return (
    <Dialog
      title={words?.title ?? '変更を受け付けられませんでした'}
      isOpen
      onClose={onClose}
      // The texts exist nowhere else: Esc must not throw them away.
      dismissable={refusal.unsent.length === 0}
      role="alertdialog"
      footer={
        <Button variant="primary" onClick={onClose}>
          閉じる
        </Button>
      }
    >
      <div className="stack">
        {form && <p>記録：{form.title}</p>}
        <p>{words?.text ?? refusal.reason}</p>
        {refusal.unsent.length > 0 && (
          <>
            <p>
              次の文章は保存されていません。必要なものをコピーしてから閉じてください。閉じると元に戻せません。
            </p>
            {refusal.unsent.map((unsent) => (
              <div key={unsent.path} className="unsent">
                <div className="row row--between">
                  <strong>{form ? labelAt(form, unsent.path) : '書きかけの文章'}</strong>
                  <Button size="s" icon="copy" onClick={() => void copy(unsent.text)}>
                    コピー
                  </Button>
                </div>
                <p className="unsent__text">{unsent.text}</p>
              </div>
            ))}
          </>
        )}
      </div>
    </Dialog>
  );
}
