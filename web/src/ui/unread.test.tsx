import { act, fireEvent, render, screen } from '@testing-library/react';
import { useState } from 'react';
import { describe, expect, it, vi } from 'vitest';
import { DateInput } from './DateInput';
import { ErrorSummary, type SummaryItem } from './ErrorSummary';
import { submitOnCtrlEnter, UnreadContext, useUnread } from './unread';

function Form({ onSend }: { onSend: (day: string) => void }) {
  const unread = useUnread();
  const [day, setDay] = useState('2026-11-30');
  const [second, setSecond] = useState(true);
  const [attempt, setAttempt] = useState(0);
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        setAttempt((count) => count + 1);
        if (unread.problems().length === 0) onSend(day);
      }}
      onKeyDown={submitOnCtrlEnter}
    >
      <UnreadContext value={unread}>
        <ErrorSummary items={[]} attempt={attempt} />
        <DateInput
          label="実施日"
          value={day}
          onChange={setDay}
          limits={{ notAfter: '2026-11-30' }}
          yearless={{ today: '2026-11-30' }}
        />
        {second && <DateInput label="生年月日" value="" onChange={() => undefined} />}
        <button type="button" onClick={() => setSecond(false)}>
          除く
        </button>
        <button type="submit">送る</button>
      </UnreadContext>
    </form>
  );
}

function type(label: string, text: string): HTMLElement {
  const box = screen.getByLabelText(label);
  fireEvent.change(box, { target: { value: text } });
  return box;
}

/** Whether closing the window would ask first. */
function warns(): boolean {
  return !window.dispatchEvent(new Event('beforeunload', { cancelable: true }));
}

describe('boxes that hold what the form does not know', () => {
  it('stop a submit, and the summary says which', () => {
    const send = vi.fn();
    render(<Form onSend={send} />);
    fireEvent.blur(type('実施日', '11/2x'));
    fireEvent.click(screen.getByText('送る'));
    expect(send).not.toHaveBeenCalled();
    expect(screen.getByRole('alert').textContent).toContain('「実施日」：日付として読めません');
    fireEvent.blur(type('実施日', '11/20'));
    expect(screen.queryByRole('alert')).toBeNull();
    fireEvent.click(screen.getByText('送る'));
    expect(send).toHaveBeenCalledWith('2026-11-20');
  });

  it('hand over their text before Ctrl+Enter submits', async () => {
    const send = vi.fn();
    render(<Form onSend={send} />);
    fireEvent.keyDown(type('実施日', '11月20日'), { key: 'Enter', ctrlKey: true });
    await act(() => new Promise((done) => setTimeout(done, 5)));
    expect(send).toHaveBeenCalledExactlyOnceWith('2026-11-20');
  });

  it('stop nothing any more once they are gone', () => {
    const send = vi.fn();
    render(<Form onSend={send} />);
    fireEvent.blur(type('生年月日', '昭和'));
    fireEvent.click(screen.getByText('送る'));
    expect(send).not.toHaveBeenCalled();
    fireEvent.click(screen.getByText('除く'));
    fireEvent.click(screen.getByText('送る'));
    expect(send).toHaveBeenCalledOnce();
  });

  it('make closing the window ask', () => {
    render(<Form onSend={() => undefined} />);
    expect(warns()).toBe(false);
    const box = type('実施日', '11/');
    expect(warns()).toBe(true);
    fireEvent.blur(box);
    expect(warns()).toBe(true);
    fireEvent.blur(type('実施日', ''));
    expect(warns()).toBe(false);
  });
});

describe('ErrorSummary', () => {
  const items: SummaryItem[] = [{ target: 'a', message: '入力してください。' }];

  it('takes the focus on an attempt only, not when errors come and go while somebody types', () => {
    const page = (attempt: number, list: SummaryItem[]) => (
      <>
        <ErrorSummary items={list} attempt={attempt} />
        <input aria-label="欄" />
      </>
    );
    const { rerender } = render(page(0, []));
    rerender(page(1, items));
    expect(document.activeElement).toBe(screen.getByRole('alert'));
    const box = screen.getByLabelText('欄');
    box.focus();
    rerender(page(1, []));
    rerender(page(1, items));
    expect(document.activeElement).toBe(box);
    rerender(page(2, items));
    expect(document.activeElement).toBe(screen.getByRole('alert'));
  });
});
