import { render, screen } from '@testing-library/react';
import { expect, it } from 'vitest';
import { Drawing, safeDrawing, textsOf } from './Drawing';

const PICTURE =
  '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="200" onload="x()"><script>x()</script>' +
  '<g onclick="x()"><text font-family="BIZ UDPGothic">相談</text><a href="javascript:x()"><text>外</text></a></g>' +
  '<foreignObject><p>html</p></foreignObject><text> 件数 </text></svg>';

it('draws shapes and words only', () => {
  const drawn = safeDrawing(PICTURE);
  expect(drawn?.outerHTML).not.toMatch(/script|onload|onclick|href|foreignObject|html/);
  expect(drawn?.getAttribute('viewBox')).toBe('0 0 300 200');
  expect(textsOf(PICTURE)).toEqual(['相談', '件数']);
  expect(safeDrawing('サーバーの都合でお見せできません')).toBeNull();
});

it('stands in the page under its name', () => {
  render(<Drawing svg={PICTURE} label="月ごとの件数" />);
  expect(screen.getByRole('img', { name: '月ごとの件数' }).querySelector('svg')).not.toBeNull();
});
