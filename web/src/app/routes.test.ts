import { describe, expect, it } from 'vitest';
import { pageExists } from './pages';
import { NAV, ROUTES, SIGN_IN_PAGE } from './routes';

describe('the route table', () => {
  it.each(ROUTES.map((route) => [route.id, route.page] as const))(
    '%s has its page %s',
    (_, page) => {
      expect(pageExists(page)).toBe(true);
    },
  );

  it('has the sign-in page, unique ids, and a route for every item of the navigation', () => {
    expect(pageExists(SIGN_IN_PAGE)).toBe(true);
    const ids = ROUTES.map((route) => route.id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const item of NAV) expect(ROUTES.some((route) => route.path === item.path)).toBe(true);
  });

  it('asks for the same permission in the navigation as on the page', () => {
    for (const item of NAV) {
      const needs = ROUTES.find((route) => route.path === item.path)?.needs;
      if (needs) expect(item.needs).toEqual(needs);
    }
  });
});
