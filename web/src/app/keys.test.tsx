import { act, fireEvent, render, screen } from '@testing-library/react';
import { beforeEach, expect, it, vi } from 'vitest';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { useSingleKeys } from './keys';
import { SearchBox } from './Shell';

function Switch() {
  const [on, set] = useSingleKeys();
  return <button onClick={() => set(!on)}>{on ? '切る' : '使う'}</button>;
}

beforeEach(() => localStorage.clear());

const slash = () => fireEvent.keyDown(document.body, { key: '/' });
const box = () => screen.getByRole('combobox');

it('goes to the search box with 「/」 until somebody switches single keys off', () => {
  render(
    <QueryClientProvider client={new QueryClient()}>
      <SearchBox />
      <Switch />
    </QueryClientProvider>,
  );
  slash();
  expect(document.activeElement).toBe(box());
  box().blur();
  fireEvent.click(screen.getByText('切る'));
  slash();
  expect(document.activeElement).not.toBe(box());
  expect(screen.queryByText('/')).toBeNull();
  fireEvent.click(screen.getByText('使う'));
  slash();
  expect(document.activeElement).toBe(box());
});

it('holds the switch for the visit where storage is closed', () => {
  const closed = vi.spyOn(Storage.prototype, 'setItem').mockImplementation(() => {
    throw new Error('closed');
  });
  render(<Switch />);
  act(() => screen.getByText('切る').click());
  expect(screen.getByText('使う')).toBeDefined();
  act(() => screen.getByText('使う').click());
  expect(screen.getByText('切る')).toBeDefined();
  closed.mockRestore();
});
