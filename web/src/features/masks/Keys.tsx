import { Button, Dialog } from '../../ui';
import { HELP } from './keyboard';
import { CATEGORIES } from './labels';

/** The keys, at the foot of the review, and the switch for them. */
export function KeyBar({ on, onSwitch }: { on: boolean; onSwitch: () => void }) {
  return (
    <div className="card masks__keys">
      <b>キー操作</b>
      {on ? (
        HELP.map((entry) => (
          <span key={entry.text}>
            {entry.keys.map((name) =>
              name === '–' ? (
                <i key={name}>–</i>
              ) : (
                <kbd key={name} className="key">
                  {name}
                </kbd>
              ),
            )}{' '}
            {entry.text}
          </span>
        ))
      ) : (
        <span className="soft">
          1文字のキー操作は切ってあります。ボタンと Ctrl+Enter は使えます。
        </span>
      )}
      <Button variant="text" size="s" aria-pressed={!on} onClick={onSwitch}>
        {on ? 'キー操作を切る' : 'キー操作を使う'}
      </Button>
    </div>
  );
}

/** The keys at length, with the categories by number. */
export function KeyDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog
      title="キー操作"
      isOpen={open}
      onClose={onClose}
      width="s"
      footer={
        <Button autoFocus onClick={onClose}>
          閉じる
        </Button>
      }
    >
      <dl className="masks__help">
        {HELP.map((entry) => (
          <div key={entry.text}>
            <dt>
              {entry.keys.map((name) =>
                name === '–' ? (
                  '–'
                ) : (
                  <kbd key={name} className="key">
                    {name}
                  </kbd>
                ),
              )}
            </dt>
            <dd>{entry.text}</dd>
          </div>
        ))}
        {CATEGORIES.slice(0, 9).map((entry, index) => (
          <div key={entry.code}>
            <dt>
              <kbd className="key">{index + 1}</kbd>
            </dt>
            <dd>{entry.label}</dd>
          </div>
        ))}
      </dl>
      <p className="soft">
        日本語の変換中は効きません。文の一部を選んでから A か 1〜9
        を押すと、伏せることばを足せます。
      </p>
    </Dialog>
  );
}
