import { act } from 'react';
import { createRoot } from 'react-dom/client';
import { describe, expect, it, vi } from 'vitest';
import { FormDialog } from './FormDialog';

vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);

describe('a form in a dialog', () => {
  it('takes a complaint back as soon as it is mended, and makes none before it is sent', async () => {
    const place = document.body.appendChild(document.createElement('div'));
    const root = createRoot(place);
    const save = vi.fn(() => Promise.resolve());
    const show = (reason: string): Promise<void> =>
      act(async () => {
        root.render(
          <FormDialog
            title="申請"
            submitLabel="送る"
            check={() =>
              reason === '' ? [{ target: 'reason', message: '理由がありません。' }] : []
            }
            save={save}
            onClose={() => undefined}
          >
            {(errorAt) => <output>{errorAt('reason') ?? 'なし'}</output>}
          </FormDialog>,
        );
        await Promise.resolve();
      });
    const said = (): string => document.querySelector('output')?.textContent ?? '';
    await show('');
    expect(said()).toBe('なし');
    await act(async () => {
      document.querySelector('form')?.requestSubmit();
      await Promise.resolve();
    });
    expect(said()).toBe('理由がありません。');
    expect(save).not.toHaveBeenCalled();
    await show('別の方の内容');
    expect(said()).toBe('なし');
    expect(document.body.textContent).not.toContain('理由がありません。');
    await show('');
    expect(said()).toBe('理由がありません。');
    await act(async () => {
      root.unmount();
      await Promise.resolve();
    });
    place.remove();
  });
});
