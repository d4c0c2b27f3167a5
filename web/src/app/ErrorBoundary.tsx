import { Component, type ReactNode } from 'react';
import { Button, Notice } from '../ui';
import { problemText } from '../i18n/problems';

/** Catches a broken screen: the navigation stays, the message says what to do. */
export class ErrorBoundary extends Component<
  { children: ReactNode; resetKey: string },
  { error: unknown; key: string }
> {
  override state: { error: unknown; key: string } = { error: null, key: this.props.resetKey };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  static getDerivedStateFromProps(
    props: { resetKey: string },
    state: { error: unknown; key: string },
  ) {
    return props.resetKey === state.key ? null : { error: null, key: props.resetKey };
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return (
      <Notice
        tone="error"
        live
        title="画面を表示できませんでした"
        actions={
          <Button variant="secondary" size="s" onClick={() => window.location.reload()}>
            読み込み直す
          </Button>
        }
      >
        <p>{problemText(this.state.error)}</p>
        <p>保存済みの内容は失われていません。</p>
      </Notice>
    );
  }
}
