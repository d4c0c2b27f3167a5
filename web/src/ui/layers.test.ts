import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const order = /@layer ([^;]+);/.exec(readFileSync('public/layers.css', 'utf8'))?.[1]?.split(', ');

function sheets(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sheets(path);
    return entry.name.endsWith('.css') ? [path] : [];
  });
}

describe('style sheets', () => {
  it('have their layer order loaded before every other sheet', () => {
    const page = readFileSync('index.html', 'utf8');
    expect(page.indexOf('layers.css')).toBeGreaterThan(0);
    expect(page.indexOf('layers.css')).toBeLessThan(page.indexOf('<script'));
  });

  it.each(sheets('src'))('%s uses known layers only and writes nothing outside of them', (path) => {
    const text = readFileSync(path, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
    for (const [, name] of text.matchAll(/@layer ([\w, ]+)\s*\{/g))
      expect(order).toContain(name?.trim());
    const top = text.replace(/@import [^;]+;/g, '').trim();
    expect(top.startsWith('@layer')).toBe(true);
  });
});
