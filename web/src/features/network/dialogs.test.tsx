import { fireEvent, render, screen } from '@testing-library/react';
import { expect, it, vi } from 'vitest';
import { NodeDialog, type Candidate } from './dialogs';

const CANDIDATES: Candidate[] = [
  {
    kind: 'person',
    id: 'a',
    label: '甲',
    sex: '1',
    birth_date: '1940-01-01',
    deceased: true,
    index: true,
  },
  { kind: 'person', id: 'b', label: '乙' },
];

it('keeps nothing of somebody chosen before', () => {
  const save = vi.fn();
  render(
    <NodeDialog node={null} candidates={CANDIDATES} onSave={save} onClose={() => undefined} />,
  );
  const choose = (value: string) =>
    fireEvent.change(screen.getByLabelText(/この事案の登録から選ぶ/), { target: { value } });
  const saved = () => {
    fireEvent.click(screen.getByRole('button', { name: '足す' }));
    return save.mock.lastCall?.[0] as unknown;
  };
  const name = () => screen.getByLabelText<HTMLInputElement>(/氏名・名称/);
  choose('a');
  choose('b');
  expect(saved()).toEqual({ kind: 'person', label: '乙', person_id: 'b' });
  choose('a');
  choose('');
  fireEvent.change(name(), { target: { value: '丙' } });
  expect(saved()).toEqual({ kind: 'person', label: '丙' });
  choose('a');
  fireEvent.click(screen.getByLabelText('機関'));
  fireEvent.change(name(), { target: { value: '東包括' } });
  expect(saved()).toEqual({ kind: 'agency', label: '東包括' });
});
